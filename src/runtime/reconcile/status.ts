// The owner's status: written by server-side apply, and only when it differs from what the cache shows.
import { isDeepStrictEqual } from "node:util";
import equal from "fast-deep-equal";
import { refTo, type Kind, type KubeObject } from "../kube/object.ts";
import type { ApplyContext } from "./apply.ts";

export interface StatusWrite<T extends KubeObject> {
  readonly result: "updated" | "unchanged" | "gone";
  readonly object: Readonly<T>;
}

/**
 * Writes `status` as the whole of what we say, compared with the newest that the cache has. An object that has gone meanwhile,
 * or was replaced by a namesake, is not written.
 * @throws ApiError
 */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  kind: Kind<T>,
  object: Readonly<T>,
  status: NonNullable<T["status"]>,
  fieldManager: string,
  context: Pick<ApplyContext, "cache" | "client" | "signal">,
): Promise<StatusWrite<T>> {
  const { uid } = object.metadata;
  const live = context.cache.get(kind, refTo(object)) ?? object;
  if (live.metadata.uid !== uid) return { result: "gone", object };
  if (statusEqual(status, live.status ?? {})) return { result: "unchanged", object: live };
  const body = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...refTo(object), uid },
    status,
  } as unknown as T;
  const written = await context.client.applyStatus(kind, body, { fieldManager, force: true, signal: context.signal });
  return { result: "updated", object: written };
}

/** Equality of plain JSON; undefined members count as absent. */
export function statusEqual(a: unknown, b: unknown): boolean {
  const left = asJson(a);
  const right = asJson(b);
  try {
    if (equal(left, right)) return true;
  } catch {
    // It calls what it finds under the keys toString and valueOf (fast-deep-equal#49, #111) …
  }
  // … and takes what stands under `constructor` for a class. What it finds equal is equal; all else is looked at again.
  return isDeepStrictEqual(left, right);
}

function asJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
