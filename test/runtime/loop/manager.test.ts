import { describe, expect, test } from "vitest";
import type { KubeClient, WatchFrame } from "../../../src/runtime/kube/client.ts";
import { ConfigMap, Secret } from "../../../src/runtime/kube/kinds.ts";
import type { KubeObject } from "../../../src/runtime/kube/object.ts";
import type { ControllerOptions } from "../../../src/runtime/loop/controller.ts";
import { createManager, type ManagerOptions } from "../../../src/runtime/loop/manager.ts";
import { awaitChange } from "../../../src/runtime/loop/outcome.ts";
import * as on from "../../../src/runtime/loop/predicates.ts";
import { createMetrics } from "../../../src/runtime/telemetry/metrics.ts";
import { silent } from "../../support/controller-world.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";

/** A cluster that never changes: each list holds these objects, each watch is silent. */
function clusterOf(...objects: KubeObject[]): KubeClient {
  const client: Partial<KubeClient> = {
    list: async (kind) => ({
      items: objects.filter((each) => each.kind === kind.kind).map((each) => structuredClone(each)) as never,
      resourceVersion: "10",
    }),
    async *watch(kind, { signal, sendInitialEvents }): AsyncIterable<WatchFrame<never>> {
      const metadata = { name: "", resourceVersion: "10", annotations: { "k8s.io/initial-events-end": "true" } };
      if (sendInitialEvents === true) {
        for (const each of objects)
          if (each.kind === kind.kind) yield { type: "ADDED", object: structuredClone(each) as never };
        yield { type: "BOOKMARK", object: { apiVersion: "v1", kind: kind.kind, metadata } as never };
      }
      await new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true }));
      signal?.throwIfAborted();
    },
  };
  return client as KubeClient;
}

const orders: ConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "orders", namespace: "shop", uid: "1", resourceVersion: "5" },
};

function setUp(options: Partial<ManagerOptions> = {}) {
  const clock = new VirtualClock();
  const manager = createManager({
    name: "test",
    api: { client: clusterOf(orders) },
    log: silent,
    leaderElection: false,
    telemetry: false,
    metrics: createMetrics({ process: false }),
    clock,
    ...options,
  });
  return { clock, manager };
}

const controller = (more: Partial<ControllerOptions<ConfigMap, void>> = {}): ControllerOptions<ConfigMap, void> => ({
  name: "orders",
  for: ConfigMap,
  value: undefined,
  reconcile: async () => awaitChange,
  ...more,
});

describe("registering", () => {
  test("two controllers share the cache of a kind", () => {
    const { manager } = setUp();
    manager.controller(controller({ owns: [{ kind: Secret, labels: "a=b" }] }));
    manager.controller(
      controller({ name: "other", owns: [{ kind: Secret, labels: "a=b", when: on.generationChanged }] }),
    );
  });

  test.each([
    { more: { labels: "a=b" }, because: "another selection of a kind cannot share its cache" },
    { more: { transform: (each: ConfigMap) => each }, because: "another transform cannot either" },
    { more: { name: "orders" }, because: "two controllers of one name could not be told apart" },
  ])("is refused: $because", ({ more }) => {
    const { manager } = setUp();
    manager.controller(controller());
    expect(() => manager.controller(controller({ name: "other", ...more }))).toThrow(/already/);
  });
});

describe("stopping", () => {
  test("a pass under way may end by itself", async () => {
    const { manager } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    const signals: AbortSignal[] = [];
    manager.controller(
      controller({
        reconcile: async (_, { signal }) => {
          signals.push(signal);
          await promise;
          return awaitChange;
        },
      }),
    );
    const stopping = new AbortController();
    const ended = manager.run(stopping.signal);
    await expect.poll(() => signals.length).toBe(1);
    stopping.abort();
    await settle();
    resolve();
    await ended;
    expect(signals[0]?.aborted).toBe(false);
  });

  test("a pass that goes on for too long is aborted", async () => {
    const { clock, manager } = setUp({ shutdownTimeoutMs: 10_000 });
    const signals: AbortSignal[] = [];
    manager.controller(
      controller({
        reconcile: async (_, { signal }) => {
          signals.push(signal);
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          throw signal.reason;
        },
      }),
    );
    const stopping = new AbortController();
    const ended = manager.run(stopping.signal);
    await expect.poll(() => signals.length).toBe(1);
    stopping.abort();
    await clock.advance(9_999);
    expect(signals[0]?.aborted).toBe(false);
    await clock.advance(1);
    await ended;
    expect(signals[0]?.aborted).toBe(true);
  });

  test("a pass that does not even end then makes run fail, so that the process is ended", async () => {
    const { clock, manager } = setUp({ shutdownTimeoutMs: 10_000 });
    let passes = 0;
    manager.controller(
      controller({
        reconcile: () => {
          passes += 1;
          return new Promise(() => {});
        },
      }),
    );
    const stopping = new AbortController();
    const ended = manager.run(stopping.signal);
    const failure = expect(ended).rejects.toThrow("passes did not end");
    await expect.poll(() => passes).toBe(1);
    stopping.abort();
    await clock.advance(20_000);
    await failure;
  });
});

test("a port that is taken makes run fail, and leaves nothing running", async () => {
  const first = setUp({ telemetry: { probes: { port: 0, host: "127.0.0.1" } } });
  const stopping = new AbortController();
  const ended = first.manager.run(stopping.signal);
  await expect.poll(() => first.manager.ports.length).toBe(1);
  const second = setUp({ telemetry: { probes: { port: first.manager.ports[0] ?? 0, host: "127.0.0.1" } } });
  await expect(second.manager.run(new AbortController().signal)).rejects.toThrow("EADDRINUSE");
  stopping.abort();
  await ended;
});
