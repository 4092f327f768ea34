import { describe, expect, test } from "vitest";
import { performAct, type Act } from "../../../src/database/rollout/acts.ts";
import type { DatabaseSpec } from "../../../src/database/api.ts";
import type { Patroni } from "../../../src/database/outside/patroni.ts";
import { PortError } from "../../../src/database/outside/port-error.ts";
import type { Context } from "../../../src/runtime/index.ts";
import { createLog } from "../../../src/runtime/telemetry/log.ts";
import { FakePostgres } from "../../support/fake-postgres.ts";
import {
  instances,
  leaderEndpoints,
  leading,
  orders,
  resolveOrders,
  type InstanceFixture,
} from "../../support/orders.ts";

const now = new Date("2026-11-21T10:00:08Z");
const because = "image changed";
const two: readonly InstanceFixture[] = [{ number: 1, patroni: leading }, { number: 2 }];

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
  const fake = new FakePostgres(() => "orders");
  const context = {
    client: {
      get: async () => leaderEndpoints(leader),
      patch: async (_kind: unknown, _ref: unknown, patch: unknown) => void patches.push(patch),
      delete: async (kind: { kind: string }, ref: { name: string }) => void done.push(`${kind.kind} ${ref.name}`),
    },
    events: { emit: (_about: unknown, { message }: { message: string }) => void done.push(message) },
    log: createLog({ level: "silent", name: "test" }),
    signal: new AbortController().signal,
  } as unknown as Context<unknown>;
  const perform = (act: Act, patroni = fake.patroni): Promise<number | undefined> =>
    performAct(act, { database, resolved: resolveOrders(), instances: found, patroni, now }, context);
  const [first, second = first] = found;
  if (first === undefined || second === undefined) throw new Error("no instances");
  return { perform, done, patches, fake, first, second };
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
      { type: "reinitialize", instance: second, because },
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
    { type: "reinitialize", instance: second, because },
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
    for (const type of ["deletePod", "restart", "reinitialize"] as const) {
      expect(await perform({ type, instance: first, because }), type).toBeGreaterThan(0);
    }
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

describe("a replica is filled anew", () => {
  const useless: readonly InstanceFixture[] = [two[0]!, { number: 2, patroni: { role: "replica", state: "running" } }];

  test("by its own Patroni, and looked at again", async () => {
    const { perform, done, fake, second } = world("orders-1-0", useless);
    fake.joins("10.0.0.2", "replica");
    fake.behind.add("10.0.0.2");
    expect(await perform({ type: "reinitialize", instance: second, because: "no such WAL" })).toBeGreaterThan(0);
    expect(fake.cluster("orders").refills).toEqual(["10.0.0.2"]);
    expect(done).toEqual(["Instance orders-2 is filled anew from the primary: no such WAL"]);
  });

  test.each([
    { because: "it follows after all", live: { role: "replica", streaming: true } },
    { because: "it leads, whatever the cache says", live: { role: "primary", streaming: false } },
  ])("but not when a live look says that $because", async ({ live }) => {
    const { perform, done, fake, second } = world("orders-1-0", useless);
    fake.joins("10.0.0.2", "replica");
    const status: Patroni["status"] = async (address, signal) => {
      const said = await fake.patroni.status(address, signal);
      return address.host === "10.0.0.2" ? { ...said, ...live } : said;
    };
    expect(await perform({ type: "reinitialize", instance: second, because }, { ...fake.patroni, status })).toBe(
      10_000,
    );
    expect([fake.cluster("orders").refills, done]).toEqual([[], []]);
  });

  test("that Patroni refuses is a failure with its words", async () => {
    const { perform, done, fake, second } = world("orders-1-0", useless);
    fake.joins("10.0.0.2", "replica");
    fake.behind.add("10.0.0.2");
    fake.refusal = "running pg_rewind from orders-1-0 already in progress";
    await expect(perform({ type: "reinitialize", instance: second, because })).rejects.toMatchObject({
      reason: "PatroniRefused",
      message: "filling orders-2-0 anew: running pg_rewind from orders-1-0 already in progress",
    });
    expect(done).toEqual([]);
  });
});
