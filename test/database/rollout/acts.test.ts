import { describe, expect, test } from "vitest";
import { performAct, type Act } from "../../../src/database/rollout/acts.ts";
import type { DatabaseSpec } from "../../../src/database/api.ts";
import type { Instance } from "../../../src/database/instances.ts";
import { annotations } from "../../../src/database/names.ts";
import type { Patroni, PatroniStatus } from "../../../src/database/outside/patroni.ts";
import { PortError } from "../../../src/database/outside/port-error.ts";
import type { Unusable } from "../../../src/database/troubles/unusable-data.ts";
import type { Context } from "../../../src/runtime/index.ts";
import { createLog } from "../../../src/runtime/telemetry/log.ts";
import { FakePostgres } from "../../support/fake-postgres.ts";
import {
  instances,
  configurationEndpoints,
  leaderEndpoints,
  leading,
  orders,
  resolveOrders,
  type InstanceFixture,
} from "../../support/orders.ts";

const now = new Date("2026-11-21T10:00:08Z");
const because = "image changed";
const segment = "requested WAL segment 000000010000000000000003 has already been removed";
const lostLog = `2026-11-21 10:00:00.000 UTC [42] FATAL:  could not receive data from WAL stream: ERROR:  ${segment}`;
const unusable: Unusable = {
  words: `could not receive data from WAL stream: ERROR: ${segment}`,
  cause: { type: "walRemoved", timeline: 1 },
};
const two: readonly InstanceFixture[] = [{ number: 1, patroni: leading }, { number: 2 }];

const useless: readonly InstanceFixture[] = [two[0]!, { number: 2, patroni: { role: "replica", state: "running" } }];

/** A world in which orders-1 leads by the cache, and maybe somebody else by now. */
function world(
  leader: string | undefined,
  fixtures = two,
  cachedLeader: number | null = 1,
  spec: Partial<DatabaseSpec> = { replicas: 2 },
) {
  const database = orders(spec);
  const patches: unknown[] = [];
  const found = instances(cachedLeader ?? undefined, ...fixtures);
  const done: string[] = [];
  const fake = new FakePostgres(
    () => "orders",
    (host) => `orders-${host.split(".").at(-1)}-0`,
  );
  /** What a live read of these says, where it is another than the cache does. */
  const live: { log?: string | Error; pod?: unknown; volume?: unknown; promoted?: readonly string[] } = {};
  const context = {
    client: {
      get: async ({ kind }: { kind: string }, { name }: { name: string }) => {
        const instance = found.find(({ podName, name: own }) => podName === name || own === name);
        if (kind === "Pod") return "pod" in live ? live.pod : instance?.pod;
        if (kind === "PersistentVolumeClaim") return "volume" in live ? live.volume : instance?.volume;
        if (name === "orders-config") return configurationEndpoints(live.promoted ?? []);
        return leaderEndpoints(leader);
      },
      podLog: async () => {
        if (live.log instanceof Error) throw live.log;
        return live.log ?? lostLog;
      },
      patch: async (_kind: unknown, _ref: unknown, patch: unknown) => void patches.push(patch),
      delete: async (kind: { kind: string }, ref: { name: string }) => void done.push(`${kind.kind} ${ref.name}`),
    },
    events: { emit: (_about: unknown, { message }: { message: string }) => void done.push(message) },
    log: createLog({ level: "silent", name: "test" }),
    signal: new AbortController().signal,
  } as unknown as Context<unknown>;
  const forgotten: string[] = [];
  const unusableReplicas = { forget: ({ name }: Instance) => void forgotten.push(name) };
  const perform = (act: Act, patroni = fake.patroni): Promise<number | undefined> =>
    performAct(act, { database, resolved: resolveOrders(), instances: found, patroni, unusableReplicas, now }, context);
  const [first, second = first] = found;
  if (first === undefined || second === undefined) throw new Error("no instances");
  return { perform, done, patches, fake, live, forgotten, first, second };
}

describe("nothing is done when the live read says otherwise than the plan:", () => {
  test.each([
    { leader: "orders-2-0", because: "another one leads by now" },
    { leader: undefined, because: "nobody leads by now" },
    { leader: "orders-9-0", because: "one that the cache does not know leads" },
  ])("$because", async ({ leader }) => {
    const { perform, done, first, second } = world(leader);
    const acts: Act[] = [
      { type: "deletePod", instance: second, because },
      { type: "restart", instance: second, because },
      { type: "switchover", instance: first, candidate: second, because },
      { type: "retire", instance: second },
      { type: "stop", instance: second },
      { type: "removeVolume", instance: second },
      { type: "abandonVolume", instance: second },
      { type: "reinitialize", instance: second, unusable },
    ];
    for (const act of acts) expect(await perform(act), act.type).toBeGreaterThan(0);
    expect(done).toEqual([]);
  });

  test("nobody led and somebody does now", async () => {
    const { perform, done, first } = world("orders-2-0", two, null);
    expect(await perform({ type: "deletePod", instance: first, because })).toBeGreaterThan(0);
    expect(done).toEqual([]);
  });
});

test("no instance is taken away while nobody else leads, whatever was planned", async () => {
  const nobody = world(undefined, two, null);
  expect(await nobody.perform({ type: "stop", instance: nobody.second })).toBeGreaterThan(0);
  const itself = world("orders-1-0");
  expect(await itself.perform({ type: "stop", instance: itself.first })).toBeGreaterThan(0);
  expect([nobody.done, itself.done]).toEqual([[], []]);
});

describe("what may end a copy of the data is done only beside a primary that says so itself:", () => {
  const going = { deleting: true } as const;
  const losing: readonly InstanceFixture[] = [
    { number: 1, patroni: leading, volume: going },
    { number: 2, volume: going },
  ];
  const ending = ({ first, second }: Pick<ReturnType<typeof world>, "first" | "second">): readonly Act[] => [
    { type: "retire", instance: second },
    { type: "stop", instance: second },
    { type: "removeVolume", instance: second },
    { type: "abandonVolume", instance: second },
    { type: "deletePod", instance: second, because },
    { type: "restart", instance: second, because },
    { type: "reinitialize", instance: second, unusable },
    // As if the plan had it wrong.
    { type: "deletePod", instance: first, because },
    { type: "restart", instance: first, because },
  ];

  test("nobody leads", async () => {
    const { perform, done, first, second } = world(undefined, losing, null);
    for (const act of ending({ first, second })) expect(await perform(act), act.type).toBeGreaterThan(0);
    expect(done).toEqual([]);
  });

  test("it leads itself, as planned", async () => {
    const { perform, done, first } = world("orders-1-0", losing);
    for (const type of ["deletePod", "restart"] as const) {
      expect(await perform({ type, instance: first, because }), type).toBeGreaterThan(0);
    }
    expect(await perform({ type: "reinitialize", instance: first, unusable })).toBeGreaterThan(0);
    expect(done).toEqual([]);
  });

  test("the leader's node is lost, and its key and readiness are still there", async () => {
    const { perform, done, fake, ...both } = world("orders-1-0", losing);
    fake.unreachable.add("10.0.0.1");
    for (const act of ending(both).slice(0, 7)) {
      await expect(perform(act), act.type).rejects.toThrow(
        "whether orders-1-0 leads: 10.0.0.1:8008: connect ECONNREFUSED",
      );
    }
    expect(done).toEqual([]);
  });

  test("the leader was demoted", async () => {
    const { perform, done, fake, ...both } = world("orders-1-0", losing);
    fake.joins("10.0.0.1", "replica");
    for (const act of ending(both).slice(0, 7)) expect(await perform(act), act.type).toBeGreaterThan(0);
    expect(done).toEqual([]);
  });

  test("the leader is being stopped", async () => {
    const { perform, done, fake, first, second } = world("orders-1-0", losing);
    const status: Patroni["status"] = async (...asked) => ({
      ...(await fake.patroni.status(...asked)),
      state: "stopping",
    });
    for (const act of ending({ first, second }).slice(0, 7)) {
      expect(await perform(act, { ...fake.patroni, status }), act.type).toBeGreaterThan(0);
    }
    expect(done).toEqual([]);
  });

  test("it does", async () => {
    const { perform, done, second } = world("orders-1-0", losing);
    expect(await perform({ type: "deletePod", instance: second, because })).toBe(0);
    expect(done).toEqual(["Pod orders-2-0", "Restarting orders-2-0: image changed"]);
  });

  test("a Pod of a retired instance counts too, one that comes back with its volume does not", async () => {
    const { perform, done, fake, second } = world("orders-1-0", [
      two[0]!,
      { number: 2, volume: { retired: "Retain" } },
    ]);
    fake.unreachable.add("10.0.0.1");
    await expect(perform({ type: "deletePod", instance: second, because })).rejects.toThrow("whether orders-1-0 leads");
    expect(await perform({ type: "deletePod", instance: { ...second, retired: false }, because })).toBe(0);
    expect(done).toHaveLength(2);
  });
});

test.each(["Retain", "Delete"] as const)(
  "a retired volume bears the policy of that day: %s",
  async (deletionPolicy) => {
    const { perform, patches, second } = world("orders-1-0", two, 1, { replicas: 1, deletionPolicy });
    expect(await perform({ type: "retire", instance: second })).toBe(0);
    expect(JSON.stringify(patches)).toContain(`"value":"${deletionPolicy}"`);
  },
);

test.each([
  { leader: undefined, cachedLeader: null, because: "nobody leads, as planned" },
  { leader: "orders-1-0", cachedLeader: 1, because: "it leads itself, as planned" },
])("a Pod goes, and the next pass tells what is so: $because", async ({ leader, cachedLeader }) => {
  const { perform, done, first } = world(leader, two, cachedLeader);
  expect(await perform({ type: "deletePod", instance: first, because })).toBe(0);
  expect(done).toEqual(["Pod orders-1-0", "Restarting orders-1-0: image changed"]);
});

test.each([
  { createdAt: "2026-11-21T09:59:58Z", waits: 0, because: "nobody has bound it" },
  { createdAt: "2026-11-21T10:00:05Z", waits: 7_000, because: "it may be bound yet" },
  { createdAt: "2026-11-21T11:00:00Z", waits: 10_000, because: "by a clock that is behind it is new" },
])("a volume made at $createdAt is discarded after $waits ms: $because", async ({ createdAt, waits }) => {
  const { perform, done, second } = world(undefined, two, null);
  const { volume } = second;
  const metadata = { ...volume!.metadata, creationTimestamp: createdAt };
  expect(await perform({ type: "discardVolume", instance: { ...second, volume: { ...volume!, metadata } } })).toBe(
    waits,
  );
  expect(done.length > 0).toBe(waits === 0);
});

describe("a restart", () => {
  const raise = { postgresql: { parameters: { max_connections: "200" } } };

  test("is asked for while PostgreSQL waits for it, and what came of it is left to Patroni to tell", async () => {
    const { perform, done, fake, second } = world("orders-1-0");
    fake.joins("10.0.0.2", "replica");
    fake.cluster("orders").configuration = raise;
    expect(await perform({ type: "restart", instance: second, because: "x changed" })).toBeUndefined();
    expect(fake.cluster("orders").restarts).toEqual(["10.0.0.2"]);
    expect(done).toEqual(["Restarting PostgreSQL in orders-2-0: x changed"]);
  });

  test("is not asked for twice while the cache is behind", async () => {
    const { perform, done, fake, second } = world("orders-1-0");
    fake.joins("10.0.0.2", "replica");
    expect(await perform({ type: "restart", instance: second, because })).toBeGreaterThan(0);
    expect([fake.cluster("orders").restarts, done]).toEqual([[], []]);
  });

  test("that takes its time is looked at again", async () => {
    const { perform, fake, second } = world("orders-1-0");
    fake.joins("10.0.0.2", "replica");
    fake.cluster("orders").configuration = raise;
    fake.answersLate = true;
    expect(await perform({ type: "restart", instance: second, because })).toBeGreaterThan(0);
  });
});

describe("a switchover", () => {
  const answers: { world: string | undefined; late: boolean; again: boolean }[] = [
    { world: undefined, late: false, again: false },
    { world: undefined, late: true, again: true },
  ];
  test.each(answers)("is looked at again if it takes its time: $late", async ({ late, again }) => {
    const { perform, done, fake, first, second } = world("orders-1-0");
    const asked: string[] = [];
    fake.answersLate = late;
    fake.world = {
      memberChanged: () => undefined,
      switchOver: async (_cluster, leader, candidate) => void asked.push(`${leader} → ${candidate}`),
    };
    const afterMs = await perform({ type: "switchover", instance: first, candidate: second, because });
    expect(afterMs !== undefined).toBe(again);
    expect(asked).toEqual(["orders-1-0 → orders-2-0"]);
    expect(done).toEqual(["Switching over from orders-1-0 to orders-2-0: image changed"]);
  });

  test("that Patroni refuses is a failure with its words and the names of both", async () => {
    const { perform, done, fake, first, second } = world("orders-1-0");
    fake.refusal = "no good candidates have been found";
    const failure: unknown = await perform({ type: "switchover", instance: first, candidate: second, because }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(PortError);
    expect(failure).toMatchObject({
      reason: "PatroniRefused",
      message: "switchover from orders-1-0 to orders-2-0: no good candidates have been found",
    });
    expect(done).toEqual([]);
  });
});

describe("a member is asked for nothing at an address that is another's by now:", () => {
  const named = (fake: FakePostgres, host: string): Patroni => ({
    ...fake.patroni,
    status: async (address, signal) => {
      const said = await fake.patroni.status(address, signal);
      return address.host === host ? { ...said, name: "orders-9-0" } : said;
    },
  });

  test("a restart", async () => {
    const { perform, done, fake, second } = world("orders-1-0");
    fake.joins("10.0.0.2", "replica");
    fake.cluster("orders").configuration = { postgresql: { parameters: { max_connections: "200" } } };
    const act: Act = { type: "restart", instance: second, because };
    expect(await perform(act, named(fake, "10.0.0.2"))).toBe(10_000);
    expect([fake.cluster("orders").restarts, done]).toEqual([[], []]);
    await perform(act);
    expect(fake.cluster("orders").restarts).toEqual(["10.0.0.2"]);
  });

  test("whether it leads", async () => {
    const { perform, done, fake, second } = world("orders-1-0");
    expect(await perform({ type: "stop", instance: second }, named(fake, "10.0.0.1"))).toBe(10_000);
    expect(done).toEqual([]);
  });

  test.each(["10.0.0.1", "10.0.0.2"])("to be filled anew, where %s is another's", async (host) => {
    const { perform, done, fake, second } = world("orders-1-0", useless);
    fake.joins("10.0.0.2", "replica");
    fake.behind.add("10.0.0.2");
    expect(await perform({ type: "reinitialize", instance: second, unusable }, named(fake, host))).toBe(10_000);
    expect([fake.cluster("orders").refills, done]).toEqual([[], []]);
  });
});

describe("a replica is filled anew", () => {
  /** All is as it was planned from: orders-2 runs, does not follow, and its log says why. */
  function ready(fixtures = useless) {
    const opened = world("orders-1-0", fixtures);
    opened.fake.joins("10.0.0.2", "replica");
    opened.fake.behind.add("10.0.0.2");
    return opened;
  }
  const cutOff: Unusable = {
    words: "data dir for the cluster is not empty, but system ID is invalid",
    cause: { type: "copyCutOff" },
  };
  const cutOffLog = `2026-11-21 10:00:00,000 INFO: ${cutOff.words}; consider doing reinitialize`;
  const saying = (fake: FakePostgres, host: string, words: Partial<PatroniStatus>): Patroni => ({
    ...fake.patroni,
    status: async (address, signal) => {
      const said = await fake.patroni.status(address, signal);
      return address.host === host ? { ...said, ...words } : said;
    },
  });

  test("by its own Patroni, and looked at again", async () => {
    const { perform, done, fake, forgotten, second } = ready();
    expect(await perform({ type: "reinitialize", instance: second, unusable })).toBeGreaterThan(0);
    expect(fake.cluster("orders").refills).toEqual(["10.0.0.2"]);
    expect(forgotten).toEqual(["orders-2"]);
    expect(done).toEqual([`Instance orders-2 is filled anew from the primary: ${unusable.words}`]);
  });

  test("also where its first copy was cut off, as long as nothing runs on it", async () => {
    const { perform, fake, live, second } = ready();
    live.log = cutOffLog;
    const act: Act = { type: "reinitialize", instance: second, unusable: cutOff };
    await perform(act, saying(fake, "10.0.0.2", { state: "running", timeline: undefined }));
    await perform(act, saying(fake, "10.0.0.2", { state: "stopped", timeline: 1 }));
    expect(fake.cluster("orders").refills).toEqual([]);
    await perform(act, saying(fake, "10.0.0.2", { state: "stopped", timeline: undefined }));
    expect(fake.cluster("orders").refills).toEqual(["10.0.0.2"]);
  });

  test.each<{ because: string; host?: string; says: Partial<PatroniStatus> }>([
    { because: "it follows after all", says: { streaming: true } },
    { because: "it leads, whatever the cache says", says: { role: "primary" } },
    { because: "it is being filled already", says: { state: "creating replica" } },
    { because: "PostgreSQL does not run, which asks for that WAL", says: { state: "stopped" } },
    { because: "it is on another timeline than the primary", says: { timeline: 2 } },
    { because: "its timeline is not known", says: { timeline: undefined } },
    { because: "the primary is on another timeline", host: "10.0.0.1", says: { timeline: 2 } },
  ])("but not when a live look says that $because", async ({ host = "10.0.0.2", says }) => {
    const { perform, done, fake, second } = ready();
    const act: Act = { type: "reinitialize", instance: second, unusable };
    expect(await perform(act, saying(fake, host, says))).toBe(10_000);
    expect([fake.cluster("orders").refills, done]).toEqual([[], []]);
  });

  test.each<{ because: string; log: string | Error }>([
    { because: "says nothing any more", log: "" },
    { because: "says something else", log: cutOffLog },
    { because: "names another segment by now", log: lostLog.replace("03 has", "04 has") },
    {
      because: "tells of a recovery since",
      log: `${lostLog}\n2026-11-21 10:00:01.000 UTC [43] LOG:  redo starts at 0/3`,
    },
    { because: "is too long to be read to its end", log: `${lostLog}\n${"x".repeat(131_072)}` },
    { because: "cannot be read", log: new Error("the node is gone") },
  ])("but not when its log $because", async ({ log }) => {
    const { perform, done, fake, live, forgotten, second } = ready();
    live.log = log;
    expect(await perform({ type: "reinitialize", instance: second, unusable })).toBe(10_000);
    expect(forgotten).toEqual(["orders-2"]);
    expect([fake.cluster("orders").refills, done]).toEqual([[], []]);
  });

  test.each<{ because: string; live: (second: Instance) => { pod?: unknown; volume?: unknown } }>([
    { because: "the Pod is gone", live: () => ({ pod: undefined }) },
    {
      because: "the Pod is another one",
      live: ({ pod }) => ({ pod: { ...pod, metadata: { ...pod!.metadata, uid: "another" } } }),
    },
    {
      because: "the Pod is on its way out",
      live: ({ pod }) => ({
        pod: { ...pod, metadata: { ...pod!.metadata, deletionTimestamp: "2026-11-21T10:00:00Z" } },
      }),
    },
    {
      because: "the Pod has another address",
      live: ({ pod }) => ({ pod: { ...pod, status: { ...pod!.status, podIP: "10.0.0.9" } } }),
    },
    { because: "the volume is gone", live: () => ({ volume: undefined }) },
    {
      because: "the volume is another one",
      live: ({ volume }) => ({ volume: { ...volume, metadata: { ...volume!.metadata, uid: "another" } } }),
    },
  ])("but not when $because by now", async ({ live: changed }) => {
    const { perform, done, fake, live, second } = ready();
    Object.assign(live, changed(second));
    expect(await perform({ type: "reinitialize", instance: second, unusable })).toBe(10_000);
    expect([fake.cluster("orders").refills, done]).toEqual([[], []]);
  });

  test("but not where a copy was cut off on a volume that was a primary's, as a live read says", async () => {
    const { perform, fake, live, second } = ready();
    live.log = cutOffLog;
    const { volume } = second;
    const marks = { ...volume!.metadata.annotations, [annotations.lastPrimary]: "false" };
    live.volume = { ...volume, metadata: { ...volume!.metadata, annotations: marks } };
    const stopped = saying(fake, "10.0.0.2", { state: "stopped", timeline: undefined });
    expect(await perform({ type: "reinitialize", instance: second, unusable: cutOff }, stopped)).toBe(10_000);
    expect(fake.cluster("orders").refills).toEqual([]);
  });

  test.each([
    { because: "it led once, which nobody has marked", promoted: ["orders-2-0", "orders-1-0"], filled: [] },
    { because: "who led once is not known", promoted: ["orders-1-0"], filled: [] },
    { because: "others led", promoted: ["orders-3-0", "orders-1-0"], filled: ["10.0.0.2"] },
  ])("where a copy was cut off, by Patroni's own history of primaries: $because", async ({ promoted, filled }) => {
    const { perform, fake, live, second } = ready();
    fake.cluster("orders").timeline = 3;
    Object.assign(live, { log: cutOffLog, promoted });
    const stopped = saying(fake, "10.0.0.2", { state: "stopped", timeline: undefined });
    await perform({ type: "reinitialize", instance: second, unusable: cutOff }, stopped);
    expect(fake.cluster("orders").refills).toEqual(filled);
  });

  test("that Patroni refuses is a failure with its words", async () => {
    const { perform, done, fake, forgotten, second } = ready();
    fake.refusal = "running pg_rewind from orders-1-0 already in progress";
    await expect(perform({ type: "reinitialize", instance: second, unusable })).rejects.toMatchObject({
      reason: "PatroniRefused",
      message: "filling orders-2-0 anew: running pg_rewind from orders-1-0 already in progress",
    });
    expect([done, forgotten]).toEqual([[], ["orders-2"]]);
  });
});
