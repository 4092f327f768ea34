import { describe, expect, test } from "vitest";
import type { KubeClient, WatchFrame } from "../../../src/runtime/kube/client.ts";
import { ConfigMap, Secret } from "../../../src/runtime/kube/kinds.ts";
import type { KubeObject } from "../../../src/runtime/kube/object.ts";
import { LeaseLost } from "../../../src/runtime/loop/leader.ts";
import type { Context, Reconcile } from "../../../src/runtime/loop/pass.ts";
import type { Log } from "../../../src/runtime/telemetry/log.ts";
import type { ControllerOptions } from "../../../src/runtime/loop/controller.ts";
import { createManager, type ManagerOptions } from "../../../src/runtime/loop/manager.ts";
import { awaitChange } from "../../../src/runtime/loop/outcome.ts";
import * as on from "../../../src/runtime/loop/predicates.ts";
import { createMetrics } from "../../../src/runtime/telemetry/metrics.ts";
import { silent } from "../../support/controller-world.ts";
import { FedClient, initialEnd } from "../../support/fed-client.ts";
import { clientOf as leaseClient, LeaseStore, type Trip } from "../../support/lease-store.ts";
import { respondJson, startStubServer } from "../../support/stub-server.ts";
import { settle, VirtualClock } from "../../../testing/virtual-clock.ts";

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

const changed = (version: number): WatchFrame<ConfigMap> => ({
  type: "MODIFIED",
  object: { ...orders, metadata: { ...orders.metadata, resourceVersion: String(version) } },
});

/** A manager whose watches are fed by hand, and whose lease is one in memory behind a network that `trip` describes. */
function setUpFed(options: Partial<ManagerOptions> = {}) {
  const clock = new VirtualClock();
  const fed = new FedClient();
  const leases = new LeaseStore();
  const network: { trip: Trip; wrap: (client: KubeClient) => KubeClient } = {
    trip: { thereMs: 1, backMs: 1 },
    wrap: (client) => client,
  };
  const told: { level: string; message: string }[] = [];
  const log = {
    child: () => log,
    debug: () => {},
    ...Object.fromEntries(
      ["info", "warn", "error"].map((level) => [
        level,
        (fields: unknown, message?: string) => told.push({ level, message: message ?? String(fields) }),
      ]),
    ),
  } as unknown as Log;
  const watches: string[] = [];
  const client: KubeClient = {
    ...leaseClient(leases, clock, () => network.trip),
    list: () => fed.list(),
    async *watch(kind, given) {
      given.signal?.addEventListener("abort", () => watches.push(kind.kind), { once: true });
      yield* fed.watch(kind, given);
    },
  };
  const stopping = new AbortController();
  const start = (...controllers: ControllerOptions<ConfigMap, void>[]) => {
    const manager = createManager({
      name: "test",
      identity: "a",
      api: { client: network.wrap(client) },
      log,
      leaderElection: false,
      telemetry: false,
      metrics: createMetrics({ process: false }),
      clock,
      ...options,
    });
    for (const each of controllers) manager.controller(each);
    const ended = manager.run(stopping.signal);
    ended.catch(() => {});
    const probe = async (path: string): Promise<{ status: number; body: string }> => {
      const answer = await fetch(`http://127.0.0.1:${manager.ports[0]}${path}`);
      return { status: answer.status, body: await answer.text() };
    };
    return { manager, ended, probe };
  };
  /** The first collections: one ConfigMap `orders`. */
  const sync = async (): Promise<void> => {
    await fed.feed({ type: "ADDED", object: structuredClone(orders) });
    await fed.feed(initialEnd(10));
  };
  return { clock, fed, leases, network, told, watches, stopping, start, sync };
}

/** A reconciler that tells of its passes, and ends them when it is told to. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const contexts: Context<void>[] = [];
  const reconcile: Reconcile<ConfigMap, void> = async (_, context) => {
    contexts.push(context);
    await promise;
    return awaitChange;
  };
  return { contexts, open: resolve, reconcile };
}

const host = "127.0.0.1";
const elected: Partial<ManagerOptions> = { leaderElection: { namespace: "shop" } };

describe("starting", () => {
  // A cache that cannot be read does not end the process: a restart would read all others again and cure nothing. It is told in
  // the log, again and again, and the Pod is not ready.
  test("rule 15: no pass starts before all kinds were read; what is missing is told loudly", async () => {
    const { start, sync, clock, fed, told, stopping } = setUpFed({ syncTimeoutMs: 30_000 });
    const { contexts, reconcile, open } = held();
    const { ended } = start(controller({ owns: [{ kind: Secret }], reconcile }));
    await settle();
    await sync();
    await clock.advance(30_000);
    expect(contexts).toEqual([]);
    expect(told).toContainEqual({ level: "error", message: "still not synced: may they be listed?" });
    await fed.feed(initialEnd(10), "", Secret);
    expect(contexts).toHaveLength(1);
    open();
    stopping.abort();
    await ended;
    expect(clock.pending).toBe(0);
  });

  test("rule 41: what a predicate holds back is in the cache all the same", async () => {
    const { start, sync, fed, stopping } = setUpFed();
    const seen: string[] = [];
    const reconcile: Reconcile<ConfigMap, void> = async ({ metadata }, { cache }) => {
      seen.push(`${metadata.name} ${cache.get(ConfigMap, orders.metadata)?.metadata.resourceVersion}`);
      return awaitChange;
    };
    const { ended } = start(controller({ when: on.generationChanged, reconcile }));
    await settle();
    await sync();
    await fed.feed(changed(11));
    const b = { ...orders, metadata: { ...orders.metadata, name: "b", uid: "2", resourceVersion: "12" } };
    await fed.feed({ type: "ADDED", object: b });
    expect(seen).toEqual(["orders 5", "b 11"]);
    stopping.abort();
    await ended;
  });

  test("rule 17: whoever measures and throws makes no controller deaf", async () => {
    const { start, sync, fed, told, stopping } = setUpFed();
    let passes = 0;
    const { ended } = start(
      controller({
        measure: ({ subscribe }) =>
          void subscribe(ConfigMap, () => {
            throw new Error("bug");
          }),
        reconcile: async () => {
          passes += 1;
          return awaitChange;
        },
      }),
    );
    await settle();
    await sync();
    await fed.feed(changed(11));
    expect(passes).toBe(2);
    expect(told).toContainEqual({ level: "error", message: "a handler of the cache threw" });
    stopping.abort();
    await ended;
  });

  test("rule 57: its requests bear its name", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 403, { kind: "Status" }));
    const { manager } = setUp({ api: { connection: server.connection } });
    manager.controller(controller());
    const stopping = new AbortController();
    const ended = manager.run(stopping.signal);
    await expect.poll(() => server.received.length).toBeGreaterThan(0);
    stopping.abort();
    await ended;
    expect(server.received.map(({ headers }) => headers["user-agent"])).toEqual(server.received.map(() => "test"));
  });
});

describe("with a lease", () => {
  test("rule 51: that is lost every pass is aborted at once, no write goes out any more, and run fails", async () => {
    const { start, sync, clock, leases, network, told } = setUpFed(elected);
    const { contexts, reconcile, open } = held();
    const { ended } = start(controller({ reconcile }));
    await settle();
    await sync();
    await clock.advance(10);
    expect(contexts).toHaveLength(1);
    network.trip = { thereMs: 1, backMs: 1, lost: "request" };
    await clock.advance(10_000);
    const [context] = contexts;
    expect(context?.signal.reason).toBeInstanceOf(LeaseLost);
    network.trip = { thereMs: 1, backMs: 1 };
    const writes = leases.writes.length;
    await expect(context?.client.create(Secret, { ...orders, kind: "Secret" })).rejects.toBeInstanceOf(LeaseLost);
    await expect(ended).rejects.toBeInstanceOf(LeaseLost);
    expect(leases.writes).toHaveLength(writes);
    expect(leases.writes.at(-1)?.holder).toBe("a");
    expect(told).toContainEqual({ level: "info", message: "stopped" });
    open();
  });

  test("rule 51: that is lost while passes may still end by themselves, they may no longer", async () => {
    const { start, sync, clock, leases, network, stopping } = setUpFed(elected);
    const { contexts, reconcile, open } = held();
    const { ended } = start(controller({ reconcile }));
    await settle();
    await sync();
    await clock.advance(10);
    network.trip = { thereMs: 1, backMs: 1, lost: "request" };
    stopping.abort();
    await clock.advance(9_000);
    expect(contexts[0]?.signal.aborted).toBe(false);
    await clock.advance(1_000);
    expect(contexts[0]?.signal.reason).toBeInstanceOf(LeaseLost);
    open();
    await ended;
    expect(leases.writes.at(-1)?.holder).toBe("a");
  });

  // In another order than rule 55 has it: the lease goes before HTTP, so that the next one need not wait for open connections.
  test("rules 52, 55: when it stops, workers end first, then watches, then the lease goes, and Events are written last", async () => {
    const { start, sync, clock, network, leases, watches, stopping } = setUpFed({
      ...elected,
      telemetry: { probes: { port: 0, host } },
    });
    const { promise: recorded, resolve: record } = Promise.withResolvers<void>();
    network.wrap = (client) => ({
      ...client,
      create: async (kind, body, given) => {
        if (kind.kind !== "Event") return client.create(kind, body, given);
        await recorded;
        return body;
      },
    });
    const { contexts, reconcile, open } = held();
    const { ended, probe } = start(controller({ reconcile }));
    await expect.poll(() => probe("/healthz").catch(() => undefined)).toMatchObject({ status: 200 });
    await sync();
    await clock.advance(10);
    contexts[0]?.events.emit(orders, { type: "Normal", reason: "Last", message: "" });
    stopping.abort();
    await clock.advance(5_000);
    expect(watches).toEqual([]);
    expect(leases.writes.at(-1)?.holder).toBe("a");
    let over = false;
    void ended.then(() => (over = true));

    open();
    await settle();
    expect(watches).toEqual(["ConfigMap"]);
    await clock.advance(10);
    expect(leases.writes.at(-1)?.holder).toBe("");
    await expect.poll(() => probe("/healthz").catch(() => "closed")).toBe("closed");
    expect(over).toBe(false);
    record();
    await ended;
  });

  test("rule 53: that a stalled event loop could not renew, the process is not healthy, though it noticed nothing", async () => {
    const { start, clock, sync } = setUpFed({ ...elected, telemetry: { probes: { port: 0, host } } });
    const { ended, probe } = start(controller());
    await expect.poll(() => probe("/healthz").catch(() => undefined)).toMatchObject({ status: 200 });
    await sync();
    await clock.advance(10);
    clock.stall(14_900);
    expect((await probe("/healthz")).status).toBe(200);
    clock.stall(200);
    expect(await probe("/healthz")).toMatchObject({ status: 503, body: expect.stringContaining("lease") as string });
    await clock.advance(0);
    await expect(ended).rejects.toBeInstanceOf(LeaseLost);
  });

  // There are no webhooks, so nothing has to start before the caches.
  test("rule 54: that another one holds, probes and metrics are served, and its caches are warm", async () => {
    const { start, clock, leases, stopping, sync } = setUpFed({ ...elected, telemetry: { probes: { port: 0, host } } });
    const spec = { holderIdentity: "b", leaseDurationSeconds: 15 };
    const metadata = { namespace: "shop", name: "test" };
    leases.create({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec } as KubeObject);
    let passes = 0;
    const reconcile: Reconcile<ConfigMap, void> = async () => {
      passes += 1;
      return awaitChange;
    };
    const { ended, probe } = start(controller({ reconcile }));
    await expect.poll(() => probe("/readyz").catch(() => undefined)).toMatchObject({ status: 503 });
    await sync();
    await clock.advance(10);
    expect((await probe("/readyz")).status).toBe(200);
    expect((await probe("/metrics")).body).toContain('leader_election_master_status{name="test"} 0');
    expect(passes).toBe(0);
    await clock.advance(20_000);
    expect((await probe("/metrics")).body).toContain('leader_election_master_status{name="test"} 1');
    expect(passes).toBe(1);
    stopping.abort();
    await clock.advance(100);
    await ended;
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
