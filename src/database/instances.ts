// What the cache holds about the instances of a Database: Pods, volumes, StatefulSets, Patroni's Endpoints → Instance[].
// Pure but for readInstances, which looks into the cache. Numbers never move: an instance is what bears its number.
import { Endpoints, PersistentVolumeClaim, Pod, StatefulSet, type Cache, type Ref } from "../runtime/index.ts";
import {
  annotations,
  databaseSelector,
  instanceName,
  instanceNumber,
  instanceOfPod,
  namesOf,
  podName,
} from "./names.ts";
import { neverLed } from "./past-primaries.ts";

export interface Instance {
  readonly number: number;
  /** Of the StatefulSet and the volume: "orders-1". */
  readonly name: string;
  /** Of the Pod; as Patroni calls the instance: "orders-1-0". */
  readonly podName: string;
  readonly statefulSet?: Readonly<StatefulSet>;
  readonly pod?: Readonly<Pod>;
  readonly volume?: Readonly<PersistentVolumeClaim>;
  /** "primary" only while it holds the leader key and PostgreSQL runs as primary: there is at most one. */
  readonly role?: "primary" | "replica";
  /** As Patroni wrote it, e.g. "running", "starting", "creating replica", "stopped". */
  readonly state?: string;
  readonly timeline?: number;
  /** The Pod is ready and not being deleted. */
  readonly ready: boolean;
  /** A ready replica that streams from the present primary, on the primary's timeline. Never true for the primary. */
  readonly streaming: boolean;
  /** Patroni's leader key names it, whether it runs or not. At most one does. */
  readonly holdsKey: boolean;
  /** The Pod was made from the StatefulSet's newest template. False while that is not known. */
  readonly runsCurrentTemplate: boolean;
  /** The Pod was made from another template than the StatefulSet's newest. False while that is not known. */
  readonly runsOldTemplate: boolean;
  /** PostgreSQL must be restarted for a parameter to take effect. */
  readonly pendingRestart: boolean;
  /** The parameters that it must be restarted for, by name, as far as Patroni says. */
  readonly pendingChanges: readonly PendingChange[];
  /** Its volume has next to no room left, or none. */
  readonly diskFull: boolean;
  readonly node?: string;
  readonly ip?: string;
  /** The volume belongs to an instance that was removed: never used again. */
  readonly retired: boolean;
  readonly lastPrimary: boolean;
  /** What its volume holds was never written by a primary. False while that is not known. */
  readonly neverLed: boolean;
  /** The StatefulSet or the Pod is being deleted. */
  readonly deleting: boolean;
}

/** A parameter that is not in force as it is configured. Values as Patroni shows them, e.g. "128MB"; "" for none. */
export interface PendingChange {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** The cached objects of one Database. */
export interface InstanceObjects {
  readonly pods: readonly Readonly<Pod>[];
  readonly volumes: readonly Readonly<PersistentVolumeClaim>[];
  readonly statefulSets: readonly Readonly<StatefulSet>[];
  /** Patroni's leader key: the Endpoints of the Database's own name. */
  readonly leaderEndpoints?: Readonly<Endpoints> | undefined;
  /** Patroni's configuration and history. */
  readonly configurationEndpoints?: Readonly<Endpoints> | undefined;
}

/**
 * The instances of a Database as the cache has them, by number.
 * @param strays volumes that are not in the cache
 */
export function readInstances(
  database: Ref,
  cache: Cache,
  strays: readonly Readonly<PersistentVolumeClaim>[] = [],
): readonly Instance[] {
  const { name, namespace } = database;
  const options = { ...(namespace === undefined ? {} : { namespace }), labels: databaseSelector(name) };
  return instancesOf(name, {
    pods: cache.list(Pod, options),
    volumes: [...cache.list(PersistentVolumeClaim, options), ...strays],
    statefulSets: cache.list(StatefulSet, options),
    leaderEndpoints: cache.get(Endpoints, database),
    configurationEndpoints: cache.get(Endpoints, { ...database, name: namesOf(name).configurationEndpoints }),
  });
}

/** Everything that exists of each instance, by number. Objects whose name has no number of this Database are ignored. */
export function instancesOf(database: string, objects: InstanceObjects): readonly Instance[] {
  const numberOf = (name: string): number | undefined => instanceNumber(database, name);
  const pods = byNumber(objects.pods, (pod) => numberOf(instanceOfPod(pod.metadata.name) ?? ""));
  const volumes = byNumber(objects.volumes, (volume) => numberOf(volume.metadata.name));
  const statefulSets = byNumber(objects.statefulSets, (statefulSet) => numberOf(statefulSet.metadata.name));
  const leader = leaderOf(objects.leaderEndpoints);

  const members = new Map([...pods].map(([number, pod]) => [number, memberOf(pod)]));
  const leading = [...pods].find(([, pod]) => pod.metadata.name === leader && isReady(pod))?.[0];
  const primary = leading !== undefined && members.get(leading)?.role === "primary" ? leading : undefined;
  const timeline = primary === undefined ? undefined : members.get(primary)?.timeline;

  return [...new Set([...pods.keys(), ...volumes.keys(), ...statefulSets.keys()])]
    .toSorted((a, b) => a - b)
    .map((number) => {
      const statefulSet = statefulSets.get(number);
      const pod = pods.get(number);
      const volume = volumes.get(number);
      const member = members.get(number) ?? {};
      const ready = pod !== undefined && isReady(pod);
      const role = number === primary ? "primary" : member.role === "replica" ? "replica" : undefined;
      const name = instanceName(database, number);
      return withoutUndefined({
        number,
        name,
        podName: podName(name),
        statefulSet,
        pod,
        volume,
        role,
        state: member.state,
        timeline: member.timeline,
        ready,
        streaming:
          ready &&
          role === "replica" &&
          member.streaming === true &&
          timeline !== undefined &&
          member.timeline === timeline,
        holdsKey: leader === podName(name),
        ...templateOf(statefulSet, pod),
        pendingRestart: member.pendingRestart === true,
        pendingChanges: member.pendingChanges ?? [],
        diskFull: pod !== undefined && isDiskFull(pod),
        node: pod?.spec?.nodeName,
        ip: pod?.status?.podIP,
        retired: volume?.metadata.annotations?.[annotations.retired] !== undefined,
        lastPrimary: volume?.metadata.annotations?.[annotations.lastPrimary] === "true",
        neverLed: neverLed(podName(name), volume, objects.configurationEndpoints, timeline),
        deleting: [statefulSet, pod].some((object) => object?.metadata.deletionTimestamp !== undefined),
      });
    });
}

/** The primary, or undefined while none holds the leader key and runs. */
export function primaryOf(instances: readonly Instance[]): Instance | undefined {
  return instances.find((instance) => instance.role === "primary");
}

/** Those that exist and are not to go. */
export function stayingOf(instances: readonly Instance[]): readonly Instance[] {
  return instances.filter(({ retired, statefulSet }) => !retired && statefulSet !== undefined);
}

/**
 * The Pod that holds Patroni's leader key. Whether the key has expired is not looked at: it needs a clock, and the Pod's
 * readiness answers the same question.
 */
export function leaderOf(endpoints: Readonly<Endpoints> | undefined): string | undefined {
  return endpoints?.metadata.annotations?.["leader"] || undefined;
}

export interface Member {
  readonly role?: "primary" | "replica";
  readonly state?: string;
  readonly timeline?: number;
  readonly streaming?: boolean;
  readonly pendingRestart?: boolean;
  readonly pendingChanges?: readonly PendingChange[];
}

/**
 * What Patroni says of itself in the Pod's annotation `status` (touch_member in patroni/ha.py). Of that only words and the
 * timeline are taken: the WAL position beside them changes with every loop. What has another form than expected is ignored.
 */
export function memberOf(pod: Readonly<Pod>): Member {
  const text = pod.metadata.annotations?.["status"];
  if (text === undefined) return {};
  const status = parseObject(text);
  const { role, state, timeline } = status;
  return withoutUndefined({
    // "master" is what Patroni before 4.0 wrote.
    role: role === "primary" || role === "master" ? "primary" : role === "replica" ? "replica" : undefined,
    state: typeof state === "string" ? state : undefined,
    timeline: typeof timeline === "number" && Number.isInteger(timeline) ? timeline : undefined,
    streaming: state === "running" && status["replication_state"] === "streaming",
    pendingRestart: status["pending_restart"] === true,
    pendingChanges: pendingChangesOf(status["pending_restart_reason"]),
  });
}

/** Patroni's `{ max_connections: { old_value: "100", new_value: "200" } }` (get_param_diff in patroni/postgresql/config.py). */
function pendingChangesOf(reason: unknown): readonly PendingChange[] {
  if (typeof reason !== "object" || reason === null) return [];
  const word = (value: unknown): string => (typeof value === "string" ? value : "");
  return Object.entries(reason)
    .map(([name, values]) => {
      const { old_value, new_value } = (values ?? {}) as Record<string, unknown>;
      return { name, from: word(old_value), to: word(new_value) };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** What the kubelet says of the container in which PostgreSQL runs. */
export function postgresContainer(pod: Readonly<Pod> | undefined) {
  return pod?.status?.containerStatuses?.find(({ name }) => name === "postgres");
}

/** How often that was started again in the Pod that there is. */
export const restartsOf = ({ pod }: Instance): number => postgresContainer(pod)?.restartCount ?? 0;

/** The kubelet calls the Pod ready, and nobody is deleting it. */
export function isReady(pod: Readonly<Pod>): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** As the watch in the Pod wrote it. */
export function isDiskFull({ metadata }: Readonly<Pod>): boolean {
  return metadata.annotations?.[annotations.disk] === "full";
}

/** An OnDelete StatefulSet tells the revision of its template in updateRevision; Pods carry the one they were made from. */
function templateOf(
  statefulSet: Readonly<StatefulSet> | undefined,
  pod: Readonly<Pod> | undefined,
): Pick<Instance, "runsCurrentTemplate" | "runsOldTemplate"> {
  const { observedGeneration, updateRevision } = statefulSet?.status ?? {};
  const revision = pod?.metadata.labels?.["controller-revision-hash"];
  const known =
    revision !== undefined && updateRevision !== undefined && observedGeneration === statefulSet?.metadata.generation;
  return {
    runsCurrentTemplate: known && revision === updateRevision,
    runsOldTemplate: known && revision !== updateRevision,
  };
}

function byNumber<T>(objects: readonly T[], numberOf: (object: T) => number | undefined): Map<number, T> {
  const map = new Map<number, T>();
  for (const object of objects) {
    const number = numberOf(object);
    if (number !== undefined) map.set(number, object);
  }
  return map;
}

/** Leaves out what is undefined, so that equal instances have equal shapes. */
function withoutUndefined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
}
