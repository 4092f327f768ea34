import { beforeEach, describe, expect, test } from "vitest";
import { observeUptake, type UptakeRequest } from "../../../src/database/outside/uptake.ts";
import { FakePostgres, type FakeCluster } from "../../support/fake-postgres.ts";

const { signal } = new AbortController();
const server = (host: string, pendingRestart = false) => ({
  name: `${host}-0`,
  postgres: { host, port: 5432, user: "postgres", password: "super", connectTimeoutMs: 1_000 },
  pendingRestart,
});
const configuration = (parameters: Record<string, string>) => ({ postgresql: { parameters } });

let fake: FakePostgres;
let cluster: FakeCluster;
beforeEach(() => {
  fake = new FakePostgres(() => "orders");
  cluster = fake.cluster("orders");
  cluster.configuration = configuration({ work_mem: "16MB", shared_buffers: "128MB" });
  fake.joins("primary", "primary");
  fake.joins("replica", "replica");
});

const parameters = { work_mem: "16MB", shared_buffers: "128MB" };
const look = (nowMs: number, request: Partial<UptakeRequest> = {}) =>
  observeUptake(
    { ...server("primary"), wishes: { parameters }, replicas: [server("replica")], ...request },
    fake.postgres,
    { nowMs, sinceMs: 0 },
    signal,
  );

const old = configuration({ work_mem: "4MB", shared_buffers: "128MB" });

describe("it is settled", () => {
  test("when the primary and the replicas have taken everything up", async () => {
    const { parameters: seen, ...rest } = await look(1);
    expect(rest).toEqual({ settled: true, lagsSinceMs: undefined, behind: [] });
    expect(seen.parameters.map(({ name }) => name)).toEqual(["work_mem", "shared_buffers"]);
  });

  test.each<{ before: () => void; request?: Partial<UptakeRequest>; because: string }>([
    { before: () => cluster.lagging.set("primary", old), because: "the primary lags" },
    { before: () => cluster.lagging.set("replica", old), because: "a replica lags" },
    { before: () => fake.unreachable.add("replica"), because: "nobody knows about a replica" },
    {
      before: () => cluster.lagging.set("primary", old),
      request: { pendingRestart: true },
      because: "the primary lags, and waits for a restart from before",
    },
    {
      before: () => cluster.inForce.set("replica", { shared_buffers: "64MB" }),
      because: "a replica needs a restart, and Patroni has not said so yet",
    },
  ])("only after three of Patroni's loops when $because", async ({ before, request }) => {
    before();
    expect(await look(14_999, request)).toMatchObject({ settled: false, lagsSinceMs: 0 });
    expect(await look(15_000, request)).toMatchObject({ settled: true, lagsSinceMs: 0 });
  });

  test("when Patroni says by itself that the servers need a restart", async () => {
    for (const host of ["primary", "replica"]) cluster.inForce.set(host, { shared_buffers: "64MB" });
    expect(await look(1, { pendingRestart: true })).toMatchObject({ settled: false });
    expect(await look(1, { pendingRestart: true, replicas: [server("replica", true)] })).toMatchObject({
      settled: true,
    });
  });
});

test.each<{ before: () => void; behind: readonly string[]; because: string }>([
  { before: () => cluster.lagging.set("replica", old), behind: ["replica-0"], because: "only a replica lags" },
  { before: () => fake.unreachable.add("replica"), behind: ["replica-0"], because: "nobody knows about a replica" },
  {
    before: () => ["primary", "replica"].forEach((host) => cluster.lagging.set(host, old)),
    behind: [],
    because: "what the primary does not take is no fault of the replica",
  },
])("behind are $behind: $because", async ({ before, behind }) => {
  before();
  expect(await look(15_000)).toMatchObject({ behind });
});

test("a primary that does not answer is a failure", async () => {
  fake.unreachable.add("primary");
  await expect(look(1)).rejects.toMatchObject({ name: "PortError", reason: "Unreachable" });
});

test("rejects with the signal's reason once that is aborted", async () => {
  const reason = new Error("shutting down");
  const request = { ...server("primary"), wishes: { parameters }, replicas: [server("replica")] };
  const call = observeUptake(request, fake.postgres, { nowMs: 0, sinceMs: 0 }, AbortSignal.abort(reason));
  await expect(call).rejects.toBe(reason);
});
