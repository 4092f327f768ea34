// The same edits on a real cluster: a Database that can live there with every field set, and what two of them there are compared by,
// which leaves out what a real world does at its own pace.
import type { DatabaseSpec } from "../../src/database/api.ts";
import { Database } from "../../src/database/api.ts";
import { managedByHoldfast } from "../../src/database/names.ts";
import { Namespace, Secret, type HttpClient, type Pod } from "../../src/runtime/index.ts";
import { differencesAfterEdit, differencesAfterRevert } from "./edits-oracle.ts";
import { databaseOf, hasVerdict, isInvalid } from "./edits-lane.ts";
import { hopeless, samples, secrets, wholeSpec } from "./edits-samples.ts";
import { conditionIn, worldOf, type World } from "./edits-world.ts";
import { kubectl, readAll } from "./kubectl.ts";
import type { SampleTable } from "./schema-edits.ts";
import { snapshotOf } from "./snapshot.ts";

const hostname = "kubernetes.io/hostname";
const anyNode = { matchExpressions: [{ key: hostname, operator: "NotIn" as const, values: ["nowhere"] }] };
const nodeTerm = {
  ...anyNode,
  matchFields: [{ key: "metadata.name", operator: "NotIn" as const, values: ["nowhere"] }],
};
const own = {
  matchLabels: { "holdfast.dev/database": "orders" },
  matchExpressions: [{ key: "app.kubernetes.io/name", operator: "In" as const, values: ["postgresql"] }],
};
const nobody = {
  matchLabels: { app: "nobody" },
  matchExpressions: [{ key: "app", operator: "In" as const, values: ["nobody"] }],
};
const near = { topologyKey: "kubernetes.io/os", labelSelector: own };
const apart = { topologyKey: hostname, labelSelector: nobody };

/** Every field is set, and a node with nothing special takes it. Small, so that several fit on one. */
export function clusterSpec(image: string, storageClass: string): DatabaseSpec {
  return {
    ...wholeSpec,
    image,
    storage: { size: "1Gi", storageClass },
    resources: { requests: { cpu: "20m", memory: "64Mi" }, limits: { cpu: "2", memory: "1Gi" } },
    parameters: { work_mem: "16MB", max_connections: 120 },
    placement: {
      spread: "Preferred",
      nodeSelector: { "kubernetes.io/os": "linux" },
      tolerations: [
        { key: "dedicated", operator: "Equal", value: "postgres", effect: "NoExecute", tolerationSeconds: 60 },
        { key: "spot", operator: "Exists" },
      ],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [nodeTerm] },
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, preference: nodeTerm }],
        },
        podAffinity: terms(near),
        podAntiAffinity: terms(apart),
      },
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          minDomains: 1,
          topologyKey: hostname,
          whenUnsatisfiable: "DoNotSchedule",
          labelSelector: nobody,
          nodeAffinityPolicy: "Honor",
          nodeTaintsPolicy: "Ignore",
        },
        { maxSkew: 2, topologyKey: hostname, whenUnsatisfiable: "ScheduleAnyway" },
      ],
    },
    deletionPolicy: "Delete",
  };
}

function terms<T>(term: T) {
  return {
    requiredDuringSchedulingIgnoredDuringExecution: [term],
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: term }],
  };
}

/** Without what only a world of our own has (another image, another class), or where a real one takes minutes (10m of a CPU). */
export function clusterSamples(image: string): SampleTable {
  const { lowered: _, "no quantity": __, number: ___, ...quantities } = samples["requests{}"] ?? {};
  return {
    ...samples,
    image: { other: `docker.io/${image}`, missing: `registry.invalid/${hopeless}:17` },
    "storage.storageClass": { missing: `${hopeless}-class` },
    "requests{}": quantities,
    "limits{}": quantities,
  };
}

/** A Database `orders` in a namespace of its own. */
export interface ClusterSubject extends AsyncDisposable {
  /** @returns false when the API server refuses the spec */
  apply(spec: DatabaseSpec): Promise<boolean>;
  look(): Promise<World>;
}

const patienceMs = 180_000;
/** What is as it must be has to stay so. */
const quietMs = 2_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function openClusterSubject(
  client: HttpClient,
  namespace: string,
  spec: DatabaseSpec,
): Promise<ClusterSubject> {
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  for (const [name, data] of Object.entries(secrets)) {
    const metadata = { name, namespace, labels: managedByHoldfast };
    await client.create(Secret, { apiVersion: "v1", kind: "Secret", metadata, stringData: data });
  }
  const subject: ClusterSubject = {
    apply: async (newSpec) => {
      try {
        await client.apply(Database, databaseOf(namespace, newSpec), { fieldManager: "user" });
        return true;
      } catch (error) {
        if (isInvalid(error)) return false;
        throw error;
      }
    },
    look: () => lookAt(client, namespace),
    [Symbol.asyncDispose]: async () => void (await kubectl("delete", "namespace", namespace, "--wait=false")),
  };
  if (!(await subject.apply(spec))) throw new Error(`${namespace}: the spec is refused`);
  return subject;
}

/** Edits, and compares with a fresh Database; puts it back, and compares with before. @returns what is otherwise than it must be */
export async function editOnCluster(
  subject: ClusterSubject,
  fresh: ClusterSubject,
  base: DatabaseSpec,
  spec: DatabaseSpec,
): Promise<readonly string[]> {
  let before: World = {};
  const unready = await until(async () => {
    before = await subject.look();
    return isReady(before) ? [] : [`before the edit it is ${phaseOf(before)}`];
  });
  if (unready.length > 0) return unready;
  if (!(await subject.apply(spec))) return ["it is refused now, and was not before"];
  const after = await until(async () => {
    const [expected, world] = await Promise.all([fresh.look(), subject.look()]);
    if (!rests(expected)) return [`a fresh one is still ${phaseOf(expected)}`];
    return differencesAfterEdit(before, expected, world);
  });
  if (after.length > 0) return after;
  // What cannot be taken back stays.
  if (!(await subject.apply(base))) return [];
  const reverted = await until(async () => differencesAfterRevert(before, await subject.look()));
  return reverted.map((difference) => `after the revert: ${difference}`);
}

/** Resolves when there have been no differences for a while, or with those that patience did not mend. */
async function until(differences: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const deadline = performance.now() + patienceMs;
  for (let since = Infinity; ; await pause(500)) {
    const found = await differences();
    since = found.length === 0 ? Math.min(since, performance.now()) : Infinity;
    if (performance.now() - since > quietMs) return [];
    if (performance.now() > deadline) return found.length > 0 ? found : ["it does not come to rest"];
  }
}

const phaseOf = (world: World): string => String(world["Database orders"]?.status?.phase);
const isReady = (world: World): boolean => hasVerdict(world) && conditionIn(world, "Ready")?.status === "True";
/** Not on its way to something else. */
const rests = (world: World): boolean =>
  hasVerdict(world) && ["Ready", "Degraded", "Failed", "Paused"].includes(phaseOf(world));

/**
 * What is declared, the verdict on it, and what has come of it in the Pods and in PostgreSQL. The rest of what a real world reports
 * changes by itself, or is about nodes and addresses.
 */
async function lookAt(client: HttpClient, namespace: string): Promise<World> {
  const objects = (await snapshotOf(client, namespace)) as Record<string, any>;
  const pods = (await readAll(namespace, "pods", "holdfast.dev/database=orders")) as unknown as Pod[];
  for (const pod of pods) objects[`Pod ${pod.metadata.name}`] = madeOf(pod, objects[`Pod ${pod.metadata.name}`]);
  const world = worldOf(objects);
  const server = await settingsIn(namespace, pods);
  const kept = Object.entries(world).flatMap(([key, object]) => {
    if (/^(?:Endpoints|ControllerRevision) /.test(key) || object.metadata?.ownerReferences?.[0]?.kind === "Service")
      return [];
    return [[key, withoutReports(key, structuredClone(object))] as const];
  });
  return Object.fromEntries([...kept, ...(server === undefined ? [] : [["PostgreSQL", server]])]) as World;
}

/** What of a Pod comes of the spec, and the label by which worlds are told apart. */
function madeOf({ metadata, spec }: Pod, object: any): unknown {
  const { image, resources, command } = spec?.containers[0] ?? {};
  const { nodeSelector, affinity, topologySpreadConstraints } = spec ?? {};
  const tolerations = spec?.tolerations?.filter(({ key }) => key?.startsWith("node.kubernetes.io/") !== true);
  return {
    kind: "Pod",
    metadata: { labels: object?.metadata?.labels, managers: [], deleting: metadata.deletionTimestamp !== undefined },
    spec: { image, resources, command, nodeSelector, affinity, tolerations, topologySpreadConstraints },
  };
}

function withoutReports(key: string, object: any): unknown {
  if (key === "Database orders") {
    for (const instance of object.status?.instances ?? []) delete instance.node;
    return object;
  }
  if (key.startsWith("Pod ")) {
    for (const label of ["controller-revision-hash", "apps.kubernetes.io/pod-index"])
      delete object.metadata.labels?.[label];
    return object;
  }
  if (key.startsWith("PersistentVolumeClaim ")) {
    delete object.spec.volumeName;
    object.status = { phase: object.status?.phase, capacity: object.status?.capacity };
    return object;
  }
  delete object.status;
  return object;
}

const query = `select json_build_object(
  'settings', (select json_object_agg(name, setting order by name) from pg_settings
    where source = 'configuration file' and name !~ '^(primary_|recovery_|synchronous_|cluster_name)' and name !~ '(_file|directory|directories)$'),
  'roles', (select json_agg(rolname || ' ' || rolcanlogin || ' ' || rolsuper order by rolname) from pg_roles where rolname !~ '^pg_'),
  'databases', (select json_agg(datname || ' of ' || pg_get_userbyid(datdba) order by datname) from pg_database))`;

/** Of the primary. Undefined while there is none that answers. */
async function settingsIn(namespace: string, pods: readonly Pod[]): Promise<unknown> {
  const primary = pods.find(({ metadata }) => metadata.labels?.["holdfast.dev/role"] === "primary")?.metadata.name;
  if (primary === undefined) return undefined;
  const psql = [
    "exec",
    "-n",
    namespace,
    primary,
    "-c",
    "postgres",
    "--",
    "psql",
    "-XAtq",
    "-d",
    "postgres",
    "-c",
    query,
  ];
  const text = await kubectl(...psql).catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}
