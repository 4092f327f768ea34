import { describe, expect, test } from "vitest";
import { performAct, type Act } from "../../src/database/acts.ts";
import { PortError } from "../../src/database/port-error.ts";
import type { Context } from "../../src/runtime/index.ts";
import { createLog } from "../../src/runtime/telemetry/log.ts";
import { FakePostgres } from "../support/fake-postgres.ts";
import { instances, leaderEndpoints, leading, orders, resolveOrders, type InstanceFixture } from "../support/orders.ts";

const now = new Date("2026-11-21T10:00:08Z");
const because = "image changed";
const database = orders({ replicas: 2 });
const two: readonly InstanceFixture[] = [{ number: 1, patroni: leading }, { number: 2 }];

/** A world in which orders-1 leads by the cache, and maybe somebody else by now. */
function world(leader: string | undefined, fixtures = two, cachedLeader: number | null = 1) {
  const found = instances(cachedLeader ?? undefined, ...fixtures);
  const done: string[] = [];
  const fake = new FakePostgres(() => "orders");
  const context = {
    client: {
      get: async () => leaderEndpoints(leader),
      delete: async (kind: { kind: string }, ref: { name: string }) => void done.push(`${kind.kind} ${ref.name}`),
    },
    events: { emit: (_about: unknown, { message }: { message: string }) => void done.push(message) },
    log: createLog({ level: "silent", name: "test" }),
    signal: new AbortController().signal,
  } as unknown as Context<unknown>;
  const perform = (act: Act): Promise<number | undefined> =>
    performAct(act, { database, resolved: resolveOrders(), instances: found, patroni: fake.patroni, now }, context);
  const [first, second = first] = found;
  if (first === undefined || second === undefined) throw new Error("no instances");
  return { perform, done, fake, first, second };
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
  { createdAt: "2026-11-21T11:00:00Z", waits: 0, because: "clocks that differ hold nothing up" },
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
