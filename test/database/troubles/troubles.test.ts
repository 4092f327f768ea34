import { describe, expect, test } from "vitest";
import type { Instance } from "../../../src/database/instances.ts";
import { remarkOf, troublesOf, type Evidence } from "../../../src/database/troubles/troubles.ts";
import type { PersistentVolumeClaim, Pod } from "../../../src/runtime/index.ts";
import { instances, leading, type InstanceFixture } from "../../support/orders.ts";

interface Fixture extends InstanceFixture {
  readonly podStatus?: Pod["status"];
  readonly volumeStatus?: PersistentVolumeClaim["status"];
  readonly volumeSpec?: PersistentVolumeClaim["spec"];
}

/** Instances with the status that a cluster writes: volumes bound unless something else is said. */
function world(leader: number | undefined, ...fixtures: readonly Fixture[]): readonly Instance[] {
  return instances(leader, ...fixtures).map((instance, index) => {
    const { podStatus, volumeStatus = { phase: "Bound", capacity: { storage: "1Gi" } }, volumeSpec } = fixtures[index]!;
    const { pod, volume, statefulSet, name } = instance;
    return {
      ...instance,
      ...(statefulSet && {
        statefulSet: { ...statefulSet, metadata: { ...statefulSet.metadata, uid: `set-${name}` } },
      }),
      ...(pod && {
        pod: { ...pod, metadata: { ...pod.metadata, uid: `pod-${name}` }, status: podStatus ?? pod.status },
      }),
      ...(volume && {
        volume: {
          ...volume,
          spec: volumeSpec ?? { ...volume.spec, volumeName: `pv-${name}` },
          status: volumeStatus,
        },
      }),
    };
  });
}

const down = (number = 1, more: Partial<Fixture> = {}): Fixture => ({ number, ready: false, patroni: null, ...more });
const noEvidence: Evidence = { refusals: new Map(), classes: new Map(), startFailures: new Map(), unusable: new Map() };
const evidence = (more: Partial<Evidence>): Evidence => ({ ...noEvidence, ...more });
const unbound = {
  storageClassName: "fast",
  resources: { requests: { storage: "1Gi" } },
} as PersistentVolumeClaim["spec"];
const pending = { phase: "Pending" } as const;
const unscheduled = (message: string): Pod["status"] => ({
  phase: "Pending",
  conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
});
const crashed = (message: string): Pod["status"] => ({
  phase: "Running",
  containerStatuses: [
    {
      name: "postgres",
      image: "",
      imageID: "",
      ready: false,
      restartCount: 4,
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 1, message } },
    },
  ],
});
const quota = 'pods "orders-1-0" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3';
const failedCreate = (message: string): string =>
  `Create Pod orders-1-0 in StatefulSet orders-1 failed error: ${message}`;

describe("of one instance", () => {
  const cases: { because: string; given: Fixture; evidence?: Evidence; says: string; reason: string }[] = [
    {
      because: "the quota has no room for its Pod",
      given: down(1, { pod: false }),
      evidence: evidence({ refusals: new Map([["set-orders-1", failedCreate(quota)]]) }),
      reason: "QuotaExceeded",
      says: `orders-1-0: it cannot be created: ${quota}`,
    },
    {
      because: "a webhook refuses its Pod",
      given: down(1, { pod: false }),
      evidence: evidence({
        refusals: new Map([
          [
            "set-orders-1",
            `(combined from similar events): ${failedCreate('admission webhook "no" denied the request')}`,
          ],
        ]),
      }),
      reason: "PodRefused",
      says: 'orders-1-0: it cannot be created: admission webhook "no" denied the request',
    },
    {
      because: "the class of its volume does not exist",
      given: down(1, { volumeSpec: unbound, volumeStatus: pending }),
      evidence: evidence({ classes: new Map([["fast", undefined]]) }),
      reason: "StorageClassMissing",
      says: "volume orders-1: StorageClass fast does not exist",
    },
    {
      because: "no class was asked for, and there is no default one",
      given: down(1, {
        volumeSpec: { ...unbound, storageClassName: undefined },
        volumeStatus: pending,
      }),
      reason: "StorageClassMissing",
      says: "volume orders-1: it names no StorageClass, and the cluster has no default one",
    },
    {
      because: "its volume has not been made yet",
      given: down(1, { volumeSpec: unbound, volumeStatus: pending }),
      evidence: evidence({ classes: new Map([["fast", { provisioner: "example.org/disks" }]]) }),
      reason: "VolumePending",
      says: "volume orders-1: it is not bound yet: StorageClass fast (provisioner example.org/disks) has not provided it",
    },
    {
      because: "the class may not be read",
      given: down(1, { volumeSpec: unbound, volumeStatus: pending }),
      reason: "VolumePending",
      says: "volume orders-1: it is not bound yet: StorageClass fast has not provided it",
    },
    {
      because: "the scheduler only waits for the volume",
      given: down(1, {
        volumeSpec: unbound,
        volumeStatus: pending,
        podStatus: unscheduled("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
      }),
      reason: "VolumePending",
      says: "volume orders-1: it is not bound yet: StorageClass fast has not provided it",
    },
    {
      because: "the volume waits for the Pod, and no node takes that",
      given: down(1, {
        volumeSpec: unbound,
        volumeStatus: pending,
        podStatus: unscheduled("0/3 nodes are available: 3 Insufficient cpu."),
      }),
      reason: "Unschedulable",
      says: "orders-1-0: 0/3 nodes are available: 3 Insufficient cpu.",
    },
    {
      because: "the log that the kubelet kept says that the disk is full",
      given: down(1, { podStatus: crashed("OSError: [Errno 28] No space left on device") }),
      reason: "DiskFull",
      says: "orders-1-0: volume orders-1 of 1Gi is full: it ends again and again: exit code 1: OSError: [Errno 28] No space left on device",
    },
    {
      because: "Patroni runs, and cannot start PostgreSQL",
      given: down(1, { patroni: { role: "replica", state: "starting" } }),
      evidence: evidence({
        startFailures: new Map([
          ["pod-orders-1", { crashed: false, words: "FATAL: could not map anonymous shared memory" }],
        ]),
      }),
      reason: "PostgresNotStarting",
      says: "orders-1-0: PostgreSQL does not start: FATAL: could not map anonymous shared memory",
    },
    {
      because: "its log could not be read",
      given: down(1, { patroni: { role: "replica", state: "crashed" } }),
      evidence: evidence({ startFailures: new Map([["pod-orders-1", { crashed: true }]]) }),
      reason: "PostgresNotStarting",
      says: "orders-1-0: PostgreSQL crashed, and its log does not say why",
    },
    {
      because: "PostgreSQL does not start on a full disk",
      given: down(1, { patroni: { role: "replica", state: "start failed" } }),
      evidence: evidence({
        startFailures: new Map([
          ["pod-orders-1", { crashed: false, words: "FATAL: could not write: No space left on device" }],
        ]),
      }),
      reason: "DiskFull",
      says: "orders-1-0: volume orders-1 of 1Gi is full: PostgreSQL does not start: FATAL: could not write: No space left on device",
    },
    {
      because: "it serves, and its volume has no room any more",
      given: { number: 1, patroni: leading, diskFull: true },
      reason: "DiskFull",
      says: "orders-1-0: volume orders-1 of 1Gi has next to no room left, or none",
    },
    {
      because: "it is copying, and its volume has no room any more",
      given: down(1, { patroni: { role: "replica", state: "creating replica" }, diskFull: true }),
      reason: "DiskFull",
      says: "orders-1-0: volume orders-1 of 1Gi has next to no room left, or none",
    },
    {
      because: "its volume has no room, and its log could not be read",
      given: down(1, { patroni: { role: "replica", state: "crashed" }, diskFull: true }),
      evidence: evidence({ startFailures: new Map([["pod-orders-1", { crashed: true }]]) }),
      reason: "DiskFull",
      says: "orders-1-0: volume orders-1 of 1Gi has next to no room left, or none",
    },
    {
      because: "its volume has no room, and it says itself what else it does not start for",
      given: down(1, { patroni: { role: "replica", state: "start failed" }, diskFull: true }),
      evidence: evidence({
        startFailures: new Map([["pod-orders-1", { crashed: false, words: "FATAL: could not map shared memory" }]]),
      }),
      reason: "PostgresNotStarting",
      says: "orders-1-0: PostgreSQL does not start: FATAL: could not map shared memory",
    },
  ];
  test.each(cases)("$reason: $because", ({ given, evidence: found = noEvidence, reason, says }) => {
    expect(remarkOf(troublesOf(world(undefined, given), found))).toEqual({ reason, message: says });
  });
});

describe("nothing is wrong", () => {
  const stale = evidence({ refusals: new Map([["set-orders-1", failedCreate(quota)]]) });
  test.each<{ because: string; given: Fixture; evidence?: Evidence }>([
    { because: "it serves", given: { number: 1, patroni: leading } },
    { because: "it starts", given: down(1, { patroni: { role: "replica", state: "starting" } }) },
    { because: "its Pod is on its way", given: down(1, { podStatus: { phase: "Pending" } }) },
    { because: "its Pod was refused, and is there now", given: down(), evidence: stale },
    {
      because: "it is being removed",
      given: down(1, { volume: { retired: true }, podStatus: unscheduled("0/3 nodes") }),
    },
    {
      because: "it is removed, and its volume is full",
      given: { number: 1, volume: { retired: true }, diskFull: true },
    },
    { because: "its Pod is going", given: down(1, { podDeleting: true, patroni: { state: "stopping" } }) },
    {
      because: "only its volume is there",
      given: down(1, { pod: false, statefulSet: false, volumeSpec: unbound, volumeStatus: pending }),
    },
  ])("$because", ({ given, evidence: found = noEvidence }) => {
    expect(troublesOf(world(1, given), found)).toEqual([]);
  });
});

describe("a replica whose data are of no use any more", () => {
  const unusable = evidence({
    unusable: new Map([["orders-2", { words: "no such WAL", outlook: "it is mended so" }]]),
  });
  const says = "orders-2-0: its data are of no use any more; it is mended so: no such WAL";
  const primary: Fixture = { number: 1, patroni: leading };

  test.each([
    {
      because: "it is ready, and does not follow",
      given: { number: 2, patroni: { role: "replica", state: "running" } },
    },
    {
      because: "PostgreSQL does not start in it",
      given: down(2, { patroni: { role: "replica", state: "start failed" } }),
    },
  ])("is told with its words: $because", ({ given }) => {
    expect(remarkOf(troublesOf(world(1, primary, given), unusable))).toEqual({
      reason: "ReplicaUnusable",
      message: says,
    });
  });

  test("waits while its disk is full, which is told", () => {
    const [trouble] = troublesOf(world(1, primary, down(2, { diskFull: true })), unusable);
    expect(trouble?.reason).toBe("DiskFull");
  });
});

test("a volume that is lost goes before all else, and counts though PostgreSQL still runs on it", () => {
  const existing = world(1, { number: 1, patroni: leading, volumeStatus: { phase: "Lost" } });
  expect(troublesOf(existing, noEvidence).map(({ reason }) => reason)).toEqual(["VolumeLost"]);
});

describe("of several instances", () => {
  test("what lasts goes before what passes", () => {
    const existing = world(
      undefined,
      down(1, { volumeSpec: unbound, volumeStatus: pending }),
      down(2, { podStatus: unscheduled("0/3 nodes are available") }),
    );
    expect(troublesOf(existing, noEvidence).map(({ reason, passing }) => [reason, passing])).toEqual([
      ["Unschedulable", false],
      ["VolumePending", true],
    ]);
  });

  test("one cause is told once, for all", () => {
    const same = unscheduled("0/3 nodes are available");
    const existing = world(
      undefined,
      down(1, { podStatus: same }),
      down(2, { podStatus: same }),
      down(3, { podStatus: unscheduled("no room") }),
    );
    expect(remarkOf(troublesOf(existing, noEvidence))).toEqual({
      reason: "Unschedulable",
      message: "orders-1-0, orders-2-0: 0/3 nodes are available; orders-3-0: no room",
    });
  });

  test("nothing is said of none", () => {
    expect(remarkOf([])).toBeUndefined();
  });
});
