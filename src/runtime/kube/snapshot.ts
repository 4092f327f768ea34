// A whole collection at one version, read in pages.
import type { KubeClient, ListOptions } from "./client.ts";
import type { Kind, KubeObject } from "./object.ts";

export interface Snapshot<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/**
 * The most recent state: the API server asks etcd how far it is, so this never lies behind what a client has seen before.
 * Pages of two snapshots are never mixed: a continue token that expired (410) rejects, and the caller starts again.
 * @param pageSize 0: all in one page
 * @param prepare what is kept of each object; all by default
 */
export async function listAll<T extends KubeObject>(
  client: Pick<KubeClient, "list">,
  kind: Kind<T>,
  options: Omit<ListOptions, "limit" | "continue" | "resourceVersion" | "resourceVersionMatch">,
  pageSize: number,
  prepare: (object: T) => T = (object) => object,
): Promise<Snapshot<T>> {
  const limit = pageSize === 0 ? {} : { limit: pageSize };
  let page = await client.list(kind, { ...options, ...limit });
  const { resourceVersion } = page;
  const items = page.items.map(prepare);
  while (page.continue !== undefined) {
    page = await client.list(kind, { ...options, ...limit, continue: page.continue });
    for (const item of page.items) items.push(prepare(item));
  }
  return { items, resourceVersion };
}
