// Finalizers: a promise to clean up before an object goes.
// Guarantees: cleanup runs, at least once, before the object of this uid goes; the finalizers of others are never touched.
// Assumptions: cleanup is idempotent and level-triggered, since it may be cut off anywhere; the pass returns after adding (the
//   patch itself is the event that starts the next one), so that nothing outside exists without the promise.
// Caveats: an object deleted before it got its finalizer is never cleaned up after, and what a person removes by hand is gone.
import jsonPatch from "fast-json-patch";
import type { CreateOptions, JsonPatch, KubeClient } from "../kube/client.ts";
import { isConflict, isNotFound } from "../kube/errors.ts";
import { refTo, type Kind, type KubeObject } from "../kube/object.ts";
import { patchGuarded } from "./guarded-patch.ts";

/** What a finalizer needs of the world. */
export interface FinalizerContext {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

export function hasFinalizer(object: Readonly<KubeObject>, name: string): boolean {
  return object.metadata.finalizers?.includes(name) ?? false;
}

/**
 * Adds the finalizer to an object as it was read. Already there: nothing is written.
 * @throws Error for an object that is being deleted: the API forbids it. ApiError 409 when it has changed since it was read.
 */
export async function addFinalizer<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  object: Readonly<T>,
  name: string,
  options: CreateOptions = {},
): Promise<Readonly<T>> {
  if (hasFinalizer(object, name)) return object;
  if (object.metadata.deletionTimestamp !== undefined) {
    throw new Error(`${kind.kind} ${object.metadata.name} is being deleted: too late for finalizer ${name}`);
  }
  return patchGuarded(client, kind, object, patchTo(object, [...(object.metadata.finalizers ?? []), name]), options);
}

/**
 * Removes the finalizer from an object as it was read. Not there, or the object gone: success.
 * @throws ApiError 409 when the object has changed since it was read: read again, then retry.
 */
export async function removeFinalizer<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  object: Readonly<T>,
  name: string,
  options: CreateOptions = {},
): Promise<void> {
  if (!hasFinalizer(object, name)) return;
  const remaining = object.metadata.finalizers!.filter((finalizer) => finalizer !== name);
  try {
    await patchGuarded(client, kind, object, patchTo(object, remaining), options);
  } catch (error) {
    if (isNotFound(error)) return;
    if (!isConflict(error)) throw error;
    // A conflict is also what comes when a namesake has taken its place: then it is gone, and that is what was wanted.
    const now = await client.get(kind, refTo(object), options.signal === undefined ? {} : { signal: options.signal });
    if (now !== undefined && now.metadata.uid === object.metadata.uid && hasFinalizer(now, name)) throw error;
  }
}

/**
 * The finalizer's part of a pass. "added" and "removed": the pass is over. "present": go on. Anything else is what `cleanup`
 * answered while it is not "done" yet; the finalizer then stays.
 */
export async function finalize<T extends KubeObject, Pending = never>(
  kind: Kind<T>,
  object: Readonly<T>,
  name: string,
  cleanup: (object: Readonly<T>) => Promise<"done" | Pending>,
  { client, signal }: FinalizerContext,
): Promise<"added" | "present" | "removed" | Pending> {
  if (object.metadata.deletionTimestamp === undefined) {
    if (hasFinalizer(object, name)) return "present";
    await addFinalizer(client, kind, object, name, { signal });
    return "added";
  }
  if (hasFinalizer(object, name)) {
    const outcome = await cleanup(object);
    if (outcome !== "done") return outcome;
    await removeFinalizer(client, kind, object, name, { signal });
  }
  return "removed";
}

/** Guarded by the whole list as it was seen: it is shared, and the API server does not merge it. Null is how an absent one is tested. */
function patchTo(object: Readonly<KubeObject>, finalizers: readonly string[]): JsonPatch {
  const before = object.metadata.finalizers;
  const change = jsonPatch.compare(
    { metadata: before === undefined ? {} : { finalizers: before } },
    { metadata: { finalizers } },
  );
  return [{ op: "test", path: "/metadata/finalizers", value: before ?? null }, ...(change as JsonPatch)];
}
