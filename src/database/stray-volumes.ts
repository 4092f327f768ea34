// Volumes that have lost the label by which they are watched: missing in the cache, and not lost.
import { PersistentVolumeClaim, refTo, type Cache, type KubeClient } from "../runtime/index.ts";
import type { Database } from "./api.ts";
import { readInstances, type Instance } from "./instances.ts";
import { annotations } from "./names.ts";
import { isVanished } from "./volume-loss.ts";

/** What reading needs of a controller's context. */
export interface StrayContext {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly signal: AbortSignal;
}

/**
 * The instances, each with its volume. Asks the API server only where a StatefulSet stands without one.
 * @param instances as the cache has them
 * @throws ApiError
 */
export async function withStrays(
  database: Readonly<Database>,
  instances: readonly Instance[],
  { client, cache, signal }: StrayContext,
): Promise<readonly Instance[]> {
  const ref = refTo(database);
  const found = await Promise.all(
    instances.filter(isVanished).map(({ name }) => client.get(PersistentVolumeClaim, { ...ref, name }, { signal })),
  );
  const strays = found.flatMap((volume) =>
    volume?.metadata.annotations?.[annotations.ownerUid] === database.metadata.uid ? [volume!] : [],
  );
  return strays.length === 0 ? instances : readInstances(ref, cache, strays);
}
