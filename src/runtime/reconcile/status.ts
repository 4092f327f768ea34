// The owner's status: written by server-side apply, and only when it differs from what the cache shows.
import { isDeepStrictEqual } from "node:util";
import equal from "fast-deep-equal";
import { isConflict, isNotFound } from "../kube/errors.ts";
import { refTo, type Kind, type KubeObject } from "../kube/object.ts";
import type { ApplyContext } from "./apply.ts";
import { isRecord } from "./paths.ts";

export interface StatusWrite<T extends KubeObject> {
  readonly result: "updated" | "unchanged" | "gone";
  readonly object: Readonly<T>;
}

/**
 * Writes `status` as the whole of what we say, compared with the newest that the cache has. An object that has gone meanwhile
 * is not brought back, and a namesake is not written: against that only the resourceVersion helps, since the API server does
 * not look at a uid that is applied to /status. An empty map or list means the same as none.
 * @throws ApiError
 */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  kind: Kind<T>,
  object: Readonly<T>,
  status: NonNullable<T["status"]>,
  fieldManager: string,
  { cache, client, signal }: Pick<ApplyContext, "cache" | "client" | "signal">,
): Promise<StatusWrite<T>> {
  const { apiVersion, metadata } = object;
  const gone = { result: "gone", object } as const;
  let live: Readonly<T> | undefined = cache.get(kind, refTo(object)) ?? object;
  for (let attempt = 1; live !== undefined && live.metadata.uid === metadata.uid; attempt++) {
    if (statusEqual(withoutEmpty(status), withoutEmpty(live.status ?? {})))
      return { result: "unchanged", object: live };
    const { resourceVersion } = live.metadata;
    const body = {
      apiVersion,
      kind: kind.kind,
      metadata: { ...refTo(object), resourceVersion },
      status: withoutEmptied(status, live.status),
    } as unknown as T;
    try {
      return { result: "updated", object: await client.applyStatus(kind, body, { fieldManager, force: true, signal }) };
    } catch (error) {
      if (isNotFound(error)) return gone;
      if (!isConflict(error) || attempt === maxAttempts) throw error;
      live = await client.get(kind, refTo(object), { signal });
    }
  }
  return gone;
}

/** Somebody else writes the object at the same time; more often than this in a row it is better to let some time pass. */
const maxAttempts = 3;

/**
 * Of an applied map or list that is empty and was not, the API server makes null, which most schemas refuse: what was emptied is
 * left out instead (https://github.com/kubernetes-sigs/structured-merge-diff/issues/305).
 */
function withoutEmptied(status: unknown, live: unknown): unknown {
  if (!isRecord(status)) return status;
  const before = isRecord(live) ? live : {};
  const members = Object.entries(status).map(([name, value]) => [name, withoutEmptied(value, before[name])] as const);
  return Object.fromEntries(members.filter(([name, value]) => !isEmpty(value) || isEmpty(before[name] ?? {})));
}

function withoutEmpty(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const members = Object.entries(value).map(([name, member]) => [name, withoutEmpty(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !isEmpty(member)));
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
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
