// What the deletion of a Database must undo that garbage collection does not, in the order that keeps the data whole:
// replicas → primary (a clean stop, remembered on its volume) → Patroni's Endpoints → by policy the volumes and passwords.
// Idempotent: each pass looks at what is still there. It works from the raw Database: an invalid spec must not block deletion.
import {
  controllerOf,
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  refTo,
  Secret,
  StatefulSet,
  writeMarks,
  type Context,
} from "../runtime/index.ts";
import type { Database } from "./api.ts";
import { instancesOf, leaderOf, memberOf, readInstances, type Instance } from "./instances.ts";
import { annotations, labels, namesOf } from "./names.ts";
import { remove } from "./removal.ts";

/** What is still there, for people; the objects wake us when they go. */
export interface Waiting {
  readonly waitingFor: string;
  /** Where it is not sure that they do: the cache does not know of them. */
  readonly againInMs?: number;
}

/** Until what the cache does not know of is looked at again. */
const lookAgainMs = 2_000;

/**
 * One step towards "done".
 * Guarantees: nothing is removed but by uid; no volume goes unless the policy says Delete and its annotation names this
 * Database; Endpoints go only when no Pod is left that would write them again, as a live look says.
 * Assumptions: the cache has seen what earlier passes did (own writes are remembered).
 * @throws ApiError
 */
export async function cleanup<V>(database: Readonly<Database>, context: Context<V>): Promise<"done" | Waiting> {
  const { client, cache, signal } = context;
  const instances = readInstances(refTo(database), cache);
  const leader = lastLeader(leaderOf(await client.get(Endpoints, refTo(database), { signal })), instances);
  if (leader !== undefined) await rememberLeader(instances, leader, context);

  const stopping = await stop(instances, leader, context);
  if (stopping !== undefined) return stopping;
  // The cache may be behind, and Patroni runs for as long as its Pod is there.
  const unseen = await stop(await runningNow(database, context), leader, context);
  if (unseen !== undefined) return { ...unseen, againInMs: lookAgainMs };

  const { service, patroniServices, internalSecret } = namesOf(database.metadata.name);
  const inNamespace = (name: string) => ({ ...refTo(database), name });
  for (const name of [service, ...patroniServices]) {
    const endpoints = await client.get(Endpoints, inNamespace(name), { signal });
    if (endpoints !== undefined) await remove(Endpoints, endpoints, context);
  }

  if (database.spec.deletionPolicy !== "Delete") return "done";
  const volumes = instances.flatMap(({ volume }) => (volume === undefined ? [] : [volume]));
  const ours = volumes.filter(
    (volume) => volume.metadata.annotations?.[annotations.ownerUid] === database.metadata.uid,
  );
  for (const volume of ours) await remove(PersistentVolumeClaim, volume, context);
  if (ours.length > 0) return { waitingFor: `volumes to go: ${ours.map(({ metadata }) => metadata.name).join(", ")}` };
  // The passwords stay with what they open: volumes that an earlier Database of this name retired.
  if (volumes.length > 0) return "done";
  const secret = await client.get(Secret, inNamespace(internalSecret), { signal });
  if (secret?.metadata.labels?.[labels.managedBy] === "holdfast") await remove(Secret, secret, context);
  return "done";
}

/** Ends what runs, the last primary last. Undefined where nothing runs. */
async function stop<V>(
  instances: readonly Instance[],
  leader: string | undefined,
  context: Context<V>,
): Promise<Waiting | undefined> {
  const isLast = (instance: Instance): boolean =>
    leader === undefined ? instance.lastPrimary : instance.podName === leader;
  for (const group of [instances.filter((i) => !isLast(i)), instances.filter(isLast)]) {
    const running = group.filter(({ statefulSet, pod }) => statefulSet !== undefined || pod !== undefined);
    for (const { statefulSet } of running)
      if (statefulSet !== undefined) await remove(StatefulSet, statefulSet, context);
    // A Pod whose StatefulSet is gone is collected; one that somebody orphaned would keep Patroni alive for ever.
    for (const { pod } of running)
      if (pod !== undefined && controllerOf(pod) === undefined) await remove(Pod, pod, context);
    if (running.length > 0) return { waitingFor: `Pods to stop: ${running.map((i) => i.podName).join(", ")}` };
  }
  return undefined;
}

/** As the API server has them, of what makes Pods first: what has made its last Pod is gone. */
async function runningNow<V>(database: Readonly<Database>, context: Context<V>): Promise<readonly Instance[]> {
  const { client, signal } = context;
  const { name, namespace } = refTo(database);
  const selected = { ...(namespace === undefined ? {} : { namespace }), labels: `${labels.database}=${name}`, signal };
  const statefulSets = (await client.list(StatefulSet, selected)).items;
  const pods = (await client.list(Pod, selected)).items;
  return instancesOf(name, { statefulSets, pods, volumes: [] });
}

/**
 * Who led last: who holds the leader key; or, where the key has vanished with its Service (as in a foreground deletion), who says so
 * itself on the newest timeline that there is; or whose volume alone says so. Pure.
 * @param holder of the leader key, as a live read says
 */
export function lastLeader(holder: string | undefined, instances: readonly Instance[]): string | undefined {
  if (holder !== undefined) return holder;
  const newest = Math.max(0, ...instances.map(({ timeline = 0 }) => timeline));
  const claims = ({ pod, timeline }: Instance): boolean =>
    pod !== undefined && timeline === newest && memberOf(pod).role === "primary";
  const claiming = instances.find(claims);
  if (claiming !== undefined) return claiming.podName;
  const marked = instances.filter(({ lastPrimary }) => lastPrimary);
  return marked.length === 1 ? marked[0]?.podName : undefined;
}

/** Whoever takes the volumes up again must start with the one that has everything. */
async function rememberLeader<V>(
  instances: readonly Instance[],
  leader: string,
  { client, signal }: Context<V>,
): Promise<void> {
  // The leader's first: between the two writes there may be two marks, but never none.
  for (const { volume, podName } of instances.toSorted((a) => (a.podName === leader ? -1 : 1))) {
    if (volume === undefined) continue;
    const marked = { annotations: { [annotations.lastPrimary]: String(podName === leader) } };
    await writeMarks(client, PersistentVolumeClaim, volume, marked, { signal });
  }
}
