// Start and stop order of everything that runs: telemetry → caches → leadership → controllers, and back.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { sleep, systemClock, type Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Connection } from "../kube/connection.ts";
import { createEventRecorder } from "../kube/events.ts";
import { createHttpClient } from "../kube/http-client.ts";
import { cacheOf } from "../kube/informer.ts";
import type { KubeObject } from "../kube/object.ts";
import { rememberingClient } from "../kube/remember.ts";
import type { Log } from "../telemetry/log.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { startTelemetryServer, type ListenOptions, type TelemetryServer } from "../telemetry/server.ts";
import { createTracing, type Tracer } from "../telemetry/trace.ts";
import { boundClient } from "./bound-client.ts";
import { startController, type ControllerOptions, type ControllerWorld, type RunningController } from "./controller.ts";
import { InformerSet } from "./informer-set.ts";
import { lead, type Leadership, type LeaseOptions } from "./leader.ts";
import type { QueueState } from "./queue.ts";
import { wakes } from "./wakes.ts";

export interface ManagerOptions {
  /** User-Agent, reporting controller of Events and, unless given otherwise, the lease and the field manager. */
  readonly name: string;
  /** Where the API server is and who we are; or a client that is ready to use. */
  readonly api: { readonly connection: Connection } | { readonly client: KubeClient };
  readonly log: Log;
  /** One watch a kind and namespace; empty or absent: one watch a kind over all. */
  readonly namespaces?: readonly string[];
  /** Which process this is, unlike every other and every earlier one. Default: the host's name and a random part. */
  readonly identity?: string;
  /** false: this process is the only one. */
  readonly leaderElection: false | (Omit<LeaseOptions, "name" | "identity"> & { readonly name?: string });
  /** Where /healthz, /readyz and /metrics are served; by default all on one port. */
  readonly telemetry: false | { readonly probes: ListenOptions; readonly metrics?: ListenOptions };
  /** Of managedFields the cache keeps what this manager owns. Default: `name`. */
  readonly fieldManager?: string;
  /** Default: new ones, of this process too. */
  readonly metrics?: Metrics;
  /** Makes a span of each pass and of each call in it. Absent: none. */
  readonly tracer?: Tracer | undefined;
  /** How long passes may go on after the signal before they are aborted. Default 30 s: give the Pod some more. */
  readonly shutdownTimeoutMs?: number;
  /** How often it is told loudly that a cache is still not synced. Default 2 min. */
  readonly syncTimeoutMs?: number;
  /** Freezes cached objects: tests find out who changes them. */
  readonly freeze?: boolean;
  readonly clock?: Clock;
}

export interface Manager {
  readonly metrics: Metrics;
  /** The ports that telemetry listens on once `run` has begun. */
  readonly ports: readonly number[];
  /** What each controller is at, by name; undefined until it runs. */
  readonly queues: () => Readonly<Record<string, QueueState | undefined>>;
  /**
   * The resources whose cache does not hold what the API server holds now. It lists all of them, so it is for tests, and for whoever
   * doubts a cache. Rejects with ApiError.
   */
  readonly behind: (signal?: AbortSignal) => Promise<readonly string[]>;
  /** Before `run` only. @throws Error when two controllers want different caches of one kind, or bear the same name. */
  controller<T extends KubeObject, V>(options: ControllerOptions<T, V>): void;
  /**
   * Resolves after a clean stop, once `signal` has aborted. Rejects with LeaseLost when the lease was lost, and when passes did
   * not end: then exit at once with a failure, since work may still be going on. To be called once.
   */
  run(signal: AbortSignal): Promise<void>;
}

/** How long aborted passes may take to return. */
const abortedMs = 5_000;

export function createManager(options: ManagerOptions): Manager {
  const { log, name, clock = systemClock, shutdownTimeoutMs = 30_000, syncTimeoutMs = 120_000 } = options;
  const metrics = options.metrics ?? createMetrics();
  const { client, close } = clientOf(options, metrics);
  const informers = new InformerSet({
    client,
    namespaces: options.namespaces ?? [],
    fieldManager: options.fieldManager ?? name,
    freeze: options.freeze ?? false,
    clock,
    log,
    metrics,
  });
  const instance = options.identity ?? `${hostname()}_${randomUUID()}`;
  const events = createEventRecorder({ client, component: name, instance, clock, log });
  const lease = options.leaderElection === false ? undefined : { name, identity: instance, ...options.leaderElection };
  const queues = new Map<string, () => QueueState | undefined>();
  const starts: ((world: Omit<ControllerWorld, "metrics">) => RunningController)[] = [];
  let leadership: Leadership | undefined;
  let server: TelemetryServer | undefined;
  let controllers: readonly RunningController[] = [];
  if (lease !== undefined) metrics.leader(lease.name, () => leadership?.lost.aborted === false);

  const caches = (): string | undefined => {
    const unsynced = informers.unsynced();
    return unsynced.length === 0 ? undefined : `not synced: ${unsynced.join(", ")}`;
  };
  /** A lost lease ends the process; one that is lost and did not end it must be ended from outside. */
  const leaseIsFresh = (): string | undefined => {
    if (leadership === undefined) return undefined;
    const ageMs = clock.now() - leadership.renewedAt();
    return ageMs > (lease?.leaseDurationMs ?? 15_000) ? `not renewed for ${Math.round(ageMs)} ms` : undefined;
  };

  async function waitForCaches(signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const complain = async (): Promise<void> => {
      while (!waiting.signal.aborted) {
        await sleep(clock, syncTimeoutMs, waiting.signal);
        if (!waiting.signal.aborted)
          log.error({ resources: informers.unsynced() }, "still not synced: may they be listed?");
      }
    };
    const complaining = complain();
    await Promise.race([informers.synced(), aborted(signal)]);
    waiting.abort();
    await complaining;
  }

  const abortAll = (reason: Error): void => {
    for (const each of controllers) void each.abort(reason);
  };

  /** Lets passes end by themselves, then makes them. False when some did not even then. */
  async function drain(): Promise<boolean> {
    const stopped = Promise.all(controllers.map((each) => each.stop()));
    if (await endsWithin(stopped, shutdownTimeoutMs, clock)) return true;
    log.warn({ afterMs: shutdownTimeoutMs }, "passes still run; aborting them");
    abortAll(new Error("the manager stops"));
    return endsWithin(stopped, abortedMs, clock);
  }

  /** Runs until told to stop, or until the lease is lost: then it throws. */
  async function leadAndReconcile(signal: AbortSignal): Promise<void> {
    await waitForCaches(signal);
    if (signal.aborted) return;
    log.info("caches are synced");
    if (lease !== undefined) {
      leadership = await lead(lease, { client, clock, log }, signal);
      if (leadership === undefined) return;
      const { lost } = leadership;
      lost.addEventListener("abort", () => abortAll(lost.reason), { once: true });
    }
    const assertHeld = leadership?.assertHeld;
    const writer = assertHeld === undefined ? client : boundClient(client, { beforeWrite: assertHeld });
    const tracing = options.tracer === undefined ? undefined : await createTracing(options.tracer);
    const world: Omit<ControllerWorld, "metrics"> = {
      client: rememberingClient(writer, informers),
      cache: cacheOf(informers),
      events,
      log,
      tracing,
      clock,
      subscribe: (kind, handler) => informers.subscribe(kind, handler),
    };
    if (!signal.aborted) controllers = starts.map((start) => start(world));
    await Promise.race([aborted(signal), ...(leadership === undefined ? [] : [aborted(leadership.lost)])]);
    leadership?.lost.throwIfAborted();
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stopWatching = new AbortController();
    let watching: Promise<void> | undefined;
    let drained = false;
    try {
      if (options.telemetry !== false) {
        server = await startTelemetryServer({
          ...options.telemetry,
          registry: metrics.registry,
          live: { lease: leaseIsFresh },
          ready: { caches },
        });
      }
      watching = informers.run(stopWatching.signal);
      await leadAndReconcile(signal);
      drained = await drain();
      if (!drained) throw new Error("passes did not end, so the lease is left to expire");
    } catch (error) {
      abortAll(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      stopWatching.abort(new Error("the manager stops"));
      await watching;
      if (drained) await leadership?.release();
      await server?.close();
      await events.close(signal.aborted ? undefined : 1_000);
      close();
      log.info("stopped");
    }
  }

  return {
    metrics,
    get ports() {
      return server?.ports ?? [];
    },
    queues: () => Object.fromEntries([...queues].map(([name, state]) => [name, state()])),
    behind: (signal) => informers.behind(signal),
    controller(controller) {
      if (queues.has(controller.name)) throw new Error(`there is a controller ${controller.name} already`);
      for (const wake of wakes(controller)) informers.watch(wake.kind, wake.options);
      let running: RunningController | undefined;
      const state = (): QueueState | undefined => running?.state();
      queues.set(controller.name, state);
      const own = metrics.controller(controller.name, controller.concurrency ?? 1, state);
      starts.push((world) => {
        controller.measure?.({ ...world, metrics });
        return (running = startController(controller, { ...world, metrics: own }));
      });
    },
    run,
  };
}

function clientOf({ api, name }: ManagerOptions, metrics: Metrics): { client: KubeClient; close: () => void } {
  if ("client" in api) return { client: api.client, close: () => {} };
  const client = createHttpClient({ connection: api.connection, userAgent: name, metrics: metrics.request });
  return { client, close: () => client.close() };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function endsWithin(work: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(false));
    work.then(() => resolve(true), reject).finally(cancel);
  });
}
