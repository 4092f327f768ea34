// How an object is deleted: as the one that was seen, never as whatever bears its name now.
import { PersistentVolumeClaim, refTo, Secret, type Kind, type KubeClient, type KubeObject } from "../runtime/index.ts";

/** What deleting needs of a controller's context. */
export interface RemovalContext {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

/**
 * Deletes it by its uid, unless it is being deleted already. What holds data or passwords goes only in the version that was seen: a
 * volume that has been bound since, or marked, is looked at again.
 * @throws ApiError
 */
export async function remove<T extends KubeObject>(
  kind: Kind<T>,
  object: Readonly<T>,
  { client, signal }: RemovalContext,
): Promise<void> {
  const { uid = "", resourceVersion, deletionTimestamp } = object.metadata;
  if (deletionTimestamp !== undefined) return;
  const isPrecious = kind.kind === PersistentVolumeClaim.kind || kind.kind === Secret.kind;
  const version = isPrecious && resourceVersion !== undefined ? { resourceVersion } : {};
  await client.delete(kind, refTo(object), { uid, ...version, signal });
}
