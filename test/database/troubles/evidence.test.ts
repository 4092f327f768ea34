import { describe, expect, test } from "vitest";
import { readEvidence } from "../../../src/database/troubles/evidence.ts";
import type { Instance } from "../../../src/database/instances.ts";
import { logWithinMs, readInstanceLog } from "../../../src/database/troubles/instance-log.ts";
import { UnusableReplicas } from "../../../src/database/troubles/unusable-replicas.ts";
import { StartFailures } from "../../../src/database/troubles/start-failures.ts";
import { ApiError, createLog, type Cache, type KubeClient, type KubeEvent } from "../../../src/runtime/index.ts";
import { instances, leading, orders, type InstanceFixture } from "../../support/orders.ts";

/** An API server that has this, and a cache that has these Events. */
function contextOf(api: Partial<KubeClient>, events: readonly KubeEvent[] = []) {
  const unexpected = async (): Promise<never> => Promise.reject(new Error("nobody should have asked"));
  return {
    client: { get: unexpected, podLog: unexpected, ...api } as unknown as KubeClient,
    cache: { get: () => undefined, list: () => events } as unknown as Cache,
    signal: new AbortController().signal,
    log: createLog({ level: "silent", name: "test" }),
    value: {
      startFailures: new StartFailures(),
      unusableReplicas: new UnusableReplicas({ beforeLookMs: 0, beforeActMs: 45_000 }),
      monotonicMs: () => 0,
    },
  };
}

function withUids(existing: readonly Instance[]): readonly Instance[] {
  return existing.map((instance) => {
    const { statefulSet, name } = instance;
    return {
      ...instance,
      statefulSet: { ...statefulSet!, metadata: { ...statefulSet!.metadata, uid: `set-${name}` } },
    };
  });
}

/** As a memory by Pod needs them. */
function withPodUids(existing: readonly Instance[]): readonly Instance[] {
  return existing.map((instance) => {
    const { pod, name } = instance;
    return { ...instance, pod: { ...pod!, metadata: { ...pod!.metadata, uid: `pod-${name}` } } };
  });
}

const down = (more: Partial<InstanceFixture> = {}): InstanceFixture => ({
  number: 1,
  ready: false,
  patroni: null,
  ...more,
});
const refused = (status: number, reason: string): ApiError => new ApiError(reason, { status, reason });

test("nothing is asked while all serve", async () => {
  const healthy = instances(1, { number: 1, patroni: leading });
  const { evidence, lookAgainMs } = await readEvidence(orders(), healthy, contextOf({}));
  expect(evidence.classes.size + evidence.refusals.size + evidence.startFailures.size).toBe(0);
  expect(lookAgainMs).toBeUndefined();
});

test("nothing is asked about an instance that is being removed", async () => {
  const leaving = down({ patroni: { role: "replica", state: "start failed" }, volume: { retired: true } });
  const { evidence } = await readEvidence(orders(), instances(undefined, leaving), contextOf({}));
  expect(evidence.startFailures.size).toBe(0);
});

describe("the class of a volume that is not bound", () => {
  test.each([
    {
      because: "it is there",
      get: async () => ({ provisioner: "disks" }),
      known: [["standard", { provisioner: "disks" }]],
      again: undefined,
    },
    {
      because: "it is not, and nobody will tell when it is",
      get: async () => undefined,
      known: [["standard", undefined]],
      again: 30_000,
    },
    {
      because: "it may not be read",
      get: async () => Promise.reject(refused(403, "Forbidden")),
      known: [],
      again: undefined,
    },
    {
      because: "the API server does not answer",
      get: async () => Promise.reject(refused(0, "NoAnswer")),
      known: [],
      again: undefined,
    },
  ])("$because", async ({ get, known, again }) => {
    const context = contextOf({ get } as unknown as Partial<KubeClient>);
    const unbound = instances(undefined, down()).map(({ volume, ...rest }) => {
      return { ...rest, volume: { ...volume!, spec: { storageClassName: "standard" }, status: { phase: "Pending" } } };
    });
    const { evidence, lookAgainMs } = await readEvidence(orders(), unbound as readonly Instance[], context);
    expect([...evidence.classes]).toEqual(known);
    expect(lookAgainMs).toBe(again);
  });
});

describe("an Event about a refused Pod", () => {
  const at = (minute: number): string => `2026-11-21T10:${String(minute).padStart(2, "0")}:00Z`;
  const event = (minute: number, uid = "set-orders-1", note = "exceeded quota"): KubeEvent =>
    ({ metadata: {}, regarding: { uid }, note, deprecatedLastTimestamp: at(minute) }) as unknown as KubeEvent;
  const notReadySince = (minute: number) => {
    const ready = {
      type: "Ready",
      status: "False",
      reason: "Creating",
      message: "",
      lastTransitionTime: at(minute),
    } as const;
    return orders({}, { status: { conditions: [ready] } });
  };
  const missing = down({ pod: false, volume: false });

  test.each([
    { because: "it tells of now", events: [event(5)], given: missing, says: ["exceeded quota"] },
    {
      because: "the newest counts",
      events: [event(6, "set-orders-1", "denied"), event(5)],
      given: missing,
      says: ["denied"],
    },
    { because: "it is from before Ready last changed", events: [event(2)], given: missing, says: [] },
    { because: "it is about a namesake that is gone", events: [event(5, "set-of-before")], given: missing, says: [] },
    { because: "the Pod is there now", events: [event(5)], given: down({ volume: false }), says: [] },
  ])("$because", async ({ events, given, says }) => {
    const existing = withUids(instances(undefined, given));
    const { evidence } = await readEvidence(notReadySince(4), existing, contextOf({}, events));
    expect([...evidence.refusals.values()]).toEqual(says);
  });
});

describe("a replica that does not follow", () => {
  const silent = { number: 2, patroni: { role: "replica", state: "running", timeline: 3 }, runs: true } as const;
  const at = "2026-11-21 10:00:00.000 UTC [42]";
  const removed = "requested WAL segment 000000030000000000000003 has already been removed";
  const words = `could not receive data from WAL stream: ERROR: ${removed}`;
  const lost = `${at} FATAL:  could not receive data from WAL stream: ERROR:  ${removed}`;
  const other = "requested timeline 3 is not a child of this server's history";
  const existing = instances(1, { number: 1, patroni: leading }, silent);

  test.each([
    { because: "nothing can be lost", log: lost, words, outlook: "it will be filled anew from orders-1-0" },
    {
      because: "that is for a person to decide",
      log: `${at} FATAL:  ${other}`,
      words: other,
      outlook: "it may hold what orders-1-0 lacks, so look at it, then delete its claim, and it is made anew",
    },
    {
      because: "nothing is done while the Database is paused",
      log: lost,
      paused: true,
      words,
      outlook: "it will be filled anew from orders-1-0 once the Database is not paused any more",
    },
    {
      because: "the pass did not get that far",
      log: lost,
      failing: true,
      words,
      outlook: "it will be filled anew from orders-1-0 once what fails has been mended",
    },
    {
      because: "others come before",
      log: lost,
      given: instances(1, { number: 1, patroni: leading }, silent, {
        number: 3,
        patroni: { role: "replica", state: "creating replica" },
      }),
      words,
      outlook: "it will be filled anew from orders-1-0 once orders-3-0 has been filled",
    },
    {
      because: "the primary has no room",
      log: lost,
      given: instances(1, { number: 1, patroni: leading, diskFull: true }, silent),
      words,
      outlook: "it will be filled anew from orders-1-0 once orders-1-0 has room on its disk",
    },
  ])("says in its log why it never will, and what becomes of it: $because", async (row) => {
    const { log, given = existing, paused = false, failing = false } = row;
    const context = contextOf({ podLog: async () => log });
    const conditions = { takingUp: false, failing };
    const { evidence, lookAgainMs } = await readEvidence(orders({ paused }), withPodUids(given), context, conditions);
    expect([...evidence.unusable]).toEqual([["orders-2", { words: row.words, outlook: row.outlook }]]);
    expect(lookAgainMs).toBe(45_000);
  });

  test("is given its time anew after a pause", async () => {
    const given = withPodUids(existing);
    let nowMs = 0;
    const context = contextOf({ podLog: async () => lost });
    const { unusableReplicas } = context.value;
    const timed = { ...context, value: { ...context.value, monotonicMs: () => nowMs } };
    const look = (paused: boolean) => readEvidence(orders({ paused }), given, timed);
    await look(true);
    nowMs = 3_600_000;
    expect(unusableReplicas.givenUp(given, nowMs).size).toBe(0);
    await look(false);
    expect(unusableReplicas.givenUp(given, nowMs).size).toBe(0);
    expect(unusableReplicas.givenUp(given, nowMs + 45_000).size).toBe(1);
    // As after a time in which nobody led.
    await readEvidence(orders(), given.slice(1), timed);
    expect(unusableReplicas.givenUp(given, nowMs + 45_000).size).toBe(0);
  });

  test("is not asked while nobody leads", async () => {
    const { evidence, lookAgainMs } = await readEvidence(orders(), instances(undefined, silent), contextOf({}));
    expect([evidence.unusable.size, lookAgainMs]).toEqual([0, undefined]);
  });

  test("is asked at once with the others, not after them", async () => {
    const given = withPodUids(instances(1, { number: 1, patroni: leading }, silent, { ...silent, number: 3 }));
    const both = Promise.withResolvers<void>();
    let asked = 0;
    const podLog = async (): Promise<string> => {
      if (++asked === 2) both.resolve();
      await both.promise;
      return lost;
    };
    const { evidence } = await readEvidence(orders(), given, contextOf({ podLog }));
    expect([...evidence.unusable.keys()]).toEqual(["orders-2", "orders-3"]);
  });
});

test("a log that does not come in time is given up, as any that cannot be read", async () => {
  const [instance] = instances(1, { number: 1 });
  const podLog = (_: unknown, { signal }: { signal?: AbortSignal | undefined }) =>
    new Promise<string>((_resolve, reject) => {
      if (signal?.aborted === true) reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  const { signal } = new AbortController();
  await expect(readInstanceLog(instance!, { client: { podLog }, signal }, 1)).rejects.toThrow(/timeout/i);
  expect(logWithinMs).toBeLessThan(5_000);
});

test("a log that cannot be read leaves the cause open, and fails nothing", async () => {
  const failing = instances(undefined, down({ patroni: { role: "replica", state: "start failed" }, volume: false }));
  const podLog = async (): Promise<string> => Promise.reject(refused(500, "the node is gone"));
  const { evidence } = await readEvidence(orders(), failing, contextOf({ podLog }));
  expect([...evidence.startFailures.values()]).toMatchObject([{ crashed: false, words: undefined }]);
});
