import { expect, test } from "vitest";
import { ObservationMemo } from "../../../src/database/outside/observation-memo.ts";
import { provideOutside, type OutsideWorld } from "../../../src/database/outside/outside.ts";
import type { ProvisionFacts } from "../../../src/database/outside/provision.ts";
import { createLog, type Context } from "../../../src/runtime/index.ts";
import { FakePostgres } from "../../support/fake-postgres.ts";
import { instances, leading, orders, resolveOrders } from "../../support/orders.ts";

/** Two instances, none of which can be reached. */
function world(leader: number | undefined) {
  const ports = new FakePostgres(() => "orders");
  for (const ip of ["10.0.0.1", "10.0.0.2"]) ports.unreachable.add(ip);
  const existing = instances(leader, { number: 1, patroni: leading, volume: { lastPrimary: "true" } }, { number: 2 });
  const told: string[] = [];
  let nowMs = 0;
  const context = {
    events: {
      emit: (_about: unknown, { reason, message }: { reason: string; message: string }) =>
        void told.push(`${reason}: ${message}`),
    },
    log: createLog({ level: "silent", name: "test" }),
    signal: new AbortController().signal,
    value: { ports, memo: new ObservationMemo<ProvisionFacts>({ resyncEveryMs: 1_000 }), monotonicMs: () => nowMs },
  } as unknown as Context<OutsideWorld>;
  const provide = async (atMs = 0) => {
    nowMs = atMs;
    return provideOutside(orders(), resolveOrders({}, existing), existing, context);
  };
  return { provide, told, ports };
}

test("a failure says by name which instance does not answer", async () => {
  const { failure } = await world(1).provide();
  expect(failure).toMatchObject({ reason: "Unreachable", code: "ECONNREFUSED" });
  expect(failure?.message).toMatch(/^orders-1-0: 10\.0\.0\.1:/);
});

test("that no Patroni answers while nobody leads is no failure, and is told once, by name", async () => {
  const { provide, told } = world(undefined);
  for (const atMs of [0, 10_000, 20_000, 40_000]) expect((await provide(atMs)).failure).toBeUndefined();
  expect(told).toEqual([
    "Unreachable: Nobody leads, and no Patroni takes the configuration: orders-1-0: 10.0.0.1:8008: connect ECONNREFUSED, nor does any other of 2",
  ]);
});
