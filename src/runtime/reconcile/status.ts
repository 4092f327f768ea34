// The owner's status: written by server-side apply, and only when it differs from what the cache shows.
import { isDeepStrictEqual } from "node:util";
import equal from "fast-deep-equal";
import { keepNewest } from "../keep-newest.ts";
import { ApiError, isConflict, isNotFound } from "../kube/errors.ts";
import { refTo, type Kind, type KubeObject } from "../kube/object.ts";
import type { ApplyContext } from "./apply.ts";
import { isRecord } from "./paths.ts";

export interface StatusWrite<T extends KubeObject> {
  readonly result: "updated" | "unchanged" | "gone";
  readonly object: Readonly<T>;
}

/**
 * Of each cache, the uids of objects whose status may be another than it knows: that of a write without an answer. Elsewhere the
 * watch tells of such a write and wakes the object; a status wakes nobody.
 */
const inDoubt = new WeakMap<WeakKey, Set<string>>();
/** Objects that went without another write are never asked about again. */
const maxInDoubt = 1_000;

/**
 * Writes `status` as the whole of what we say, compared with the newest that the cache has; after a write without an answer, with
 * a live read. An object that has gone meanwhile is not brought back, and a namesake is not written: against that only the
 * resourceVersion helps, since the API server does not look at a uid that is applied to /status. An empty map or list means the
 * same as none.
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
  const uid = metadata.uid ?? "";
  const doubtful = inDoubt.get(cache) ?? new Set();
  inDoubt.set(cache, doubtful);
  const read = (): Promise<Readonly<T> | undefined> => client.get(kind, refTo(object), { signal });
  let live = doubtful.has(uid) ? await read() : (cache.get(kind, refTo(object)) ?? object);
  for (let attempt = 1; live !== undefined && live.metadata.uid === metadata.uid; attempt++) {
    const said = live.status ?? {};
    if (statusEqual(status, said) || statusEqual(withoutEmpty(status), withoutEmpty(said))) {
      doubtful.delete(uid);
      return { result: "unchanged", object: live };
    }
    const { resourceVersion } = live.metadata;
    const body = {
      apiVersion,
      kind: kind.kind,
      metadata: { ...refTo(object), resourceVersion },
      status: withoutEmptied(status, live.status),
    } as unknown as T;
    try {
      const written = await client.applyStatus(kind, body, { fieldManager, force: true, signal });
      doubtful.delete(uid);
      return { result: "updated", object: written };
    } catch (error) {
      if (isNotFound(error)) break;
      if (!isRefusal(error)) remember(uid, doubtful);
      if (!isConflict(error) || attempt === maxAttempts) throw error;
      live = await read();
    }
  }
  doubtful.delete(uid);
  return gone;
}

function remember(uid: string, doubtful: Set<string>): void {
  doubtful.delete(uid);
  doubtful.add(uid);
  keepNewest(doubtful, maxInDoubt);
}

/** The API server says that it did not do it. */
const isRefusal = (error: unknown): boolean => error instanceof ApiError && error.status >= 400 && error.status < 500;

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
  try {
    // What it finds equal is equal. What stands under `constructor` it takes for a class …
    if (equal(a, b)) return true;
  } catch {
    // … and it calls what it finds under the keys toString and valueOf (fast-deep-equal#49, #111).
  }
  return isDeepStrictEqual(asJson(a), asJson(b));
}

function asJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
