// Volumes that have lost the label by which they are watched: missing in the cache, and not lost.
import { PersistentVolumeClaim, refTo, type Cache, type KubeClient } from "../runtime/index.ts";
import type { Database } from "./api.ts";
import { readInstances, type Instance } from "./instances.ts";
import { annotations } from "./names.ts";

/** What reading needs of a controller's context. */
export interface StrayContext {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly signal: AbortSignal;
}

/**
 * The instances, each with its volume. Asks the API server only where a StatefulSet stands without one.
 * @throws ApiError
 */
export async function readInstancesWithStrays(
  database: Readonly<Database>,
  { client, cache, signal }: StrayContext,
): Promise<readonly Instance[]> {
  const ref = refTo(database);
  const instances = readInstances(ref, cache);
  const bare = instances.filter(({ statefulSet, volume }) => statefulSet !== undefined && volume === undefined);
  const found = await Promise.all(
    bare.map(({ name }) => client.get(PersistentVolumeClaim, { ...ref, name }, { signal })),
  );
  const strays = found.flatMap((volume) =>
    volume?.metadata.annotations?.[annotations.ownerUid] === database.metadata.uid ? [volume!] : [],
  );
  return strays.length === 0 ? instances : readInstances(ref, cache, strays);
}
