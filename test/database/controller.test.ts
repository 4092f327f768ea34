import { expect, test } from "vitest";
import { Database, InvalidSpec } from "../../src/database/api.ts";
import { databaseController, errorPolicy, eventReason } from "../../src/database/controller.ts";
import { finalizer } from "../../src/database/names.ts";
import { ObservationMemo } from "../../src/database/outside/observation-memo.ts";
import { PortError } from "../../src/database/outside/port-error.ts";
import { StartFailures } from "../../src/database/troubles/start-failures.ts";
import { UnusableReplicas } from "../../src/database/troubles/unusable-replicas.ts";
import {
  ApiError,
  awaitChange,
  ContestedPaths,
  requeue,
  RetryAfterError,
  TerminalError,
  type Cache,
} from "../../src/runtime/index.ts";
import { TestWorld } from "../support/controller-world.ts";
import { FakePostgres } from "../support/fake-postgres.ts";
import { orders } from "../support/orders.ts";

test.each([
  {
    error: new TerminalError("NameTaken", "Service shop/orders exists already"),
    outcome: requeue(30_000),
    because: "what is in the way is not watched",
  },
  { error: new InvalidSpec("ParameterRefused", "port"), outcome: awaitChange, because: "only an edit can help" },
  { error: new RetryAfterError("contested", 60_000), outcome: requeue(60_000), because: "it says itself when" },
  {
    error: new ApiError("down", { status: 503, reason: "ServiceUnavailable" }),
    outcome: { type: "backoff" },
    because: "it may pass",
  },
])("after $error.message: $outcome.type, because $because", ({ error, outcome }) => {
  expect(errorPolicy(error)).toEqual(outcome);
});

test("a pass that cannot write a status is told all the same, and one that let its Database go is not", async () => {
  const forbidden = new ApiError("no", { status: 403, reason: "Forbidden" });
  const world = new TestWorld({ patch: () => Promise.reject(forbidden), applyStatus: () => Promise.reject(forbidden) });
  const resyncEveryMs = 600_000;
  const controller = databaseController({
    operator: {
      settings: { images: {}, instanceClusterRole: "holdfast-instance" },
      ports: new FakePostgres(),
      memo: new ObservationMemo({ resyncEveryMs }),
      contested: new ContestedPaths(),
      startFailures: new StartFailures(),
      unusableReplicas: new UnusableReplicas(),
      now: () => new Date(),
      monotonicMs: () => 0,
    },
    concurrency: 1,
    resyncEveryMs,
  });
  controller.measure?.({ cache: world.cache, subscribe: world.subscribe, metrics: world.registry });
  const pass = (database: Database) => {
    const { client, cache, events, clock, log } = world;
    const context = { client, cache, events, clock, log, signal: AbortSignal.timeout(10_000), value: controller.value };
    return controller.reconcile(database, context);
  };
  const series = "holdfast_database_last_reconcile";

  const database = world.put(Database, orders());
  await expect(pass(database)).rejects.toBe(forbidden);
  expect(await world.metric(series, { outcome: "error", reason: "Forbidden" })).toBe(1);

  const paused = orders({ paused: true });
  const promised = world.put(Database, { ...paused, metadata: { ...paused.metadata, finalizers: [finalizer] } });
  await expect(pass(promised)).rejects.toBe(forbidden);
  world.remove(Database, promised);
  await expect(pass(promised)).rejects.toBe(forbidden);
  world.put(Database, promised);
  expect(await world.metric(series)).toBeUndefined();
});

const quota = new RetryAfterError("exceeded quota", 30_000, { reason: "QuotaExceeded" });

test.each([
  {
    error: new PortError("no answer", { reason: "Unreachable" }),
    ready: "Unreachable",
    tells: "Unreachable",
    because: "the condition says it without a Warning: it may pass",
  },
  { error: quota, ready: "QuotaExceeded", tells: undefined, because: "a Warning told so when Ready first said it" },
  { error: quota, ready: "Unschedulable", tells: "QuotaExceeded", because: "Ready tells of something weightier" },
  {
    error: new InvalidSpec("ParameterRefused", "port"),
    ready: "ParameterRefused",
    tells: undefined,
    because: "as above",
  },
  {
    error: new ApiError("status: wrong", { status: 422, reason: "Invalid" }),
    ready: "AsDeclared",
    tells: "Refused",
    because: "the status itself could not be written",
  },
  {
    error: new RetryAfterError("spec.x is contested", 60_000, { reason: "Contested" }),
    ready: "Contested",
    tells: undefined,
    because: "who found it has told who writes there",
  },
  { error: new Error("bug"), ready: "ReconcileFailed", tells: "ReconcileFailed", because: "it has no name of its own" },
])(
  "the Event about $error.message while Ready says $ready has the reason $tells: $because",
  ({ error, ready, tells }) => {
    const condition = {
      type: "Ready",
      status: "False",
      reason: ready,
      message: "why",
      lastTransitionTime: "",
    } as const;
    const cache = { get: () => orders({}, { status: { conditions: [condition] } }) } as unknown as Cache;
    expect(eventReason(error, orders(), { cache })).toBe(tells);
  },
);
