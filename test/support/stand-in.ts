// Stands in for what a test API server does not have: scheduler, kubelet, volume provisioner, and the Patroni inside each Pod.
// It only marks objects as those would (bound volumes, ready Pods, roles, the leader's Endpoints). Everything else is real.
import { Endpoints, PersistentVolumeClaim, Pod } from "../../src/runtime/kube/kinds.ts";
import type { KubeClient } from "../../src/runtime/kube/client.ts";
import { refTo, type Kind } from "../../src/runtime/kube/object.ts";
import { Informer } from "../../src/runtime/kube/informer.ts";
import { bindVolumes, ensureStorageClass, fieldManager, identity, lackOf, waitsForVolume } from "./stand-in-volumes.ts";

const databaseLabel = "holdfast.dev/database";
const roleLabel = "holdfast.dev/role";

export interface StandIn {
  /** Pods for which this answers true stay pending: a way to hold an instance back. */
  holdBack(test: (pod: Pod) => boolean): void;
  /** While nobody leads, only the Pod of this name may win; by default one that ran before, the first by name. */
  preferLeader(pod: string | undefined): void;
  /** Images for which this answers true cannot be pulled. */
  missImages(test: (image: string) => boolean): void;
  /** Pods for which this answers with the scheduler's words find no node. */
  refuseNodes(test: (pod: Pod) => string | undefined): void;
  /** Volumes for which this answers true are provided, and grown, by nobody. */
  withholdVolumes(test: (claim: PersistentVolumeClaim) => boolean): void;
  /** As Patroni's switchover. Answers why not, if not. */
  switchOver(database: string, leader: string, candidate: string): Promise<string | undefined>;
  /** What members say of themselves has changed. */
  lookAgain(): void;
  /** Names the leader of a database, as the Endpoints do. */
  leaderOf(namespace: string, database: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** What a member of a database is now: for a fake PostgreSQL that follows. */
export interface Member {
  readonly name: string;
  readonly ip: string;
  readonly database: string;
  readonly role: "primary" | "replica";
}

/** What Patroni writes of a member beside its role, e.g. that it waits for a restart. */
export type MemberWords = Readonly<Record<string, unknown>>;

/** Acts on all Pods and volumes of one namespace until stopped. */
export async function startStandIn(
  client: KubeClient,
  namespace: string,
  onMember: (member: Member) => Promise<MemberWords> = async () => ({}),
): Promise<StandIn> {
  const stopped = new AbortController();
  const state = {
    held: undefined as ((pod: Pod) => boolean) | undefined,
    holds: false,
    preferred: undefined as string | undefined,
    imageIsMissing: (_image: string): boolean => false,
    findsNoNode: (_pod: Pod): string | undefined => undefined,
    isWithheld: (_claim: PersistentVolumeClaim): boolean => false,
    /** Database → the Pod that leads it, this very one. */
    leading: new Map<string, { readonly name: string; readonly uid: string }>(),
    /** The uids of Pods that Patroni has run in. */
    members: new Set<string>(),
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
        await look();
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

  async function look(): Promise<void> {
    // The Pods first: a claim is made before the Pod that uses it, so that none of these can lack one that is only not yet seen.
    const living = (await client.list(Pod, { namespace, labels: databaseLabel })).items.filter(
      (pod) => pod.metadata.deletionTimestamp === undefined,
    );
    const claims = await bindVolumes(client, namespace, state.isWithheld);
    const pods: Pod[] = [];
    state.holds = false;
    for (const pod of living) {
      const obstacle = obstacleOf(pod, claims);
      if (state.held?.(pod) === true) state.holds = true;
      else if (obstacle !== undefined) await waits(pod, obstacle);
      // The claim wakes us when it is bound.
      else if (!waitsForVolume(pod, claims)) pods.push(pod);
    }
    for (const pod of pods) await start(pod);
    for (const database of new Set(living.map((pod) => pod.metadata.labels?.[databaseLabel] ?? ""))) {
      const of = (pod: Pod): boolean => pod.metadata.labels?.[databaseLabel] === database;
      await electAndMark(database, pods.filter(of), living.filter(of));
    }
  }

  /** Scheduler's and kubelet's part: why it does not start, as status. */
  function obstacleOf(pod: Pod, claims: readonly PersistentVolumeClaim[]): Pod["status"] | undefined {
    const now = new Date().toISOString().replace(/\.\d+/, "");
    const condition = (type: string, status: string, more: object = {}) => ({
      type,
      status,
      lastTransitionTime: now,
      ...more,
    });
    const noNode = state.findsNoNode(pod) ?? lackOf(pod, claims);
    if (noNode !== undefined) {
      const why = { reason: "Unschedulable", message: noNode };
      return { phase: "Pending", conditions: [condition("PodScheduled", "False", why)] };
    }
    const [container] = pod.spec?.containers ?? [];
    if (container === undefined || !state.imageIsMissing(container.image ?? "")) return undefined;
    const waiting = {
      reason: "ErrImagePull",
      message: `failed to pull and unpack image "${container.image}": not found`,
    };
    return {
      phase: "Pending",
      conditions: [condition("PodScheduled", "True"), condition("Ready", "False", { reason: "ContainersNotReady" })],
      containerStatuses: [
        {
          name: container.name,
          ready: false,
          restartCount: 0,
          image: container.image ?? "",
          imageID: "",
          state: { waiting },
        },
      ],
    };
  }

  async function waits(pod: Pod, status: Pod["status"]): Promise<void> {
    const words = (it: Pod["status"]): string =>
      JSON.stringify([
        it?.conditions?.map(({ type, message }) => [type, message]).toSorted(),
        it?.containerStatuses?.map((container) => container.state?.waiting?.reason),
      ]);
    if (words(pod.status) === words(status)) return;
    await client.applyStatus(Pod, identity(pod, { status: { ...status } }), { fieldManager, signal: stopped.signal });
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
          containerStatuses: (pod.spec?.containers ?? []).map(({ name, image = "" }) => {
            return {
              name,
              image,
              imageID: image,
              ready: true,
              restartCount: 0,
              state: { running: { startedAt: now } },
            };
          }),
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
  async function electAndMark(database: string, pods: readonly Pod[], living: readonly Pod[]): Promise<void> {
    const endpoints = await client.get(Endpoints, { namespace, name: database });
    const { leader: holder, timeline = "0" } = endpoints?.metadata.annotations ?? {};
    const known = state.leading.get(database);
    // One that comes back has given the key up when it went.
    const cameBack = ({ metadata }: Pod): boolean => known?.name === metadata.name && known.uid !== metadata.uid;
    const leader = pods.find((pod) => pod.metadata.name === holder && !cameBack(pod));
    const [chosen = leader] = leader === undefined ? candidatesOf(pods) : [];
    if (chosen === undefined) {
      if (holder !== undefined && !living.some((pod) => pod.metadata.name === holder && !cameBack(pod))) {
        const remove = { op: "remove", path: "/metadata/annotations/leader" } as const;
        await client.patch(Endpoints, { namespace, name: database }, [remove], { signal: stopped.signal });
      }
      return;
    }
    const currentTimeline = leader === undefined ? Number(timeline) + 1 : Number(timeline);
    if (leader === undefined && !(await lead(database, chosen, currentTimeline))) return;
    if (leader !== undefined && endpoints !== undefined) await nameAgain(endpoints, leader, database);
    state.leading.set(database, { name: chosen.metadata.name, uid: chosen.metadata.uid ?? "" });
    // The leader first: what a replica starts with can depend on it.
    for (const pod of [chosen, ...pods.filter((other) => other !== chosen)]) {
      const role = pod === chosen ? "primary" : "replica";
      const words = await onMember({ name: pod.metadata.name, ip: addressOf(pod), database, role });
      await mark(pod, role, currentTimeline, words);
      state.members.add(pod.metadata.uid ?? "");
    }
  }

  /**
   * As Patroni in its next loop, where somebody took the leader's address or the label away: the endpoints controller does both as soon
   * as the Service has a selector.
   */
  async function nameAgain({ metadata, subsets }: Endpoints, leader: Pod, database: string): Promise<void> {
    const isNamed = subsets?.some(({ addresses = [] }) => addresses.some(({ ip }) => ip === addressOf(leader)));
    if (isNamed === true && metadata.labels?.[databaseLabel] === database) return;
    await client.patch(
      Endpoints,
      { namespace, name: metadata.name },
      [
        { op: "test", path: "/metadata/resourceVersion", value: metadata.resourceVersion },
        { op: "add", path: "/metadata/labels", value: { ...metadata.labels, [databaseLabel]: database } },
        { op: "add", path: "/subsets", value: subsetsOf(leader) },
      ],
      { fieldManager, signal: stopped.signal },
    );
  }

  /** Who may win an election, the likeliest first. */
  function candidatesOf(pods: readonly Pod[]): Pod[] {
    const ran = (pod: Pod): number => Number(state.members.has(pod.metadata.uid ?? ""));
    return pods
      .filter(({ metadata }) => (state.preferred ?? metadata.name) === metadata.name)
      .toSorted((a, b) => ran(b) - ran(a) || a.metadata.name.localeCompare(b.metadata.name));
  }

  /**
   * A real Pod goes when nothing runs in it any more, one without a node at once: what was written by then for one that had gone is
   * taken back, as if it had not been. Answers whether it leads.
   */
  async function lead(database: string, pod: Pod, timeline: number): Promise<boolean> {
    const made = await writeLeader(database, pod, timeline);
    const { metadata } = (await client.get(Pod, { namespace, name: pod.metadata.name })) ?? {};
    if (metadata?.uid === pod.metadata.uid) return true;
    for (const object of made) await client.delete(Endpoints, refTo(object), { uid: object.metadata.uid ?? "" });
    return false;
  }

  const subsetsOf = (pod: Pod) => [
    { addresses: [{ ip: addressOf(pod) }], ports: [{ name: "postgresql", port: 5432, protocol: "TCP" as const }] },
  ];

  /** @returns what there was not before */
  async function writeLeader(database: string, pod: Pod, timeline: number): Promise<readonly Endpoints[]> {
    const names = [database, `${database}-config`];
    const before = await Promise.all(names.map((name) => client.get(Endpoints, { namespace, name })));
    const leader = await client.apply(
      Endpoints,
      {
        apiVersion: "v1",
        kind: "Endpoints",
        metadata: {
          name: database,
          namespace,
          labels: { [databaseLabel]: database },
          annotations: { leader: pod.metadata.name, timeline: String(timeline) },
        },
        subsets: subsetsOf(pod),
      },
      { fieldManager, signal: stopped.signal },
    );
    const configuration = await client.apply(
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
    return [leader, configuration].filter(({ metadata }) => !before.some((one) => one?.metadata.uid === metadata.uid));
  }

  async function switchOver(database: string, leader: string, candidate: string): Promise<string | undefined> {
    const endpoints = await client.get(Endpoints, { namespace, name: database });
    const { leader: holder, timeline = "0" } = endpoints?.metadata.annotations ?? {};
    if (holder !== leader) return "leader name does not match";
    const pod = await client.get(Pod, { namespace, name: candidate });
    if (pod === undefined) return "candidate does not exists";
    if (!state.members.has(pod.metadata.uid ?? "")) {
      return "switchover is not possible: no good candidates have been found";
    }
    const leads = await lead(database, pod, Number(timeline) + 1);
    changed.resolve();
    return leads ? undefined : "switchover failed";
  }

  async function mark(pod: Pod, role: "primary" | "replica", timeline: number, words: MemberWords): Promise<void> {
    const status = JSON.stringify({
      conn_url: `postgres://${addressOf(pod)}:5432/postgres`,
      api_url: `http://${addressOf(pod)}:8008/patroni`,
      state: "running",
      role,
      version: "4.0.7",
      xlog_location: 67108864,
      timeline,
      ...(role === "replica" ? { replication_state: "streaming" } : {}),
      ...words,
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
    missImages: (test) => {
      state.imageIsMissing = test;
      changed.resolve();
    },
    refuseNodes: (test) => {
      state.findsNoNode = test;
      changed.resolve();
    },
    withholdVolumes: (test) => {
      state.isWithheld = test;
      changed.resolve();
    },
    switchOver,
    lookAgain: () => changed.resolve(),
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
