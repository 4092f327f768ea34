import { describe, expect, test } from "vitest";
import type { KubeClient } from "../../../src/runtime/kube/client.ts";
import { ApiError, RetryAfterError, TerminalError } from "../../../src/runtime/kube/errors.ts";
import { ConfigMap, Node, Secret } from "../../../src/runtime/kube/kinds.ts";
import { type KubeObject, ownerReference, refTo } from "../../../src/runtime/kube/object.ts";
import type { Cache } from "../../../src/runtime/kube/store.ts";
import {
  type ControllerOptions,
  type RunningController,
  startController,
} from "../../../src/runtime/loop/controller.ts";
import { awaitChange, requeue } from "../../../src/runtime/loop/outcome.ts";
import type { Context, Reconcile } from "../../../src/runtime/loop/pass.ts";
import { generationChanged } from "../../../src/runtime/loop/predicates.ts";
import type { Log } from "../../../src/runtime/telemetry/log.ts";
import { TestWorld } from "../../support/controller-world.ts";
import { settle } from "../../../testing/virtual-clock.ts";

const configMap = (name = "orders", more: Partial<ConfigMap["metadata"]> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "shop", ...more },
});
const secretOf = (owner: ConfigMap, name = "orders-credentials"): Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name,
    namespace: "shop",
    ownerReferences: [ownerReference(owner, ConfigMap, { kind: Secret, namespace: "shop" })],
  },
});
const refused = new ApiError("spec is wrong", { status: 422, reason: "Invalid" });
const unreachable = new ApiError("connection refused", { status: 0, reason: "NoAnswer" });

interface Run {
  readonly world: TestWorld;
  readonly controller: RunningController;
  /** The names of the objects in the order in which they were reconciled. */
  readonly passes: string[];
}

function start(
  reconcile: Reconcile<ConfigMap, void>,
  options: Partial<ControllerOptions<ConfigMap, void>> = {},
  world = new TestWorld(),
): Run {
  const passes: string[] = [];
  const controller = startController(
    {
      name: "test",
      for: ConfigMap,
      value: undefined,
      reconcile: (object, context) => {
        passes.push(object.metadata.name);
        return reconcile(object, context);
      },
      ...options,
    },
    world,
  );
  world.queue = controller.state;
  return { world, controller, passes };
}

const content: Reconcile<KubeObject, void> = async () => awaitChange;
/** Throws each of these once, then is content. */
const failing = (...errors: unknown[]): Reconcile<KubeObject, void> => {
  return async () => {
    if (errors.length > 0) throw errors.shift();
    return awaitChange;
  };
};

const writing: Reconcile<ConfigMap, void> = async (object, { client, cache }) => {
  if (cache.list(Secret).length === 0) await client.create(Secret, secretOf(object));
  return awaitChange;
};
const clientThatAnswers = (version: string): Partial<KubeClient> => ({
  create: async (_, body) => ({ ...body, metadata: { ...body.metadata, uid: "s", resourceVersion: version } }),
});
const echo = (owner: ConfigMap, resourceVersion: string): Secret => {
  const secret = secretOf(owner);
  return { ...secret, metadata: { ...secret.metadata, uid: "s", resourceVersion } };
};

const gate = (): { reconcile: Reconcile<ConfigMap, void>; open: () => void; contexts: Context<void>[] } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const contexts: Context<void>[] = [];
  return {
    contexts,
    open: resolve,
    reconcile: async (_, context) => {
      contexts.push(context);
      await promise;
      return awaitChange;
    },
  };
};

describe("waking", () => {
  test("passes that wait for nothing let everything else have its turn", async () => {
    const world = new TestWorld();
    for (let number = 0; number < 100; number++) world.put(ConfigMap, configMap(`object-${number}`));
    const busy: Reconcile<ConfigMap, void> = async () => {
      for (const start = performance.now(); performance.now() - start < 1;);
      return awaitChange;
    };
    const { passes } = start(busy, { concurrency: 8 }, world);
    // The first turn of others may have come before the first pass.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(passes.length).toBeLessThan(100);
    await expect.poll(() => passes.length).toBe(100);
  });

  test("rule 16: what is cached at the start is reconciled, at low priority, and later changes overtake it", async () => {
    const world = new TestWorld();
    for (const name of ["a", "b", "c"]) world.put(ConfigMap, configMap(name));
    const { passes } = start(content, {}, world);
    world.put(ConfigMap, configMap("c"));
    await settle();
    expect(passes).toEqual(["a", "c", "b"]);
  });

  test("rule 12: an object that is gone at its turn is no error, and leaves nothing behind", async () => {
    const { world, passes, controller } = start(content);
    const orders = world.put(ConfigMap, configMap());
    world.remove(ConfigMap, orders);
    await settle();
    expect(passes).toEqual([]);
    expect(controller.state().runningMs).toEqual([]);
    expect(await world.metric("controller_runtime_reconcile_errors_total")).toBe(0);
  });

  test("rule 41: a predicate holds updates back, from the queue only", async () => {
    const { world, passes } = start(content, { when: generationChanged });
    world.put(ConfigMap, configMap("orders", { generation: 1 }));
    await settle();
    world.put(ConfigMap, configMap("orders", { generation: 1, labels: { a: "1" } }));
    await settle();
    expect(passes).toEqual(["orders"]);
    expect(world.cache.get(ConfigMap, configMap().metadata)?.metadata.labels).toEqual({ a: "1" });
  });

  test("rule 40: the beginning of a deletion counts whatever the predicate of its own kind says", async () => {
    const { world, passes } = start(content, { when: ({ type }) => type !== "updated" });
    world.put(ConfigMap, configMap("orders", { finalizers: ["shop/cleanup"] }));
    await settle();
    world.put(ConfigMap, configMap("orders", { finalizers: ["shop/cleanup"], labels: { a: "1" } }));
    await settle();
    expect(passes).toEqual(["orders"]);
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    world.put(ConfigMap, configMap("orders", { finalizers: ["shop/cleanup"], deletionTimestamp }));
    await settle();
    expect(passes).toEqual(["orders", "orders"]);
  });

  test("rules 42, 43: a child wakes its controlling owner, and both owners when it moves from one to the other", async () => {
    const { world, passes } = start(content, { owns: [{ kind: Secret }] });
    const [a, b] = ["a", "b"].map((name) => world.put(ConfigMap, configMap(name)));
    await settle();
    passes.length = 0;
    world.put(Secret, secretOf(a!));
    await settle();
    expect(passes.splice(0)).toEqual(["a"]);
    world.put(Secret, secretOf(b!));
    await settle();
    expect(passes.splice(0).toSorted()).toEqual(["a", "b"]);
    world.remove(Secret, secretOf(b!));
    await settle();
    expect(passes).toEqual(["b"]);
  });

  test.each([
    { owner: { apiVersion: "v1", kind: "Secret" }, because: "the owner is of another kind" },
    { owner: { apiVersion: "apps/v1", kind: "ConfigMap" }, because: "the owner is of another group" },
    { owner: { apiVersion: "v1", kind: "ConfigMap", controller: false }, because: "it does not control" },
  ])("rule 43: a child does not wake when $because", async ({ owner }) => {
    const { world, passes } = start(content, { owns: [{ kind: Secret }] });
    const orders = world.put(ConfigMap, configMap());
    await settle();
    passes.length = 0;
    const child = secretOf(orders);
    world.put(Secret, {
      ...child,
      metadata: { ...child.metadata, ownerReferences: [{ name: "orders", uid: "1", controller: true, ...owner }] },
    });
    await settle();
    expect(passes).toEqual([]);
  });

  test("rule 43: the version of the owner's apiVersion does not matter", async () => {
    const { world, passes } = start(content, { owns: [{ kind: Secret }] });
    const orders = world.put(ConfigMap, configMap());
    await settle();
    const child = secretOf(orders);
    child.metadata.ownerReferences![0]!.apiVersion = "v1beta7";
    world.put(Secret, child);
    await settle();
    expect(passes).toEqual(["orders", "orders"]);
  });

  test("a watched object wakes whom the map names", async () => {
    const { world, passes } = start(content, {
      watches: [{ kind: Node, map: (_, cache) => cache.list(ConfigMap).map((each) => each.metadata) }],
    });
    for (const name of ["a", "b"]) world.put(ConfigMap, configMap(name));
    await settle();
    world.put(Node, { apiVersion: "v1", kind: "Node", metadata: { name: "worker" } });
    await settle();
    expect(passes).toEqual(["a", "b", "a", "b"]);
  });

  test("rule 43: an owner without a namespace is found from a child that has one", async () => {
    const names: string[] = [];
    const world = new TestWorld();
    const worker: Node = { apiVersion: "v1", kind: "Node", metadata: { name: "worker" } };
    startController(
      {
        name: "test",
        for: Node,
        owns: [{ kind: Secret }],
        value: undefined,
        reconcile: async ({ metadata }) => {
          names.push(metadata.name);
          return awaitChange;
        },
      },
      world,
    );
    const owner = world.put(Node, worker);
    await settle();
    const ownerReferences = [ownerReference(owner, Node, { kind: Secret, namespace: "shop" })];
    world.put(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "a", namespace: "shop", ownerReferences },
    });
    await settle();
    expect(names).toEqual(["worker", "worker"]);
  });

  const bug = (): never => {
    throw new Error("bug");
  };
  test.each<{ what: string; options: Partial<ControllerOptions<ConfigMap, void>> }>([
    { what: "a map", options: { watches: [{ kind: Node, map: bug }] } },
    { what: "a predicate", options: { watches: [{ kind: Node, map: () => [], when: bug }] } },
  ])("rule 17: $what that throws ends neither the watch nor the process, and is counted", async ({ options }) => {
    const { world, passes } = start(content, options);
    world.put(Node, { apiVersion: "v1", kind: "Node", metadata: { name: "worker" } });
    world.put(ConfigMap, configMap());
    await settle();
    expect(passes).toEqual(["orders"]);
    expect(await world.metric("controller_runtime_reconcile_panics_total")).toBe(1);
  });

  test("rule 17: a predicate that throws over the first list keeps no other object from its pass", async () => {
    const world = new TestWorld();
    for (const name of ["a", "b"]) world.put(ConfigMap, configMap(name));
    const { passes } = start(content, { when: ({ object }) => object.metadata.name !== "a" || bug() }, world);
    await settle();
    expect(passes).toEqual(["b"]);
  });

  test("rule 14: a pass is given its object and what it may use, never what woke it: that is for the log", async () => {
    const given: unknown[][] = [];
    const reasons: unknown[] = [];
    const world = new TestWorld();
    const debug = ({ reason }: { reason?: string }): void => void (reason === undefined || reasons.push(reason));
    const log = { ...world.log, debug, child: () => log } as unknown as Log;
    Object.assign(world, { log });
    const keep: Reconcile<ConfigMap, void> = async (...all) => {
      given.push(all);
      return awaitChange;
    };
    start(keep, {}, world);
    for (let i = 0; i < 2; i++) {
      world.put(ConfigMap, configMap());
      await settle();
    }
    expect(reasons).toEqual(["ConfigMap added", "ConfigMap updated"]);
    for (const [object, context, ...more] of given) {
      expect(Object.keys(object as object).toSorted()).toEqual(["apiVersion", "kind", "metadata"]);
      expect(Object.keys(context as object).toSorted()).toEqual([
        "cache",
        "client",
        "clock",
        "events",
        "log",
        "signal",
        "value",
      ]);
      expect(more).toEqual([]);
    }
    expect(given).toHaveLength(2);
  });

  test("a source feeds keys until the controller stops, and is started again when it ends", async () => {
    const emitted: string[] = [];
    const world = new TestWorld();
    world.put(ConfigMap, configMap());
    const options: Partial<ControllerOptions<ConfigMap, void>> = {
      sources: [
        {
          name: "bucket",
          run: async (emit, signal, { cache }) => {
            emitted.push("started");
            for (const object of cache.list(ConfigMap)) emit(refTo(object));
            if (emitted.length === 1) throw new Error("lost the connection");
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            emitted.push("ended");
          },
        },
      ],
    };
    const { passes, controller } = start(content, options, world);
    await world.clock.advance(1_000);
    // Once for the initial list, and once for each time that the source named it.
    expect(passes).toEqual(["orders", "orders", "orders"]);
    await controller.stop();
    expect(emitted).toEqual(["started", "started", "ended"]);
  });
});

describe("own writes", () => {
  test("the echo of a pass's own write to a child does not wake it; anybody else's change does", async () => {
    const { world, passes } = start(writing, { owns: [{ kind: Secret }] }, new TestWorld(clientThatAnswers("70")));
    const orders = world.put(ConfigMap, configMap());
    await settle();
    world.put(Secret, echo(orders, "70"), { own: true });
    await settle();
    expect(passes).toEqual(["orders"]);
    world.put(Secret, echo(orders, "71"));
    await settle();
    expect(passes).toEqual(["orders", "orders"]);
  });

  test.each([
    { told: "70", passed: 1, because: "it is the version that the write was answered with" },
    { told: "71", passed: 2, because: "somebody else has made that version" },
  ])(
    "rule 39: what comes while a pass runs and may be its echo: $passed passes, since $because",
    async ({ told, passed }) => {
      const answer = Promise.withResolvers<void>();
      const slow: Partial<KubeClient> = {
        create: async (kind, body) => {
          await answer.promise;
          return clientThatAnswers("70").create!(kind, body);
        },
      };
      const { world, passes } = start(writing, { owns: [{ kind: Secret }] }, new TestWorld(slow));
      const orders = world.put(ConfigMap, configMap());
      await settle();
      world.put(Secret, echo(orders, told), { mayBeOwn: true });
      await settle();
      expect(passes).toEqual(["orders"]);
      answer.resolve();
      await settle();
      expect(passes).toHaveLength(passed);
    },
  );

  test("what may be an echo wakes a key that does not run at once", async () => {
    const { world, passes } = start(content, { owns: [{ kind: Secret }] });
    const orders = world.put(ConfigMap, configMap());
    await settle();
    world.put(Secret, echo(orders, "70"), { mayBeOwn: true });
    await settle();
    expect(passes).toEqual(["orders", "orders"]);
  });

  describe("to the status of the controller's own kind", () => {
    const withStatus = (version: string, phase: string): KubeObject =>
      ({
        ...configMap("orders", { uid: "o", resourceVersion: version, generation: 1 }),
        status: { phase },
      }) as KubeObject;
    const guards = { when: generationChanged, guardsStatus: true };
    const answers = (before: Promise<void> = Promise.resolve()): Partial<KubeClient> => ({
      applyStatus: async () => {
        await before;
        return withStatus("70", "Ready") as never;
      },
    });
    const telling: Reconcile<ConfigMap, void> = async (object, { client }) => {
      if (!("status" in object)) await client.applyStatus(ConfigMap, object, { fieldManager: "test" });
      return awaitChange;
    };
    const orders = configMap("orders", { uid: "o", generation: 1 });

    test("wake nobody; what somebody else writes there wakes where it is guarded", async () => {
      const world = new TestWorld(answers());
      const guarding = start(telling, guards, world);
      const other = start(content, { name: "other", when: generationChanged }, world);
      world.put(ConfigMap, orders);
      await settle();
      world.put(ConfigMap, withStatus("70", "Ready") as ConfigMap);
      await settle();
      expect([guarding.passes, other.passes]).toEqual([["orders"], ["orders"]]);
      world.put(ConfigMap, withStatus("71", "Failed") as ConfigMap);
      await settle();
      expect([guarding.passes, other.passes]).toEqual([["orders", "orders"], ["orders"]]);
    });

    test.each([
      { told: "70", passed: 1, because: "it is the version that the write was answered with" },
      { told: "71", passed: 2, because: "somebody else has made that version" },
    ])("that come before their answer: $passed passes, since $because", async ({ told, passed }) => {
      const answer = Promise.withResolvers<void>();
      const { world, passes } = start(telling, guards, new TestWorld(answers(answer.promise)));
      world.put(ConfigMap, orders);
      await settle();
      world.put(ConfigMap, withStatus(told, "Ready") as ConfigMap);
      answer.resolve();
      await settle();
      expect(passes).toHaveLength(passed);
    });
  });

  test("it does wake a key that another pass wrote for, and a controller that asked for it", async () => {
    const world = new TestWorld(clientThatAnswers("70"));
    const other = start(content, { name: "other", owns: [{ kind: Secret }] }, world);
    const asking = start(writing, { owns: [{ kind: Secret, wakeOnOwnWrites: true }] }, world);
    const orders = world.put(ConfigMap, configMap());
    await settle();
    world.put(Secret, echo(orders, "70"), { own: true });
    await settle();
    expect(other.passes).toEqual(["orders", "orders"]);
    expect(asking.passes).toEqual(["orders", "orders"]);
  });
});

describe("outcomes", () => {
  test("awaitChange waits for an event", async () => {
    const { world, passes } = start(content);
    world.put(ConfigMap, configMap());
    await world.clock.advance(3_600_000);
    expect(passes).toEqual(["orders"]);
    expect(await world.metric("controller_runtime_reconcile_total", { result: "success" })).toBe(1);
    expect(world.clock.pending).toBe(0);
  });

  test("requeue runs again at the latest after its time", async () => {
    const { world, passes } = start(async () => requeue(60_000));
    world.put(ConfigMap, configMap());
    await world.clock.advance(59_999);
    expect(passes).toHaveLength(1);
    await world.clock.advance(1);
    expect(passes).toHaveLength(2);
    expect(await world.metric("controller_runtime_reconcile_total", { result: "requeue_after" })).toBe(2);
  });

  test("requeue(0) is at once, but does not spin", async () => {
    const { world, passes } = start(async () => requeue(0));
    world.put(ConfigMap, configMap());
    await world.clock.advance(0);
    expect(passes).toHaveLength(2);
    await world.clock.advance(1_000);
    expect(passes).toHaveLength(3);
    await world.clock.advance(1_999);
    expect(passes).toHaveLength(3);
  });

  test.each([-1, Number.NaN])("requeue(%s) is a mistake that is told", (afterMs) => {
    expect(() => requeue(afterMs)).toThrow(RangeError);
  });

  test("a resync reconciles each object again from the cache, counted from its last pass", async () => {
    const { world, passes } = start(content, { resyncEveryMs: 600_000 });
    world.put(ConfigMap, configMap());
    await world.clock.advance(300_000);
    world.put(ConfigMap, configMap());
    await world.clock.advance(599_999);
    expect(passes).toHaveLength(2);
    await world.clock.advance(1);
    expect(passes).toHaveLength(3);
    world.remove(ConfigMap, configMap());
    await world.clock.advance(6_000_000);
    expect(passes).toHaveLength(3);
    expect(world.clock.pending).toBe(0);
  });

  test("a requeue beyond the resync does not put it off", async () => {
    const { world, passes } = start(async () => requeue(3_600_000), { resyncEveryMs: 600_000 });
    world.put(ConfigMap, configMap());
    await world.clock.advance(600_000);
    expect(passes).toHaveLength(2);
  });
});

describe("errors", () => {
  test.each([
    { error: unreachable, retriedAfterMs: 1_000, because: "no answer backs off" },
    {
      error: new ApiError("no", { status: 403, reason: "Forbidden" }),
      retriedAfterMs: 1_000,
      because: "rights may come",
    },
    {
      error: new ApiError("no", { status: 409, reason: "Conflict" }),
      retriedAfterMs: 1_000,
      because: "somebody was faster",
    },
    { error: new TypeError("bug"), retriedAfterMs: 1_000, because: "a bug must not end the loop" },
    { error: "not even an Error", retriedAfterMs: 1_000, because: "anything can be thrown" },
    {
      error: new ApiError("slow down", { status: 429, reason: "TooManyRequests", retryAfterMs: 7_000 }),
      retriedAfterMs: 7_000,
      because: "the server asked for it",
    },
    { error: new RetryAfterError("booting", 12_000), retriedAfterMs: 12_000, because: "the failure says itself when" },
    { error: refused, retriedAfterMs: undefined, because: "422 would be refused again" },
    {
      error: new ApiError("no", { status: 400, reason: "BadRequest" }),
      retriedAfterMs: undefined,
      because: "400 would be refused again",
    },
    { error: new TerminalError("InvalidSpec", "no"), retriedAfterMs: undefined, because: "it waits for an edit" },
  ])("rules 7, 57: retried after $retriedAfterMs ms: $because", async ({ error, retriedAfterMs }) => {
    const { world, passes } = start(failing(error));
    world.put(ConfigMap, configMap());
    if (retriedAfterMs === undefined) {
      await world.clock.advance(86_400_000);
      expect(passes).toHaveLength(1);
      expect(await world.metric("controller_runtime_terminal_reconcile_errors_total")).toBe(1);
      // A change reconciles all the same.
      world.put(ConfigMap, configMap());
      await settle();
    } else {
      await world.clock.advance(retriedAfterMs - 1);
      expect(passes).toHaveLength(1);
      await world.clock.advance(1);
      expect(await world.metric("controller_runtime_terminal_reconcile_errors_total")).toBe(0);
    }
    expect(passes).toHaveLength(2);
    expect(await world.metric("controller_runtime_reconcile_errors_total")).toBe(1);
    expect(await world.metric("controller_runtime_reconcile_total", { result: "error" })).toBe(1);
    expect(await world.metric("controller_runtime_reconcile_total", { result: "success" })).toBe(1);
  });

  test.each<{ what: string; reconcile: Reconcile<ConfigMap, void>; sabotage?: (world: TestWorld) => void }>([
    {
      what: "a reconciler that throws before it has made a promise",
      reconcile: () => {
        throw new Error("bug");
      },
    },
    { what: "a reconciler that forgot to answer", reconcile: (async () => undefined) as never },
    {
      what: "a cache that cannot be read",
      reconcile: content,
      sabotage: (world) => {
        const { cache } = world;
        let reads = 0;
        const get: Cache["get"] = (kind, ref) => {
          if (reads++ === 0) throw new Error("bug");
          return cache.get(kind, ref);
        };
        Object.assign(world, { cache: { ...cache, get } });
      },
    },
    {
      what: "a recorder of Events that throws",
      reconcile: failing(new TerminalError("InvalidSpec", "no")),
      sabotage: (world) =>
        void Object.assign(world, {
          events: {
            emit: () => {
              throw new Error("bug");
            },
          },
        }),
    },
  ])("rule 3: $what leaves no key held: it is tried again", async ({ reconcile, sabotage }) => {
    const world = new TestWorld();
    sabotage?.(world);
    const { controller } = start(reconcile, {}, world);
    world.put(ConfigMap, configMap());
    await settle();
    expect(controller.state().runningMs).toEqual([]);
    expect(await world.metric("workqueue_adds_total")).toBe(1);
    await world.clock.advance(1_000);
    expect(controller.state().runningMs).toEqual([]);
    expect(await world.metric("workqueue_adds_total")).toBe(2);
  });

  // Rule 4 (a result beside an error is ignored) cannot be broken by a reconciler: it answers or it throws, never both. What
  // stands beside an outcome as its `failure` is for who listens and decides nothing.
  test("rule 4: a pass that throws has no outcome; a failure told beside an outcome does not change it", async () => {
    let thrown = true;
    const { world, passes } = start(async () => {
      const outcome = requeue(10, unreachable);
      if (thrown) throw unreachable;
      return outcome;
    });
    world.put(ConfigMap, configMap());
    await world.clock.advance(999);
    expect(passes).toHaveLength(1);
    thrown = false;
    await world.clock.advance(1);
    expect(passes).toHaveLength(2);
    await world.clock.advance(10);
    expect(passes).toHaveLength(3);
    expect(await world.metric("controller_runtime_reconcile_total", { result: "error" })).toBe(1);
    expect(await world.metric("controller_runtime_reconcile_total", { result: "requeue_after" })).toBe(2);
  });

  test("rule 58: no series bears the name of an object: there are as many as before there was one", async () => {
    const { world } = start(failing(unreachable, new TerminalError("InvalidSpec", "no")));
    const series = async (): Promise<string[]> =>
      (await world.registry.registry.metrics())
        .split("\n")
        .filter((line) => !line.startsWith("#"))
        .map((line) => line.slice(0, line.lastIndexOf(" ")));
    const before = await series();
    for (const name of ["a-shop", "b-shop", "c-shop"]) world.put(ConfigMap, configMap(name));
    await world.clock.advance(10_000);
    expect(await series()).toEqual(before);
  });

  test("rule 11: an object that goes while its key waits to be tried again leaves nothing behind", async () => {
    // Nothing of the deletion reaches the queue by this predicate.
    const { world, passes } = start(failing(unreachable, unreachable), { when: ({ type }) => type !== "deleted" });
    const orders = world.put(ConfigMap, configMap());
    await world.clock.advance(1_000);
    expect(world.clock.pending).toBe(1);
    world.remove(ConfigMap, orders);
    await settle();
    expect(world.clock.pending).toBe(0);
    expect(passes).toHaveLength(2);
  });

  test("a policy of the controller's own decides first; if it throws, the key backs off", async () => {
    const policies = [
      () => requeue(5_000),
      () => {
        throw new Error("bug");
      },
    ];
    const { world, passes } = start(failing(refused, refused), { errorPolicy: () => policies.shift()!() });
    world.put(ConfigMap, configMap());
    await world.clock.advance(5_000);
    expect(passes).toHaveLength(2);
    await world.clock.advance(1_000);
    expect(passes).toHaveLength(3);
  });

  test("a terminal failure is told by an Event at once, others when they happen for the third time in a row", async () => {
    const invalid = new TerminalError("InvalidSpec", "storage may not shrink");
    const { world } = start(failing(unreachable, unreachable, unreachable, invalid));
    world.put(ConfigMap, configMap());
    await world.clock.advance(2_999);
    expect(world.emitted).toEqual([]);
    await world.clock.advance(1);
    const note = { type: "Warning", action: "Reconcile" };
    expect(world.emitted.map((each) => each.note)).toEqual([
      { ...note, reason: "ReconcileFailed", message: "connection refused" },
    ]);
    await world.clock.advance(4_000);
    expect(world.emitted.at(-1)?.note).toEqual({ ...note, reason: "InvalidSpec", message: "storage may not shrink" });
    expect(world.emitted.at(-1)?.regarding.metadata.name).toBe("orders");
  });

  test.each([
    { tells: () => "StorageShrinks", reasons: ["StorageShrinks"], because: "the controller knows better" },
    { tells: () => undefined, reasons: [], because: "the reconciler has told of it" },
    {
      tells: () => {
        throw new Error("bug");
      },
      reasons: ["InvalidSpec"],
      because: "a bug in there must not silence it",
    },
  ])("a failure is told as $reasons: $because", async ({ tells, reasons }) => {
    const { world } = start(failing(new TerminalError("InvalidSpec", "no")), { eventReason: tells });
    world.put(ConfigMap, configMap());
    await settle();
    expect(world.emitted.map(({ note }) => note.reason)).toEqual(reasons);
  });

  test("rule 13: a namesake does not inherit the failures", async () => {
    const { world, passes } = start(failing(unreachable, unreachable, unreachable));
    world.put(ConfigMap, configMap());
    await world.clock.advance(1_000);
    world.put(ConfigMap, configMap("orders", { uid: "another" }));
    await world.clock.advance(999);
    expect(passes).toHaveLength(3);
    await world.clock.advance(1);
    expect(passes).toHaveLength(4);
  });
});

describe("concurrency, time and the end", () => {
  test("as many passes run at once as allowed, and one key never beside itself", async () => {
    const { reconcile, open } = gate();
    const { world, passes } = start(reconcile, { concurrency: 2 });
    for (const name of ["a", "b", "c"]) world.put(ConfigMap, configMap(name));
    world.put(ConfigMap, configMap("a"));
    await settle();
    expect(passes).toEqual(["a", "b"]);
    world.put(ConfigMap, configMap("a"));
    expect(await world.metric("controller_runtime_active_workers")).toBe(2);
    open();
    await settle();
    expect(passes).toEqual(["a", "b", "c", "a"]);
  });

  test("rule 18: a pass that takes too long sees its signal aborted, and holds its key until it returns", async () => {
    const { reconcile, open, contexts } = gate();
    const { world, passes } = start(reconcile, { timeoutMs: 5_000 });
    world.put(ConfigMap, configMap());
    await world.clock.advance(5_000);
    expect(contexts[0]?.signal.reason).toEqual(new Error("the pass took longer than 5000 ms"));
    expect(await world.metric("controller_runtime_reconcile_timeouts_total")).toBe(1);
    world.put(ConfigMap, configMap());
    await world.clock.advance(60_000);
    expect(passes).toHaveLength(1);
    open();
    await settle();
    expect(passes).toHaveLength(2);
  });

  test("stop starts nothing more and waits for what runs; abort tells it to end", async () => {
    const { reconcile, open, contexts } = gate();
    const { world, passes, controller } = start(reconcile);
    for (const name of ["a", "b"]) world.put(ConfigMap, configMap(name));
    await settle();
    let stopped = false;
    void controller.stop().then(() => (stopped = true));
    world.put(ConfigMap, configMap("c"));
    await settle();
    expect(stopped).toBe(false);
    expect(contexts[0]?.signal.aborted).toBe(false);
    const aborted = controller.abort(new Error("enough"));
    expect(contexts[0]?.signal.reason).toEqual(new Error("enough"));
    open();
    await aborted;
    expect(passes).toEqual(["a"]);
    expect(world.clock.pending).toBe(0);
  });

  test("calls of a pass end with its signal", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const client: Partial<KubeClient> = {
      get: async (_kind, _ref, options) => void signals.push(options?.signal),
    };
    let seen: AbortSignal | undefined;
    const { world } = start(
      async (_, context) => {
        seen = context.signal;
        await context.client.get(Secret, { namespace: "shop", name: "orders" });
        return awaitChange;
      },
      {},
      new TestWorld(client),
    );
    world.put(ConfigMap, configMap());
    await settle();
    expect(signals).toEqual([seen]);
  });
});
