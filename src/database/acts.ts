// The acts of a rollout, and how one is done. Each is a step that can be taken up anywhere: a pass that was cut off plans it again.
import {
  Endpoints,
  isNotFound,
  patchGuarded,
  PersistentVolumeClaim,
  refTo,
  StatefulSet,
  type Context,
  type JsonPatch,
} from "../runtime/index.ts";
import type { Database, Reason } from "./api.ts";
import { leaderOf, type Instance } from "./instances.ts";
import { annotations } from "./names.ts";

export type Act =
  /** There are more instances than declared: mark this one. */
  | { readonly type: "retire"; readonly instance: Instance }
  /** It was marked, and leads all the same (a failover came between): it stays, another one goes. */
  | { readonly type: "keep"; readonly instance: Instance }
  /** It is marked: stop it by deleting its StatefulSet. */
  | { readonly type: "stop"; readonly instance: Instance }
  /** It is marked and stopped, and the policy is not to keep volumes. */
  | { readonly type: "removeVolume"; readonly instance: Instance };

/**
 * Does what was planned, if a live read says that the same instance leads as in the plan: the cache can be behind a failover.
 * @returns whether it was done; if not, the plan is made again when the cache has caught up
 * @throws ApiError
 */
export async function performAct<V>(
  act: Act,
  database: Readonly<Database>,
  primary: Instance | undefined,
  context: Context<V>,
): Promise<boolean> {
  const { client, signal, events, log } = context;
  const { namespace } = database.metadata;
  const { instance } = act;
  if (act.type !== "keep") {
    const leader = leaderOf(await client.get(Endpoints, refTo(database), { signal }));
    if (leader === undefined || leader !== primary?.podName || leader === instance.podName) return false;
  }
  const tell = (reason: Reason, message: string): void => {
    log.info({ instance: instance.name }, message);
    events.emit(database, { type: "Normal", reason, message });
  };
  switch (act.type) {
    case "retire":
      if (instance.volume === undefined) await stop(instance, context);
      else await mark(instance.volume, addRetired(instance.volume), context);
      tell("RetiringInstances", `Instance ${instance.name} is retired: ${database.spec.replicas ?? 1} are declared`);
      return true;
    case "keep":
      if (instance.volume !== undefined) await mark(instance.volume, removeRetired, context);
      tell("RetiringInstances", `Instance ${instance.name} became the primary while it was being retired: it stays`);
      return true;
    case "stop":
      await stop(instance, context);
      return true;
    case "removeVolume": {
      const { uid = "", resourceVersion } = instance.volume?.metadata ?? {};
      const ref = { name: instance.name, ...(namespace === undefined ? {} : { namespace }) };
      await client.delete(PersistentVolumeClaim, ref, { uid, ...(resourceVersion ? { resourceVersion } : {}), signal });
      tell("RetiringInstances", `Volume ${instance.name} is deleted, as the deletion policy says`);
      return true;
    }
  }
}

async function stop<V>({ statefulSet }: Instance, { client, signal }: Context<V>): Promise<void> {
  if (statefulSet === undefined) return;
  await client.delete(StatefulSet, refTo(statefulSet), { uid: statefulSet.metadata.uid ?? "", signal });
}

const retiredPath = `/metadata/annotations/${annotations.retired.replaceAll("/", "~1")}`;
const removeRetired: JsonPatch = [{ op: "remove", path: retiredPath }];

function addRetired(volume: Readonly<PersistentVolumeClaim>): JsonPatch {
  const add = { op: "add", path: retiredPath, value: "true" } as const;
  return volume.metadata.annotations === undefined
    ? [{ op: "add", path: "/metadata/annotations", value: {} }, add]
    : [add];
}

/** Patches this very volume. One that is gone needs no mark. */
async function mark<V>(volume: Readonly<PersistentVolumeClaim>, patch: JsonPatch, context: Context<V>): Promise<void> {
  try {
    await patchGuarded(context.client, PersistentVolumeClaim, volume, patch, { signal: context.signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
