import { beforeEach, expect, test } from "vitest";
import { handOver, type HandedOver, type HandOverRequest } from "../../../src/database/outside/leaderless.ts";
import { ObservationMemo } from "../../../src/database/outside/observation-memo.ts";
import { FakePostgres, type FakeCluster } from "../../support/fake-postgres.ts";

const { signal } = new AbortController();
const member = (host: string) => ({
  host,
  port: 8008,
  user: "holdfast",
  password: "rest-secret",
  connectTimeoutMs: 1_000,
});
const wished = { ttl: 20, postgresql: { parameters: { shared_buffers: "128MB" } } };
const request: HandOverRequest = {
  uid: "uid-1",
  configuration: wished,
  members: [member("orders-1"), member("orders-2")],
};

let fake: FakePostgres;
let cluster: FakeCluster;
let memo: ObservationMemo<HandedOver>;
beforeEach(() => {
  fake = new FakePostgres(() => "orders");
  cluster = fake.cluster("orders");
  cluster.configuration = { ttl: 20, loop_wait: 5, postgresql: { parameters: { shared_buffers: "1TB" } } };
  memo = new ObservationMemo({ resyncEveryMs: 1_000 });
});
const hand = (nowMs = 0, overrides: Partial<HandOverRequest> = {}) =>
  handOver({ ...request, ...overrides }, fake.patroni, memo, nowMs, signal);

test("a corrected parameter reaches Patroni through whoever answers, and it is said which", async () => {
  fake.unreachable.add("orders-1");
  expect(await hand()).toEqual({ changes: ["configuration: postgresql.parameters.shared_buffers"] });
  expect(cluster.configuration).toEqual({ ...wished, loop_wait: 5 });
});

test("what is as declared is not written", async () => {
  cluster.configuration = wished;
  expect(await hand()).toEqual({ changes: [] });
  expect(cluster.writes).toBe(0);
});

test.each<{ nowMs: number; change: Partial<HandOverRequest>; looks: boolean; because: string }>([
  { nowMs: 1, change: {}, looks: false, because: "nothing changed" },
  { nowMs: 1, change: { configuration: { ttl: 30 } }, looks: true, because: "the spec was edited" },
  { nowMs: 1, change: { members: [member("orders-3")] }, looks: true, because: "another Pod runs" },
  { nowMs: 700, change: {}, looks: true, because: "it was long ago" },
])("it is done again after $nowMs ms: $looks, because $because", async ({ nowMs, change, looks }) => {
  await hand();
  const { observations } = cluster;
  await hand(nowMs, change);
  expect(cluster.observations > observations).toBe(looks);
});

test("nobody answers: it is said, without a password, and tried again", async () => {
  for (const { host } of request.members) fake.unreachable.add(host);
  const { missed } = await hand();
  expect(missed?.error).toMatchObject({ name: "PortError", reason: "Unreachable" });
  expect(missed?.error.message).toContain("orders-1:8008");
  expect(missed?.error.message).not.toContain("rest-secret");
  fake.unreachable.clear();
  expect((await hand(1)).changes).toHaveLength(1);
});

test("while nobody answers it is tried ever more seldom, and said once in the same words", async () => {
  for (const { host } of request.members) fake.unreachable.add(host);
  const told = async (nowMs: number) => {
    const { missed } = await hand(nowMs);
    return [missed?.isNews, missed?.againInMs];
  };
  // As each answer asks for it; the last far beyond the age of what is remembered.
  expect(await told(0)).toEqual([true, 10_000]);
  expect(await told(10_000)).toEqual([false, 10_000]);
  expect(await told(20_000)).toEqual([false, 20_000]);
  expect(await told(40_000)).toEqual([false, 40_000]);
  expect(await told(900_000)).toEqual([false, 300_000]);
  fake.unreachable.delete("orders-2");
  await hand(900_001);
  fake.unreachable.add("orders-2");
  expect(await told(2_000_000)).toEqual([true, 10_000]);
});

test("rejects with the signal's reason once that is aborted", async () => {
  const reason = new Error("shutting down");
  await expect(handOver(request, fake.patroni, memo, 0, AbortSignal.abort(reason))).rejects.toBe(reason);
});
