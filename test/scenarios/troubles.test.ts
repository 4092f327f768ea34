// What can be wrong with an instance, brought about on the real API server: its condition says which object and why, it goes when
// that is mended, and it makes no noise while it lasts. The stand-in writes what scheduler and kubelet would.
import { describe, expect, test } from "vitest";
import { Database, reasons, type DatabaseSpec, type Reason } from "../../src/database/api.ts";
import { annotations, instanceOfPod } from "../../src/database/names.ts";
import { ConfigMap, Pod } from "../../src/runtime/index.ts";
import { apiCall } from "../../hack/cluster/api-request.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { startLogNode } from "../support/log-node.ts";
import { conditionOf, eventsOf, notReady, passes, pause, untilIdle, volumeUids } from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";

const open = async (title: string): Promise<Scenario> => openScenario(await sharedControlPlane(), title);

type ContainerState = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number]["state"];

/** The kubelet's part: what it writes of PostgreSQL's container in a Pod that is held back. */
async function kubeletSays({ admin, namespace }: Scenario, name: string, state: ContainerState, last?: ContainerState) {
  const pod = await eventually(`Pod ${name}`, () => admin.get(Pod, { namespace, name }));
  const [container] = pod.spec?.containers ?? [];
  const conditions = [
    { type: "PodScheduled", status: "True" },
    { type: "Ready", status: "False", lastTransitionTime: "2026-11-21T10:00:00Z" },
  ];
  const containerStatuses = [
    {
      name: "postgres",
      image: container?.image ?? "",
      imageID: "",
      ready: false,
      restartCount: last === undefined ? 0 : 3,
      ...(state === undefined ? {} : { state }),
      ...(last === undefined ? {} : { lastState: last }),
    },
  ];
  const { apiVersion, kind } = pod;
  await admin.applyStatus(
    Pod,
    {
      apiVersion,
      kind,
      metadata: { name, namespace },
      status: { phase: "Pending", conditions, containerStatuses },
    },
    { fieldManager: "stand-in" },
  );
}

/** Patroni's part: what it writes of itself in a Pod that is held back. */
async function patroniSays({ admin, namespace }: Scenario, name: string, state: string): Promise<void> {
  const status = JSON.stringify({ role: "replica", state });
  const metadata = { name, namespace, annotations: { status } };
  await admin.apply(Pod, { apiVersion: "v1", kind: "Pod", metadata }, { fieldManager: "stand-in" });
}

async function create({ controlPlane, namespace }: Scenario, path: string, body: object): Promise<void> {
  await apiCall(controlPlane.admin, "POST", path.replace("{namespace}", namespace), body);
}

async function remove({ controlPlane, namespace }: Scenario, path: string): Promise<void> {
  await apiCall(controlPlane.admin, "DELETE", path.replace("{namespace}", namespace));
}

const quotas = "/api/v1/namespaces/{namespace}/resourcequotas";

/** A quota that has come into force: until its use is counted the API server refuses everything, with other words. */
async function quota(scenario: Scenario, hard: Record<string, string>): Promise<void> {
  await create(scenario, quotas, {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "small" },
    spec: { hard },
  });
  const path = `${quotas.replace("{namespace}", scenario.namespace)}/small`;
  await eventually("the quota is counted", async () => {
    const { status } = await apiCall<{ status?: { used?: object } }>(scenario.controlPlane.admin, "GET", path);
    return status?.used === undefined ? undefined : true;
  });
}

const held = {
  holdBack: ({ standIn }: Scenario) => standIn.holdBack(() => true),
  release: ({ standIn }: Scenario) => standIn.holdBack(() => false),
};

interface Case {
  readonly title: string;
  readonly because: string;
  readonly reason: Reason;
  readonly says: RegExp;
  readonly spec?: Partial<DatabaseSpec>;
  readonly prepare: (scenario: Scenario) => unknown;
  /** After the Database was applied. */
  readonly strike?: (scenario: Scenario) => unknown;
  readonly mend: (scenario: Scenario) => unknown;
}

const image = "registry.invalid/pg:17";
const outOfMemory = { terminated: { exitCode: 137, reason: "OOMKilled" } };
const noPatroni = {
  terminated: { exitCode: 128, reason: "StartError", message: 'exec: "patroni": executable file not found in $PATH' },
};

const cases: readonly Case[] = [
  {
    title: "quota-pods",
    because: "the quota has no room for a Pod",
    reason: "QuotaExceeded",
    says: /^orders-1-0: it cannot be created: pods "orders-1-0" is forbidden: exceeded quota: small/,
    prepare: (scenario) => quota(scenario, { pods: "0" }),
    mend: (scenario) => remove(scenario, `${quotas}/small`),
  },
  {
    title: "quota-volumes",
    because: "the quota has no room for a volume",
    reason: "QuotaExceeded",
    says: /persistentVolumeClaims: .*"orders-1" is forbidden: exceeded quota: small.*; it is tried again by itself/,
    prepare: (scenario) => quota(scenario, { persistentvolumeclaims: "0" }),
    mend: async (scenario) => {
      await remove(scenario, `${quotas}/small`);
      // It would look again by itself, after half a minute.
      await touch(scenario);
    },
  },
  {
    title: "limits",
    because: "the namespace's limits do not let such a Pod in",
    reason: "PodRefused",
    says: /orders-1-0: it cannot be created: .*minimum memory usage per Container is 1Gi/,
    prepare: (scenario) =>
      create(scenario, "/api/v1/namespaces/{namespace}/limitranges", {
        apiVersion: "v1",
        kind: "LimitRange",
        metadata: { name: "large" },
        spec: { limits: [{ type: "Container", min: { memory: "1Gi" } }] },
      }),
    spec: { resources: { requests: { memory: "512Mi" }, limits: { memory: "512Mi" } } },
    mend: (scenario) => scenario.apply({ resources: { requests: { memory: "1Gi" }, limits: { memory: "1Gi" } } }),
  },
  {
    title: "policy",
    because: "an admission policy refuses the Pod",
    reason: "PodRefused",
    says: /orders-1-0: it cannot be created: .*no databases here/,
    prepare: (scenario) => refusePods(scenario),
    mend: async (scenario) => {
      for (const kind of ["validatingadmissionpolicybindings", "validatingadmissionpolicies"])
        await remove(scenario, `/apis/admissionregistration.k8s.io/v1/${kind}/{namespace}`);
    },
  },
  {
    title: "class",
    because: "the StorageClass does not exist",
    reason: "StorageClassMissing",
    says: /volume orders-1: StorageClass absent does not exist/,
    spec: { storage: { size: "1Gi", storageClass: "absent" } },
    prepare: ({ standIn }) => standIn.withholdVolumes(() => true),
    mend: ({ standIn }) => standIn.withholdVolumes(() => false),
  },
  {
    title: "pending",
    because: "nobody provides the volume",
    reason: "VolumePending",
    says: /volume orders-1: it is not bound yet: StorageClass standard \(provisioner holdfast\.dev\/stand-in\) has not provided it/,
    prepare: ({ standIn }) => standIn.withholdVolumes(() => true),
    mend: ({ standIn }) => standIn.withholdVolumes(() => false),
  },
  {
    title: "unschedulable",
    because: "no node takes the Pod",
    reason: "Unschedulable",
    says: /orders-1-0: 0\/3 nodes are available: 3 Insufficient cpu/,
    prepare: ({ standIn }) => standIn.refuseNodes(() => "0/3 nodes are available: 3 Insufficient cpu."),
    mend: ({ standIn }) => standIn.refuseNodes(() => undefined),
  },
  {
    title: "image",
    because: "the image does not exist",
    reason: "ImageUnavailable",
    says: /orders-1-0: image registry\.invalid\/pg:17 cannot be had: failed to pull/,
    spec: { image },
    prepare: ({ standIn }) => standIn.missImages((name) => name === image),
    mend: (scenario) => scenario.apply({}),
  },
  {
    title: "unsuitable",
    because: "the image holds no Patroni",
    reason: "ImageUnsuitable",
    says: /orders-1-0: image .* lacks what images\/postgres holds: exec: "patroni": executable file not found in \$PATH/,
    prepare: held.holdBack,
    strike: (scenario) => kubeletSays(scenario, "orders-1-0", { waiting: { reason: "CrashLoopBackOff" } }, noPatroni),
    mend: held.release,
  },
  {
    title: "config",
    because: "the container's Secret has lost a key",
    reason: "ContainerNotStarting",
    says: /orders-1-0: CreateContainerConfigError: couldn't find key/,
    prepare: held.holdBack,
    strike: (scenario) =>
      kubeletSays(scenario, "orders-1-0", {
        waiting: { reason: "CreateContainerConfigError", message: "couldn't find key" },
      }),
    mend: held.release,
  },
  {
    title: "crash",
    because: "the container is killed again and again",
    reason: "CrashLooping",
    says: /orders-1-0: it ends again and again: OOMKilled/,
    prepare: held.holdBack,
    strike: (scenario) => kubeletSays(scenario, "orders-1-0", { waiting: { reason: "CrashLoopBackOff" } }, outOfMemory),
    mend: held.release,
  },
];

describe.concurrent("a condition names the cause, and goes with it", () => {
  test.for(cases)("$reason: $because", async ({ title, because, reason, says, spec, prepare, strike, mend }) => {
    await using scenario = await open(title);
    await prepare(scenario);
    const operator = await scenario.start();
    const told = await timed(async () => {
      await scenario.apply(spec);
      await strike?.(scenario);
      return notReady(scenario, reason);
    });
    const ready = told.value;
    expect(ready.message).toMatch(says);
    const database = await scenario.database();
    expect(conditionOf(database, "Available")?.status).toBe("False");
    if (reason !== "VolumePending" && title !== "quota-volumes") {
      expect(database?.status?.phase).toBe("Failed");
      const [cause] = ready.message.split(". What to do: ");
      expect(conditionOf(database, "Available")?.reason).toBe(reason);
      expect(conditionOf(database, "Available")?.message).toContain(`no primary: ${cause}`);
    }
    // It lasts, and nobody says it again.
    await untilIdle(operator);
    const written = async (): Promise<string> => (await scenario.database())?.metadata.resourceVersion ?? "";
    const before = await written();
    await pause(1_000);
    expect(await written()).toBe(before);
    // Also when it has failed so often in a row that what fails has an Event of its own.
    for (let again = 1; again <= 3; again += 1) {
      await touch(scenario, again);
      await untilIdle(operator);
    }
    const warnings = (await eventsOf(scenario)).filter(({ type }) => type === "Warning");
    expect(warnings.map((event) => [event.reason, event.note, event.series])).toEqual(
      reason === "VolumePending" ? [] : [[reason, ready.message, undefined]],
    );

    const mended = await timed(async () => {
      await mend(scenario);
      return scenario.ready();
    });
    expect(mended.value.status?.conditions?.map(({ type, status }) => `${type} ${status}`)).toEqual([
      "Ready True",
      "Available True",
      "Progressing False",
      "Degraded False",
    ]);
    printSeconds(reason, because, told, mended);
  });
});

describe.concurrent("PostgreSQL that does not start", () => {
  const fatal = (text: string): string =>
    [
      "2026-11-21 10:00:02,114 INFO: starting as a secondary",
      `2026-11-21 10:00:03.250 UTC [${Math.trunc(performance.now())}] FATAL:  ${text}`,
      "2026-11-21 10:00:03,300 ERROR: postmaster is not running",
      "",
    ].join("\n");

  test.for([
    {
      title: "not-starting",
      reason: "PostgresNotStarting",
      text: "could not map anonymous shared memory: Cannot allocate memory",
      says: "orders-1-0: PostgreSQL does not start: FATAL: could not map anonymous shared memory: Cannot allocate memory",
    },
    {
      title: "disk-full",
      reason: "DiskFull",
      text: 'could not write lock file "postmaster.pid": No space left on device',
      says: 'orders-1-0: volume orders-1 of 1Gi is full: PostgreSQL does not start: FATAL: could not write lock file "postmaster.pid": No space left on device',
    },
  ] as const)(
    "is told in its own words, and not to and fro while Patroni tries again: $reason",
    async ({ title, reason, text, says }) => {
      await using scenario = await open(title);
      const { namespace } = scenario;
      await using node = await startLogNode(scenario.controlPlane, `node-of-${namespace}`);
      held.holdBack(scenario);
      const operator = await scenario.start();
      await scenario.apply();
      const pod = { namespace, name: "orders-1-0" };
      await eventually("the Pod", () => scenario.admin.get(Pod, pod));
      await node.bind(pod);
      node.logs.set(`${namespace}/orders-1-0`, fatal(text));
      await kubeletSays(scenario, "orders-1-0", { running: { startedAt: "2026-11-21T10:00:00Z" } });
      await patroniSays(scenario, "orders-1-0", "start failed");
      expect((await notReady(scenario, reason)).message).toContain(says);
      const written = (await scenario.database())?.metadata.resourceVersion;

      // Patroni tries again and again.
      for (const state of ["starting", "start failed", "starting", "start failed"]) {
        const before = await untilIdle(operator);
        node.logs.set(`${namespace}/orders-1-0`, fatal(text));
        await patroniSays(scenario, "orders-1-0", state);
        await eventually("a pass", async () => ((await passes(operator)) > before ? true : undefined));
      }
      expect((await scenario.database())?.metadata.resourceVersion).toBe(written);
      expect(node.asked[0]).toBe(`/containerLogs/${namespace}/orders-1-0/postgres?limitBytes=131072&tailLines=200`);

      held.release(scenario);
      await scenario.ready();
    },
  );
});

test.concurrent.each([
  { who: "the primary", pod: "orders-1-0", title: "disk-primary" },
  { who: "a replica", pod: "orders-2-0", title: "disk-replica" },
])(
  "a disk that fills up under $who while it serves is told, and stops what would restart it, until there is room",
  async ({ pod, title }) => {
    await using scenario = await open(title);
    const { admin, namespace } = scenario;
    // As images/postgres/holdfast-postgres writes it.
    const disk = (word: "full" | undefined) =>
      admin.apply(
        Pod,
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: pod, namespace, annotations: word === undefined ? {} : { [annotations.disk]: word } },
        },
        { fieldManager: "watch-in-the-pod" },
      );
    const podUids = async () =>
      (await admin.list(Pod, { namespace })).items.map(({ metadata }) => metadata.uid ?? "").toSorted();
    const operator = await scenario.start();
    await scenario.apply({ replicas: 2 });
    await scenario.ready();

    await disk("full");
    const { message } = await notReady(scenario, "DiskFull");
    expect(message).toBe(
      `2 of 2 instances serve: ${pod}: volume ${instanceOfPod(pod)} of 1Gi has next to no room left, or none. What to do: ${reasons.DiskFull}`,
    );
    const told = await scenario.database();
    expect(conditionOf(told, "Degraded")).toMatchObject({ status: "True", reason: "DiskFull" });
    expect(conditionOf(told, "Available")?.status).toBe("True");
    await eventually("a Warning", async () =>
      (await eventsOf(scenario)).some(({ type, reason }) => type === "Warning" && reason === "DiskFull")
        ? true
        : undefined,
    );

    const before = await podUids();
    await scenario.apply({ replicas: 2, resources: { requests: { memory: "128Mi" } } });
    await notReady(scenario, "DiskFull");
    await untilIdle(operator);
    expect(await podUids()).toEqual(before);

    await disk(undefined);
    await scenario.ready();
    expect(await podUids()).not.toEqual(before);
  },
);

test.concurrent("a replica that can never follow again is told, given a while, and then filled anew by its own Patroni", async () => {
  await using scenario = await open("useless");
  const { admin, namespace, postgres } = scenario;
  await using node = await startLogNode(scenario.controlPlane, `node-of-${namespace}`);
  const pod = { namespace, name: "orders-2-0" };
  scenario.standIn.holdBack(({ metadata }) => metadata.name === pod.name);
  await scenario.start({ patience: { beforeLookMs: 200, beforeActMs: 2_000 } });
  await scenario.apply({ replicas: 2 });
  await eventually("the Pod", () => admin.get(Pod, pod));
  await node.bind(pod);
  scenario.standIn.holdBack(() => false);
  await scenario.ready();
  const primary = (await scenario.database())?.status?.primary;
  const volumes = await volumeUids(scenario);
  const ip = (await admin.get(Pod, pod))?.status?.podIP ?? "";
  const refills = () => postgres.cluster(`${namespace}/orders`).refills;

  const words =
    "could not receive data from WAL stream: ERROR: requested WAL segment 000000010000000000000003 has already been removed";
  node.logs.set(
    `${namespace}/${pod.name}`,
    `2026-11-21 10:00:00 UTC [42] FATAL:  ${words.replace("ERROR: ", "ERROR:  ")}\n`,
  );
  postgres.behind.add(ip);
  scenario.standIn.lookAgain();
  const { message } = await notReady(scenario, "ReplicaUnusable");
  expect(message).toContain(
    `1 of 2 instances serve: orders-2-0: its data are of no use any more; it will be filled anew from ${primary}: ${words}`,
  );
  expect(refills()).toEqual([]);

  await scenario.ready();
  expect(refills()).toEqual([ip]);
  expect((await scenario.database())?.status?.primary).toBe(primary);
  expect(await volumeUids(scenario)).toEqual(volumes);
  const events = await eventsOf(scenario);
  expect(events.map(({ reason, note }) => [reason, note])).toContainEqual([
    "ReplacingInstance",
    `Instance orders-2 is filled anew from the primary: ${words}`,
  ]);
});

test.concurrent("a rollout that finds no image stops, serves on, says so, and comes back when it is taken back", async () => {
  await using scenario = await open("rollout");
  scenario.standIn.missImages((name) => name === image);
  await scenario.start();
  await scenario.apply({ replicas: 2 });
  await scenario.ready();

  await scenario.apply({ replicas: 2, image });
  const ready = await notReady(scenario, "ImageUnavailable");
  expect(ready.message).toMatch(/^1 of 2 instances serve: orders-\d-0: image registry\.invalid\/pg:17 cannot be had/);
  const { status } = (await scenario.database()) ?? {};
  expect(status?.phase).toBe("Degraded");
  expect(status?.conditions?.map(({ type, status: is, reason }) => `${type} ${is} ${reason}`)).toEqual([
    "Ready False ImageUnavailable",
    "Available True PrimaryAvailable",
    "Progressing True RollingOut",
    "Degraded True ImageUnavailable",
  ]);

  await scenario.apply({ replicas: 2 });
  expect((await scenario.ready()).status?.readyReplicas).toBe(2);
});

test.concurrent("what is being deleted and held is waited for, and told as that", async () => {
  await using scenario = await open("deleting");
  const { admin, namespace } = scenario;
  await scenario.start();
  await scenario.apply();
  await scenario.ready();
  const ref = { namespace, name: "orders-patroni" };
  const finalizers = async (value: readonly string[]): Promise<ConfigMap> =>
    admin.patch(ConfigMap, ref, [{ op: "add", path: "/metadata/finalizers", value }]);
  const { metadata } = await finalizers(["example.org/held"]);
  const told = await timed(async () => {
    await admin.delete(ConfigMap, ref, { uid: metadata.uid ?? "" });
    return notReady(scenario, "WaitingForDeletion");
  });
  expect(told.value.message).toContain("orders-patroni is being deleted and is created again when it is gone");
  expect(conditionOf(await scenario.database(), "Available")?.status).toBe("True");

  const mended = await timed(async () => {
    await finalizers([]);
    return scenario.ready();
  });
  expect((await admin.get(ConfigMap, ref))?.metadata.uid).not.toBe(metadata.uid);
  printSeconds("WaitingForDeletion", "a deleted ConfigMap is held by a finalizer", told, mended);
});

test.concurrent("a paused Database still tells the truth about what serves", async () => {
  await using scenario = await open("paused");
  const { admin, namespace, standIn } = scenario;
  await scenario.start();
  await scenario.apply();
  await scenario.ready();
  await scenario.apply({ paused: true });
  await notReady(scenario, "Paused");
  expect(conditionOf(await scenario.database(), "Available")?.status).toBe("True");

  standIn.refuseNodes(() => "0/3 nodes are available: 3 Insufficient cpu.");
  const pod = await admin.get(Pod, { namespace, name: "orders-1-0" });
  await admin.delete(Pod, { namespace, name: "orders-1-0" }, { uid: pod?.metadata.uid ?? "", gracePeriodSeconds: 0 });
  await eventually("Available tells why", async () => {
    const available = conditionOf(await scenario.database(), "Available");
    return available?.reason === "Unschedulable" && available.status === "False" ? true : undefined;
  });
  await notReady(scenario, "Paused");

  standIn.refuseNodes(() => undefined);
  await scenario.apply();
  await scenario.ready();
});

/** Has the Database looked at, as a user could. */
async function touch({ admin, namespace }: Scenario, time = 0): Promise<void> {
  const path = "/metadata/annotations";
  await admin.patch(Database, { namespace, name: "orders" }, [
    { op: "add", path, value: { "holdfast.dev/look": `again ${time}` } },
  ]);
}

/** Cluster-wide objects, named after the namespace that they are for. */
async function refusePods(scenario: Scenario): Promise<void> {
  const apiVersion = "admissionregistration.k8s.io/v1";
  const metadata = { name: scenario.namespace };
  const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] };
  await create(scenario, `/apis/${apiVersion}/validatingadmissionpolicies`, {
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata,
    spec: {
      failurePolicy: "Fail",
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: "false", message: "no databases here" }],
    },
  });
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": scenario.namespace } };
  await create(scenario, `/apis/${apiVersion}/validatingadmissionpolicybindings`, {
    apiVersion,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata,
    spec: { policyName: scenario.namespace, validationActions: ["Deny"], matchResources: { namespaceSelector } },
  });
  // It takes the API server a moment to know of it.
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "probe" },
    spec: { containers: [{ name: "probe", image: "probe" }] },
  };
  await eventually("the policy is in force", () =>
    create(scenario, "/api/v1/namespaces/{namespace}/pods?dryRun=All", pod).then(
      () => undefined,
      (error: unknown) => (String(error).includes("no databases here") ? true : undefined),
    ),
  );
}
