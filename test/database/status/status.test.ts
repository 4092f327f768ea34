import { describe, expect, test } from "vitest";
import { InvalidSpec, reasons, type ConditionType, type DatabaseSpec, type Phase } from "../../../src/database/api.ts";
import { children, type AppliedDatabase } from "../../../src/database/children/index.ts";
import type { Instance } from "../../../src/database/instances.ts";
import { PortError } from "../../../src/database/outside/port-error.ts";
import type { Pass } from "../../../src/database/pass.ts";
import { computeStatus } from "../../../src/database/status/status.ts";
import type { Trouble } from "../../../src/database/troubles/troubles.ts";
import { ApiError, TerminalError } from "../../../src/runtime/index.ts";
import { instances, leading, orders, resolveOrders, streaming, type InstanceFixture } from "../../support/orders.ts";

const now = new Date("2026-11-21T10:00:00Z");
const facts = { provisioned: true, serverVersion: "17.11" };

const primary: InstanceFixture = { number: 1, patroni: leading, volume: { lastPrimary: "true" } };
const replica = (number: number, more: Partial<InstanceFixture> = {}): InstanceFixture => ({ number, ...more });

const trouble = (instance: number, reason: Trouble["reason"], detail: string, passing = false): Trouble => {
  return { instance: `orders-${instance}`, subject: `orders-${instance}-0`, reason, detail, passing };
};

/** A pass in which everything went well. */
function complete(spec: Partial<DatabaseSpec>, existing: readonly Instance[]): Pass {
  const resolved = resolveOrders(spec, existing);
  const desired = Object.entries(children).map(([name, child]) => [name, child.desired(resolved)] as const);
  const live = desired.map(([name, objects]) => [
    name,
    // As the cache has them.
    name === "statefulSets" ? existing.flatMap(({ statefulSet }) => statefulSet ?? []) : objects,
  ]);
  return { resolved, applied: Object.fromEntries(live) as AppliedDatabase, instances: existing, facts };
}

function statusOf(spec: Partial<DatabaseSpec>, existing: readonly Instance[], changes: Partial<Pass> = {}) {
  return computeStatus(orders(spec), { ...complete(spec, existing), ...changes }, now);
}

type Status = ReturnType<typeof computeStatus>;

function condition(status: Status, type: ConditionType): string {
  const found = status.conditions?.find((candidate) => candidate.type === type);
  return `${found?.status} ${found?.reason}`;
}

/** Without what to do about it. */
const message = (status: Status, type: ConditionType) =>
  status.conditions?.find((it) => it.type === type)?.message.split(". What to do: ")[0];

test("a healthy Database", () => {
  const healthy = instances(1, primary, replica(2), replica(3));
  const common = { observedGeneration: 1, lastTransitionTime: "2026-11-21T10:00:00Z" };
  expect(statusOf({ replicas: 3 }, healthy)).toEqual({
    observedGeneration: 1,
    phase: "Ready",
    ready: true,
    replicas: 3,
    readyReplicas: 3,
    readyInstances: "3/3",
    primary: "orders-1-0",
    volumeSize: "1Gi",
    version: "17.11",
    endpoint: "orders.shop.svc:5432",
    readEndpoint: "orders-replicas.shop.svc:5432",
    secretName: "orders-credentials",
    selector: "holdfast.dev/database=orders",
    instances: [
      { name: "orders-1", role: "primary", ready: true, node: "node-1" },
      { name: "orders-2", role: "replica", ready: true, streaming: true, node: "node-2" },
      { name: "orders-3", role: "replica", ready: true, streaming: true, node: "node-3" },
    ],
    conditions: [
      { type: "Ready", status: "True", reason: "AsDeclared", message: "3 of 3 instances serve", ...common },
      {
        type: "Available",
        status: "True",
        reason: "PrimaryAvailable",
        message: "orders-1-0 accepts writes",
        ...common,
      },
      { type: "Progressing", status: "False", reason: "Settled", message: "no change is under way", ...common },
      { type: "Degraded", status: "False", reason: "NotDegraded", message: "3 of 3 instances serve", ...common },
    ],
  });
});

describe("of three declared instances", () => {
  const cases: {
    because: string;
    leader?: number;
    existing: InstanceFixture[];
    changes?: Partial<Pass>;
    phase: Phase;
    ready: string;
    available: string;
    progressing: string;
    degraded: string;
  }[] = [
    {
      because: "nothing exists yet",
      existing: [],
      phase: "Pending",
      ready: "False WaitingForPrimary",
      available: "False WaitingForPrimary",
      progressing: "True Creating",
      degraded: "False WaitingForPrimary",
    },
    {
      because: "the first instances start",
      existing: [1, 2, 3].map((number) => replica(number, { patroni: null, ready: false })),
      phase: "Creating",
      ready: "False WaitingForPrimary",
      available: "False WaitingForPrimary",
      progressing: "True Creating",
      degraded: "False WaitingForPrimary",
    },
    {
      because: "the primary serves, the replicas are being made",
      leader: 1,
      existing: [
        primary,
        replica(2, { patroni: { role: "uninitialized", state: "creating replica" }, ready: false }),
        replica(3, { patroni: null, ready: false }),
      ],
      phase: "Creating",
      ready: "False InstanceNotReady",
      available: "True PrimaryAvailable",
      progressing: "True AddingInstances",
      degraded: "True InstanceNotReady",
    },
    {
      because: "a replica runs and does not stream",
      leader: 1,
      existing: [primary, replica(2), replica(3, { patroni: { ...streaming, replication_state: undefined } })],
      phase: "Degraded",
      ready: "False ReplicaNotStreaming",
      available: "True PrimaryAvailable",
      progressing: "False Settled",
      degraded: "True ReplicaNotStreaming",
    },
    {
      because: "a replica is on an old timeline",
      leader: 1,
      existing: [primary, replica(2), replica(3, { patroni: { ...streaming, timeline: 2 } })],
      phase: "Degraded",
      ready: "False ReplicaNotStreaming",
      available: "True PrimaryAvailable",
      progressing: "False Settled",
      degraded: "True ReplicaNotStreaming",
    },
    {
      because: "a replica crashed",
      leader: 1,
      existing: [primary, replica(2), replica(3, { ready: false, waiting: "CrashLoopBackOff" })],
      phase: "Degraded",
      ready: "False InstanceNotReady",
      available: "True PrimaryAvailable",
      progressing: "False Settled",
      degraded: "True InstanceNotReady",
    },
    {
      because: "the primary is gone and nobody leads yet",
      existing: [{ ...primary, ready: false }, replica(2), replica(3)],
      phase: "Failed",
      ready: "False NoPrimary",
      available: "False NoPrimary",
      progressing: "False Settled",
      degraded: "False NoPrimary",
    },
    {
      because: "one instance is missing",
      leader: 1,
      existing: [primary, replica(2)],
      phase: "Creating",
      ready: "False AddingInstances",
      available: "True PrimaryAvailable",
      progressing: "True AddingInstances",
      degraded: "True AddingInstances",
    },
    {
      because: "there is one too many",
      leader: 1,
      existing: [primary, replica(2), replica(3), replica(4)],
      phase: "Creating",
      ready: "False RetiringInstances",
      available: "True PrimaryAvailable",
      progressing: "True RetiringInstances",
      degraded: "False NotDegraded",
    },
    {
      because: "one that was removed has not stopped yet",
      leader: 1,
      existing: [primary, replica(2), replica(3), replica(4, { statefulSet: false, volume: { retired: true } })],
      phase: "Creating",
      ready: "False RetiringInstances",
      available: "True PrimaryAvailable",
      progressing: "True RetiringInstances",
      degraded: "False NotDegraded",
    },
    {
      because: "a Pod runs an old template",
      leader: 1,
      existing: [primary, replica(2), replica(3, { revision: "old" })],
      phase: "Creating",
      ready: "False RollingOut",
      available: "True PrimaryAvailable",
      progressing: "True RollingOut",
      degraded: "False NotDegraded",
    },
    {
      because: "a parameter waits for a restart",
      leader: 1,
      existing: [primary, replica(2), replica(3, { patroni: { ...streaming, pending_restart: true } })],
      phase: "Creating",
      ready: "False RollingOut",
      available: "True PrimaryAvailable",
      progressing: "True RollingOut",
      degraded: "False NotDegraded",
    },
    {
      because: "role and database are not there yet",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: { facts: undefined },
      phase: "Creating",
      ready: "False Provisioning",
      available: "True PrimaryAvailable",
      progressing: "True Provisioning",
      degraded: "False NotDegraded",
    },
    {
      because: "a planned act says what it does",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: { progress: { reason: "RollingOut", message: "restarting orders-2-0" } },
      phase: "Creating",
      ready: "False RollingOut",
      available: "True PrimaryAvailable",
      progressing: "True RollingOut",
      degraded: "False NotDegraded",
    },
    {
      because: "the spec cannot be had, while the old one serves on",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: {
        resolved: undefined,
        applied: undefined,
        facts: undefined,
        failure: new InvalidSpec("ParameterRefused", "port"),
      },
      phase: "Failed",
      ready: "False ParameterRefused",
      available: "True PrimaryAvailable",
      progressing: "False ParameterRefused",
      degraded: "False NotDegraded",
    },
    {
      because: "PostgreSQL does not answer us",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: { facts: undefined, failure: new PortError("10.0.0.1:5432", { reason: "Unreachable" }) },
      phase: "Updating",
      ready: "False Unreachable",
      available: "True PrimaryAvailable",
      progressing: "False Unreachable",
      degraded: "False NotDegraded",
    },
    {
      because: "a name is taken",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: { failures: [{ child: "podServices", error: new TerminalError("NameTaken", "Service orders-pods") }] },
      phase: "Failed",
      ready: "False NameTaken",
      available: "True PrimaryAvailable",
      progressing: "False NameTaken",
      degraded: "False NotDegraded",
    },
    {
      because: "a replica's image cannot be had while the others are still to be rolled",
      leader: 1,
      existing: [
        { ...primary, revision: "old" },
        replica(2, { revision: "old" }),
        replica(3, { patroni: null, ready: false }),
      ],
      changes: { troubles: [trouble(3, "ImageUnavailable", "no such image")] },
      phase: "Degraded",
      ready: "False ImageUnavailable",
      available: "True PrimaryAvailable",
      progressing: "True RollingOut",
      degraded: "True ImageUnavailable",
    },
    {
      because: "no instance can start",
      existing: [1, 2, 3].map((number) => replica(number, { patroni: null, ready: false })),
      changes: { troubles: [1, 2, 3].map((number) => trouble(number, "Unschedulable", "no node")) },
      phase: "Failed",
      ready: "False Unschedulable",
      available: "False Unschedulable",
      progressing: "True Creating",
      degraded: "False Unschedulable",
    },
    {
      because: "volumes are on their way",
      existing: [1, 2, 3].map((number) => replica(number, { patroni: null, ready: false })),
      changes: { troubles: [trouble(1, "VolumePending", "not bound yet", true)] },
      phase: "Creating",
      ready: "False VolumePending",
      available: "False VolumePending",
      progressing: "True Creating",
      degraded: "False VolumePending",
    },
    {
      because: "the primary's disk is full, and nobody has taken over yet",
      existing: [{ ...primary, ready: false }, replica(2), replica(3)],
      changes: { troubles: [trouble(1, "DiskFull", "No space left on device")] },
      phase: "Failed",
      ready: "False DiskFull",
      available: "False DiskFull",
      progressing: "False Settled",
      degraded: "False DiskFull",
    },
    {
      because: "the primary's disk is full, and it serves on",
      leader: 1,
      existing: [{ ...primary, diskFull: true }, replica(2), replica(3)],
      changes: { troubles: [trouble(1, "DiskFull", "no room")] },
      phase: "Degraded",
      ready: "False DiskFull",
      available: "True PrimaryAvailable",
      progressing: "False Settled",
      degraded: "True DiskFull",
    },
    {
      because: "a replica is broken, which is not why nobody leads",
      existing: [primary, replica(2), replica(3, { ready: false })],
      changes: { troubles: [trouble(3, "CrashLooping", "exit code 1")] },
      phase: "Failed",
      ready: "False CrashLooping",
      available: "False NoPrimary",
      progressing: "False Settled",
      degraded: "False NoPrimary",
    },
    {
      because: "a volume is lost under a server that still runs",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: { troubles: [trouble(2, "VolumeLost", "gone")] },
      phase: "Degraded",
      ready: "False VolumeLost",
      available: "True PrimaryAvailable",
      progressing: "False Settled",
      degraded: "True VolumeLost",
    },
    {
      because: "PostgreSQL is not reached because it does not start: the cause goes first",
      existing: [{ ...primary, ready: false }, replica(2), replica(3)],
      changes: {
        facts: undefined,
        troubles: [trouble(1, "PostgresNotStarting", "FATAL: no memory")],
        failure: new PortError("10.0.0.1:5432", { reason: "Unreachable" }),
      },
      phase: "Failed",
      ready: "False PostgresNotStarting",
      available: "False PostgresNotStarting",
      progressing: "False Unreachable",
      degraded: "False PostgresNotStarting",
    },
    {
      because: "the spec must be corrected, whatever else is wrong",
      existing: [1, 2, 3].map((number) => replica(number, { patroni: null, ready: false })),
      changes: {
        troubles: [trouble(1, "Unschedulable", "no node")],
        failure: new InvalidSpec("ParameterRefused", "port"),
      },
      phase: "Failed",
      ready: "False ParameterRefused",
      available: "False Unschedulable",
      progressing: "False ParameterRefused",
      degraded: "False Unschedulable",
    },
    {
      because: "a name is taken, and the API server did not answer either",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: {
        failure: new ApiError("timeout", { status: 0, reason: "NoAnswer" }),
        failures: [{ child: "podServices", error: new TerminalError("NameTaken", "Service orders-pods") }],
      },
      phase: "Failed",
      ready: "False NameTaken",
      available: "True PrimaryAvailable",
      progressing: "False NameTaken",
      degraded: "False NotDegraded",
    },
    {
      because: "the pass was cut short without a failure",
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      changes: { applied: {} },
      phase: "Updating",
      ready: "False Creating",
      available: "True PrimaryAvailable",
      progressing: "False Settled",
      degraded: "False NotDegraded",
    },
    {
      because: "the instances were not looked at",
      existing: [],
      changes: { instances: undefined, resolved: undefined, applied: undefined, failure: new Error("boom") },
      phase: "Pending",
      ready: "False ReconcileFailed",
      available: "Unknown ReconcileFailed",
      progressing: "False ReconcileFailed",
      degraded: "False ReconcileFailed",
    },
  ];

  test.each(cases)("$because", ({ leader, existing, changes, phase, ready, available, progressing, degraded }) => {
    const status = statusOf({ replicas: 3 }, instances(leader, ...existing), changes);
    const types = ["Ready", "Available", "Progressing", "Degraded"] as const;
    expect({ phase: status.phase, conditions: types.map((type) => condition(status, type)) }).toEqual({
      phase,
      conditions: [ready, available, progressing, degraded],
    });
    expect(status.ready).toBe(ready.startsWith("True"));
  });

  test.each(cases)("$because: nothing is claimed that does not hold", ({ leader, existing, changes }) => {
    const status = statusOf({ replicas: 3 }, instances(leader, ...existing), changes);
    expect(condition(status, "Ready")).not.toMatch(/^True/);
  });
});

const retained = (number: number, lastPrimary: "true" | "false"): InstanceFixture => ({
  number,
  pod: false,
  statefulSet: false,
  volume: { ownerUid: "an earlier life", lastPrimary },
});

describe("taking up retained volumes", () => {
  test("says why the other instances do not start", () => {
    const existing = instances(
      undefined,
      retained(1, "false"),
      { ...primary, number: 2, patroni: null, ready: false },
      retained(3, "false"),
    );
    const status = statusOf({ replicas: 3 }, existing);
    expect([condition(status, "Ready"), condition(status, "Progressing")]).toEqual([
      "False TakingUpVolumes",
      "True TakingUpVolumes",
    ]);
    expect(message(status, "Available")).toBe("others start when one leads: orders-2-0 is running, not ready");
    expect(status.replicas).toBe(1);
  });
});

test.each([
  {
    because: "there is something to do",
    failure: new InvalidSpec("UnknownVersion", "no such version"),
    says: `no such version. What to do: ${reasons.UnknownVersion}`,
  },
  {
    because: "a sentence ends the cause",
    failure: new InvalidSpec("UnknownVersion", "no such version."),
    says: `no such version. What to do: ${reasons.UnknownVersion}`,
  },
  {
    because: "waiting may not help",
    failure: new PortError("no answer", { reason: "Unreachable" }),
    says: `no answer; it is tried again by itself. What to do: ${reasons.Unreachable.replace("Wait. ", "")}`,
  },
  {
    because: "there is only to wait",
    failure: new PortError("it follows", { reason: "NotPrimary" }),
    says: "it follows; it is tried again by itself",
  },
  {
    because: "the cause is longer than anybody reads",
    failure: new InvalidSpec("UnknownVersion", "x".repeat(3_000)),
    says: `${"x".repeat(1_024 - 1 - 14 - reasons.UnknownVersion.length)}…. What to do: ${reasons.UnknownVersion}`,
  },
])("Ready says what to do where $because", ({ failure, says }) => {
  const { conditions } = statusOf({}, instances(1, primary), { failure });
  expect(conditions?.find(({ type }) => type === "Ready")?.message).toBe(says);
});

describe("messages name what is waited for", () => {
  test.each([
    { broken: { ready: false, waiting: "ImagePullBackOff" }, says: "orders-2-0 waits: ImagePullBackOff" },
    {
      broken: { ready: false, patroni: { role: "replica", state: "starting" } },
      says: "orders-2-0 is starting, not ready",
    },
    { broken: { podDeleting: true }, says: "orders-2-0 is being deleted" },
    { broken: { pod: false }, says: "orders-2-0 does not exist" },
  ] as const)("$says", ({ broken, says }) => {
    const status = statusOf({ replicas: 2 }, instances(1, primary, replica(2, broken)));
    expect(message(status, "Ready")).toBe(`1 of 2 instances serve: ${says}`);
  });

  test("of a trouble the cause, wherever the instance is spoken of", () => {
    const troubles = [trouble(2, "CrashLooping", "exit code 1")];
    const rest = { ...primary, revision: "old" };
    const status = statusOf({ replicas: 2 }, instances(1, rest, replica(2, { ready: false })), { troubles });
    expect(message(status, "Ready")).toBe("1 of 2 instances serve: orders-2-0: exit code 1");
    expect(message(status, "Degraded")).toBe(message(status, "Ready"));
    expect(message(status, "Progressing")).toBe("not as declared yet: orders-1-0; first orders-2-0: exit code 1");
    const leaderless = statusOf({ replicas: 2 }, instances(undefined, { ...primary, ready: false }), {
      troubles: [trouble(1, "CrashLooping", "exit code 1")],
    });
    expect(message(leaderless, "Available")).toBe("no primary: orders-1-0: exit code 1");
  });

  test("that a failure is tried again by itself, where it is", () => {
    const told = (failure: unknown) => message(statusOf({}, instances(1, primary), { failure }), "Ready");
    expect(told(new ApiError("no answer", { status: 0, reason: "NoAnswer" }))).toBe(
      "no answer; it is tried again by itself",
    );
    expect(told(new PortError("refused", { reason: "Unreachable" }))).toBe("refused; it is tried again by itself");
    expect(told(new InvalidSpec("ParameterRefused", "port"))).toBe("port");
    expect(told(new ApiError("spec: wrong", { status: 422, reason: "Invalid" }))).toBe("spec: wrong");
  });

  test("a replica that does not stream, and from whom it should", () => {
    const deaf = replica(2, { patroni: { ...streaming, timeline: 2 } });
    const status = statusOf({ replicas: 2 }, instances(1, primary, deaf));
    expect(message(status, "Degraded")).toBe(
      "1 of 2 instances serve: orders-2-0 not streaming from orders-1-0 on timeline 3",
    );
  });

  test("a child that failed, what waits for an edit before what is tried again", () => {
    const failures = [
      { child: "configMap", error: new ApiError("timeout", { status: 0, reason: "NoAnswer" }) },
      { child: "statefulSets", error: new ApiError("spec.template: wrong", { status: 422, reason: "Invalid" }) },
    ];
    const status = statusOf({}, instances(1, primary), { failures });
    expect(condition(status, "Ready")).toBe("False Refused");
    expect(message(status, "Ready")).toBe("statefulSets: spec.template: wrong");
  });
});

test("a template that this very pass has changed is not claimed to run", () => {
  // The cache shows our own write at once; its controller has not seen it yet.
  const existing = instances(1, primary).map((instance) => ({ ...instance, runsCurrentTemplate: false }));
  expect(condition(statusOf({}, existing), "Ready")).toBe("False RollingOut");
});

test("a volume that has not grown yet is not claimed to be as declared", () => {
  const existing = instances(1, primary);
  const spec = { storage: { size: "10Gi" } };
  const pass = complete(spec, existing);
  const bound = (storage: string) =>
    pass.applied?.persistentVolumeClaims?.map((object) => ({
      ...object,
      status: { phase: "Bound", capacity: { storage } },
    })) as unknown as AppliedDatabase["persistentVolumeClaims"];
  const withCapacity = (storage: string) =>
    statusOf(spec, existing, {
      applied: { ...pass.applied, persistentVolumeClaims: bound(storage) },
    });
  expect(condition(withCapacity("1Gi"), "Ready")).toBe("False ResizingVolumes");
  expect(condition(withCapacity("10Gi"), "Ready")).toBe("True AsDeclared");
  // Taken back: the request stays above what there is.
  const takenBack = statusOf({ storage: { size: "1Gi" } }, existing, {
    applied: { ...pass.applied, persistentVolumeClaims: bound("1Gi") },
  });
  expect(condition(takenBack, "Ready")).toBe("True AsDeclared");
});

test("a paused Database says so, serves on, and is not called as declared", () => {
  const status = computeStatus(orders({ paused: true }), { instances: instances(1, primary) }, now);
  expect(status.phase).toBe("Paused");
  expect([condition(status, "Ready"), condition(status, "Available"), condition(status, "Progressing")]).toEqual([
    "False Paused",
    "True PrimaryAvailable",
    "False Paused",
  ]);
});

test("a deletion says what it waits for", () => {
  const database = orders({ paused: true });
  database.metadata.deletionTimestamp = "2026-11-21T09:59:00Z";
  const progress = { reason: "Deleting", message: "waiting for Pods to stop: orders-1-0" } as const;
  const status = computeStatus(database, { instances: instances(1, primary), progress }, now);
  expect(status.phase).toBe("Deleting");
  expect([condition(status, "Ready"), condition(status, "Progressing")]).toEqual(["False Deleting", "True Deleting"]);
  expect(message(status, "Progressing")).toBe("waiting for Pods to stop: orders-1-0");
});

describe("what was said before", () => {
  const healthy = instances(1, primary);
  const before = statusOf({}, healthy);

  test("stays to the letter where nothing changed, whatever the clock says", () => {
    const later = new Date("2026-11-21T11:00:00Z");
    const again = computeStatus(orders({}, { status: before }), complete({}, healthy), later);
    expect(again).toEqual(before);
  });

  test("keeps its transition time while the status of a condition stays", () => {
    const later = new Date("2026-11-21T11:00:00Z");
    const down = instances(undefined, { ...primary, ready: false });
    const after = computeStatus(orders({}, { status: before }), complete({}, down), later);
    const times = after.conditions?.map(
      ({ type, lastTransitionTime }) => `${type} ${lastTransitionTime.slice(11, 16)}`,
    );
    expect(times).toEqual(["Ready 11:00", "Available 11:00", "Progressing 10:00", "Degraded 10:00"]);
  });

  test("is kept where a failed pass learns nothing new: version and Secret", () => {
    const pass = { instances: healthy, failure: new Error("boom") };
    const after = computeStatus(orders({}, { status: before }), pass, now);
    expect([after.version, after.secretName]).toEqual(["17.11", "orders-credentials"]);
  });

  test("by others about other conditions is left alone", () => {
    const theirs = {
      type: "BackedUp",
      status: "True",
      reason: "Yes",
      message: "",
      lastTransitionTime: "2026-11-20T00:00:00Z",
    } as const;
    const status = { ...before, conditions: [theirs, ...(before.conditions ?? [])] };
    expect(computeStatus(orders({}, { status }), complete({}, healthy), now).conditions?.[0]).toEqual(theirs);
  });
});
