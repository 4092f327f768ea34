// Stands in for what a test API server does not have: scheduler, kubelet, volume provisioner, and the Patroni inside each Pod.
// It only marks objects as those would (bound volumes, ready Pods, roles, the leader's Endpoints). Everything else is real.
import { Endpoints, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from "../../src/runtime/kube/kinds.ts";
import type { KubeClient } from "../../src/runtime/kube/client.ts";
import type { Kind, KubeObject } from "../../src/runtime/kube/object.ts";
import { refTo } from "../../src/runtime/kube/object.ts";
import { Informer } from "../../src/runtime/kube/informer.ts";

const fieldManager = "stand-in";
const storageClassName = "standard";
const databaseLabel = "holdfast.dev/database";
const roleLabel = "holdfast.dev/role";

export interface StandIn {
  /** Pods for which this answers true stay pending: a way to hold an instance back. */
  holdBack(test: (pod: Pod) => boolean): void;
  /** While nobody leads, only the Pod of this name may win; by default the first by name that is there. */
  preferLeader(pod: string): void;
  /** Names the leader of a database, as the Endpoints do. */
  leaderOf(namespace: string, database: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** What a member of a database is now: for a fake PostgreSQL that follows. */
export interface Member {
  readonly ip: string;
  readonly database: string;
  readonly role: "primary" | "replica";
}

/** Acts on all Pods and volumes of one namespace until stopped. */
export async function startStandIn(
  client: KubeClient,
  namespace: string,
  onMember: (member: Member) => void | Promise<void> = () => undefined,
): Promise<StandIn> {
  const stopped = new AbortController();
  const state = {
    held: undefined as ((pod: Pod) => boolean) | undefined,
    holds: false,
    preferred: undefined as string | undefined,
    ips: new Map<string, string>(),
    next: 1,
  };
  let changed = Promise.withResolvers<void>();
  await ensureStorageClass(client);
  const watching = [Pod, PersistentVolumeClaim, Endpoints].map((kind) => wakeOnChange(kind as Kind));
  const loop = run();

  /** A look at the world whenever something changed in it; what is held back is let go by nobody's write. */
  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      changed = Promise.withResolvers();
      let failed = false;
      try {
        await bindVolumes(client, namespace);
        await runPods();
      } catch {
        // The API server may be restarting or an object may have changed under us: the next round sees the world as it is.
        failed = true;
      }
      await pause(minimumMs);
      await Promise.race([changed.promise, pause(failed || state.holds ? minimumMs : 1_000)]);
    }
  }

  function wakeOnChange(kind: Kind): Promise<void> {
    const informer = new Informer({ client, kind, namespaces: [namespace], onError: () => undefined });
    informer.subscribe(() => changed.resolve());
    return informer.run(stopped.signal);
  }

  async function runPods(): Promise<void> {
    const living = (await client.list(Pod, { namespace, labels: databaseLabel })).items.filter(
      (pod) => pod.metadata.deletionTimestamp === undefined,
    );
    const pods = living.filter((pod) => state.held?.(pod) !== true);
    state.holds = pods.length < living.length;
    for (const pod of pods) await start(pod);
    for (const database of new Set(pods.map((pod) => pod.metadata.labels?.[databaseLabel] ?? ""))) {
      await electAndMark(
        database,
        pods.filter((pod) => pod.metadata.labels?.[databaseLabel] === database),
      );
    }
  }

  /** Kubelet's part: an address, running, ready. */
  async function start(pod: Pod): Promise<void> {
    if (pod.status?.phase === "Running") return;
    const ip = addressOf(pod);
    const now = new Date().toISOString().replace(/\.\d+/, "");
    await client.applyStatus(
      Pod,
      identity(pod, {
        status: {
          phase: "Running",
          podIP: ip,
          podIPs: [{ ip }],
          conditions: [
            { type: "PodScheduled", status: "True", lastTransitionTime: now },
            { type: "Ready", status: "True", lastTransitionTime: now },
            { type: "ContainersReady", status: "True", lastTransitionTime: now },
          ],
        },
      }),
      { fieldManager, signal: stopped.signal },
    );
  }

  function addressOf(pod: Pod): string {
    const uid = pod.metadata.uid ?? "";
    const known = state.ips.get(uid);
    if (known !== undefined) return known;
    const ip = `10.255.${state.next >> 8}.${state.next & 255}`;
    state.next += 1;
    state.ips.set(uid, ip);
    return ip;
  }

  /** Patroni's part: one leader, named by the Endpoints; roles and replication state on the Pods. */
  async function electAndMark(database: string, pods: Pod[]): Promise<void> {
    const endpoints = await client.get(Endpoints, { namespace, name: database });
    const timeline = Number(endpoints?.metadata.annotations?.["timeline"] ?? "0");
    const leader = pods.find((pod) => pod.metadata.name === endpoints?.metadata.annotations?.["leader"]);
    const candidates = pods.filter(({ metadata }) => (state.preferred ?? metadata.name) === metadata.name);
    const chosen = leader ?? candidates.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name))[0];
    if (chosen === undefined) return;
    const currentTimeline = leader === undefined ? timeline + 1 : timeline;
    if (leader === undefined) {
      await client.apply(
        Endpoints,
        {
          apiVersion: "v1",
          kind: "Endpoints",
          metadata: {
            name: database,
            namespace,
            labels: { [databaseLabel]: database },
            annotations: { leader: chosen.metadata.name, timeline: String(currentTimeline) },
          },
          subsets: [
            { addresses: [{ ip: addressOf(chosen) }], ports: [{ name: "postgresql", port: 5432, protocol: "TCP" }] },
          ],
        },
        { fieldManager, signal: stopped.signal },
      );
      await client.apply(
        Endpoints,
        {
          apiVersion: "v1",
          kind: "Endpoints",
          metadata: {
            name: `${database}-config`,
            namespace,
            labels: { [databaseLabel]: database },
            annotations: { initialize: "7000000000000000001" },
          },
        },
        { fieldManager, signal: stopped.signal },
      );
    }
    for (const pod of pods) {
      const role = pod === chosen ? "primary" : "replica";
      await onMember({ ip: addressOf(pod), database, role });
      await mark(pod, role, currentTimeline);
    }
  }

  async function mark(pod: Pod, role: "primary" | "replica", timeline: number): Promise<void> {
    const status = JSON.stringify({
      conn_url: `postgres://${addressOf(pod)}:5432/postgres`,
      api_url: `http://${addressOf(pod)}:8008/patroni`,
      state: "running",
      role,
      version: "4.0.7",
      xlog_location: 67108864,
      timeline,
      ...(role === "replica" ? { replication_state: "streaming" } : {}),
    });
    const { labels, annotations } = pod.metadata;
    if (labels?.[roleLabel] === role && annotations?.["status"] === status) return;
    await client.apply(Pod, identity(pod, { metadata: { labels: { [roleLabel]: role }, annotations: { status } } }), {
      fieldManager,
      signal: stopped.signal,
    });
  }

  return {
    holdBack: (test) => {
      state.held = test;
      changed.resolve();
    },
    preferLeader: (pod) => {
      state.preferred = pod;
      changed.resolve();
    },
    leaderOf: async (inNamespace, database) =>
      (await client.get(Endpoints, { namespace: inNamespace, name: database }))?.metadata.annotations?.["leader"],
    stop: async () => {
      stopped.abort();
      changed.resolve();
      await Promise.all([loop, ...watching]);
    },
  };
}

/** Between two looks. */
const minimumMs = 20;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The body of an apply: who is meant (uid included, so that no namesake is made), and nothing else of the object. */
function identity<T extends KubeObject>(object: T, fields: { metadata?: object; status?: object }): T {
  const { namespace, name, uid } = object.metadata;
  const { apiVersion, kind } = object;
  return { apiVersion, kind, ...fields, metadata: { ...fields.metadata, namespace, name, uid } } as unknown as T;
}

async function ensureStorageClass(client: KubeClient): Promise<void> {
  await client.apply(
    StorageClass,
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: storageClassName, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      provisioner: "holdfast.dev/stand-in",
      reclaimPolicy: "Delete",
      volumeBindingMode: "Immediate",
      allowVolumeExpansion: true,
    },
    { fieldManager },
  );
}

/** The provisioner's part: a volume for each claim; the real controller binds the two. Volumes of deleted claims go. */
async function bindVolumes(client: KubeClient, namespace: string): Promise<void> {
  const claims = (await client.list(PersistentVolumeClaim, { namespace })).items;
  const wanted = new Map(claims.map((claim) => [`${namespace}-${claim.metadata.uid}`, claim]));
  for (const [name, claim] of wanted) {
    if (claim.spec?.volumeName !== undefined || claim.status?.phase === "Bound") continue;
    const { apiVersion, kind } = claim;
    await client.apply(
      PersistentVolume,
      {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name, labels: { "stand-in": namespace } },
        spec: {
          capacity: { storage: claim.spec?.resources?.requests?.["storage"] ?? "1Gi" },
          accessModes: ["ReadWriteOnce"],
          persistentVolumeReclaimPolicy: "Retain",
          storageClassName: claim.spec?.storageClassName ?? storageClassName,
          claimRef: { apiVersion, kind, ...refTo(claim), uid: claim.metadata.uid ?? "" },
          hostPath: { path: `/tmp/never-mounted/${name}` },
        },
      },
      { fieldManager },
    );
  }
  const volumes = (await client.list(PersistentVolume, { labels: `stand-in=${namespace}` })).items;
  for (const volume of volumes) {
    if (wanted.has(volume.metadata.name)) continue;
    await client.delete(PersistentVolume, refTo(volume), { uid: volume.metadata.uid ?? "" });
  }
}
