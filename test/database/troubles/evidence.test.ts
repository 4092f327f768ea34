import { describe, expect, test } from "vitest";
import { readEvidence } from "../../../src/database/troubles/evidence.ts";
import type { Instance } from "../../../src/database/instances.ts";
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
  const silent = { number: 2, patroni: { role: "replica", state: "running" }, runs: true } as const;
  const podLog = async (): Promise<string> => "FATAL:  requested timeline 3 is not a child of this server's history";

  test("says in its log why it never will, and is looked at again", async () => {
    const existing = instances(1, { number: 1, patroni: leading }, silent);
    const { evidence, lookAgainMs } = await readEvidence(orders(), existing, contextOf({ podLog }));
    expect([...evidence.unusable]).toEqual([
      ["orders-2", "requested timeline 3 is not a child of this server's history"],
    ]);
    expect(lookAgainMs).toBe(45_000);
  });

  test("is not asked while nobody leads", async () => {
    const { evidence, lookAgainMs } = await readEvidence(orders(), instances(undefined, silent), contextOf({}));
    expect([evidence.unusable.size, lookAgainMs]).toEqual([0, undefined]);
  });
});

test("a log that cannot be read leaves the cause open, and fails nothing", async () => {
  const failing = instances(undefined, down({ patroni: { role: "replica", state: "start failed" }, volume: false }));
  const podLog = async (): Promise<string> => Promise.reject(refused(500, "the node is gone"));
  const { evidence } = await readEvidence(orders(), failing, contextOf({ podLog }));
  expect([...evidence.startFailures.values()]).toMatchObject([{ crashed: false, words: undefined }]);
});
