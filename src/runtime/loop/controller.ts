// A controller: kinds + queue + workers. The one place where an outcome or an error becomes queue, log, metric and Event.
import { randomUUID } from "node:crypto";
import { backoffMs, defaultBackoff, spread, type Backoff } from "../backoff.ts";
import { sleep, type Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { TerminalError } from "../kube/errors.ts";
import type { EventRecorder } from "../kube/events.ts";
import { keyOf, refOf, refTo, type Kind, type KubeObject, type Ref } from "../kube/object.ts";
import type { Cache, Delta } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { ControllerMetrics, ReconcileResult } from "../telemetry/metrics.ts";
import { BoundClient } from "./bound-client.ts";
import { OwnWrites } from "./own-writes.ts";
import { defaultErrorPolicy, type ErrorOutcome, type Outcome } from "./outcome.ts";
import { priorities, WorkQueue, type Next, type QueueState, type Turn } from "./queue.ts";
import { keysOf, wakes, type Wake, type Watches } from "./wakes.ts";

/** Everything that one pass may use; each part can be replaced in a test. `value` is of the controller's own type. */
export interface Context<V> {
  /** Writes are remembered: `cache` shows them at once. Calls end with `signal`; writes need the lease. */
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  /** Aborted on a lost lease, when the pass takes too long, and at shutdown if it has not ended by itself. */
  readonly signal: AbortSignal;
  readonly value: V;
}

/** One level-triggered pass over one object: it is told which, never why. */
export type Reconcile<T extends KubeObject, V> = (object: Readonly<T>, context: Context<V>) => Promise<Outcome>;

/** Feeds keys from outside Kubernetes until the signal aborts. When it ends or throws before, it is started again. */
export interface Source {
  readonly name: string;
  readonly run: (emit: (ref: Ref) => void, signal: AbortSignal) => Promise<void>;
}

export interface ControllerOptions<T extends KubeObject, V> extends Watches<T> {
  /** Metric label and log field. */
  readonly name: string;
  readonly sources?: readonly Source[];
  readonly value: V;
  readonly reconcile: Reconcile<T, V>;
  /** Default: `defaultErrorPolicy`. */
  readonly errorPolicy?: (error: unknown, object: Readonly<T>, context: Context<V>) => ErrorOutcome;
  /** Default 1. */
  readonly concurrency?: number;
  /** Default 1 s … 5 min, factor 2, jitter 0.2. */
  readonly backoff?: Backoff;
  /** Every object is reconciled again about this often, from the cache (±20%), to mend what cannot be watched. Off by default. */
  readonly resyncEveryMs?: number;
  /** A pass that takes longer sees its signal aborted. Its key stays held until it returns. Default: none. */
  readonly timeoutMs?: number;
}

/** What a controller stands on; the manager gives it. */
export interface ControllerWorld {
  readonly client: KubeClient;
  /** Synced for every kind of the controller. */
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  /** Calls back on every change of the cache from now on, in order. Answers how to stop that. */
  readonly subscribe: <T extends KubeObject>(kind: Kind<T>, handler: (delta: Delta<T>) => void) => () => void;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

export interface RunningController {
  readonly state: () => QueueState;
  /** No pass starts any more; resolves when those under way have ended by themselves, or by `abort`. */
  readonly stop: () => Promise<void>;
  /** As `stop`, and aborts the signal of every pass. */
  readonly abort: (reason: Error) => Promise<void>;
}

/** How often in a row an object must fail before its people are told by an Event; a terminal failure is told at once. */
const failuresUntilEvent = 3;

export function startController<T extends KubeObject, V>(
  options: ControllerOptions<T, V>,
  world: ControllerWorld,
): RunningController {
  const { metrics, clock, cache } = world;
  const random = world.random ?? Math.random;
  const backoff = options.backoff ?? defaultBackoff;
  const log = world.log.child({ controller: options.name });
  const stopping = new AbortController();
  const passes = new Set<AbortController>();
  const ownWrites = new OwnWrites();
  const queue = new WorkQueue({
    clock,
    backoff,
    random,
    observer: {
      added: metrics.queueAdded,
      taken: metrics.queueTaken,
      finished: metrics.queueFinished,
      retried: metrics.queueRetried,
    },
  });

  /** Runs what a user of the runtime wrote, outside of a pass: its throw must end neither the watch nor the process. */
  const guarded = (what: string, run: () => void): void => {
    try {
      run();
    } catch (error) {
      metrics.panic();
      log.error({ err: error, what }, "threw outside of a pass; the event was dropped");
    }
  };

  const subscribeTo = (wake: Wake): (() => void) =>
    world.subscribe(wake.kind, (delta) => {
      const reason = `${wake.kind.kind} ${delta.type}`;
      guarded(reason, () => {
        if (wake.own && replaces(delta)) queue.forget(keyOf(refTo(delta.object)));
        if (wake.options.when?.(delta) === false) return;
        const priority = delta.type === "initial" ? priorities.low : priorities.fresh;
        // Writes to its own kind are left to predicates, which can tell a status from a finalizer.
        const skips =
          !wake.own && wake.options.wakeOnOwnWrites !== true && delta.type !== "deleted" && delta.own === true;
        const author = skips ? ownWrites.authorOf(delta.object) : undefined;
        for (const key of keysOf(wake, delta, cache)) if (key !== author) queue.add(key, { priority, reason });
      });
    });

  async function work(): Promise<void> {
    for (let turn = await queue.take(); turn !== undefined; turn = await queue.take()) await runTurn(turn);
  }

  /** Whatever happens in here, the key is given back. */
  async function runTurn(turn: Turn): Promise<void> {
    let next: Next = { type: "backoff" };
    try {
      const object = cache.get(options.for, refOf(turn.key));
      if (object === undefined) {
        next = { type: "idle" };
        log.debug({ key: turn.key, reason: turn.reason }, "gone: nothing to reconcile");
      } else {
        next = await runPass(turn, object);
      }
    } catch (error) {
      metrics.panic();
      log.error({ err: error, key: turn.key }, "the controller itself failed");
    } finally {
      queue.done(turn.key, next);
    }
  }

  async function runPass(turn: Turn, object: Readonly<T>): Promise<Next> {
    const startedAt = clock.now();
    const abort = new AbortController();
    const { signal } = abort;
    const { namespace, name } = object.metadata;
    const passLog = log.child({ namespace, name, reconcileId: randomUUID() });
    const context: Context<V> = {
      client: new BoundClient(world.client, { signal, afterWrite: (written) => ownWrites.wrote(turn.key, written) }),
      cache,
      events: world.events,
      log: passLog,
      signal,
      value: options.value,
    };
    const cancelTimeout =
      options.timeoutMs === undefined
        ? undefined
        : clock.after(options.timeoutMs, () => {
            metrics.timeout();
            abort.abort(new Error(`the pass took longer than ${options.timeoutMs} ms`));
          });
    passes.add(abort);
    passLog.debug({ reason: turn.reason, waitedMs: turn.waitedMs, failures: turn.failures }, "reconciling");
    let error: unknown;
    let failed = false;
    let outcome: ErrorOutcome;
    try {
      outcome = await options.reconcile(object, context);
    } catch (thrown) {
      error = thrown;
      failed = true;
      outcome = decide(thrown, object, context);
    } finally {
      cancelTimeout?.();
      passes.delete(abort);
    }
    return conclude({ turn, object, outcome, failed, error, tookMs: clock.now() - startedAt, log: passLog });
  }

  function decide(error: unknown, object: Readonly<T>, context: Context<V>): ErrorOutcome {
    try {
      return (options.errorPolicy ?? defaultErrorPolicy)(error, object, context);
    } catch (thrown) {
      metrics.panic();
      context.log.error({ err: thrown }, "the error policy threw");
      return { type: "backoff" };
    }
  }

  /** THE switch: what a pass came to, as metric, log line, Event and the key's next turn. */
  function conclude(pass: Pass<T>): Next {
    const { outcome, failed, error, tookMs, turn, object, log } = pass;
    const waits = outcome.type === "awaitChange";
    metrics.reconciled(failed ? "error" : resultOf(outcome), tookMs);
    if (!failed) {
      log.debug({ outcome, tookMs }, "reconciled");
    } else if (stopping.signal.aborted) {
      log.info({ err: error, tookMs }, "interrupted by the shutdown");
    } else {
      if (waits) metrics.terminalError();
      const failures = turn.failures + 1;
      log[waits ? "error" : "warn"](
        { err: error, outcome, failures, tookMs },
        waits ? "failed until a change" : "failed",
      );
      if (waits || failures >= failuresUntilEvent) {
        world.events.emit(object, {
          type: "Warning",
          reason: error instanceof TerminalError ? error.reason : "ReconcileFailed",
          action: "Reconcile",
          message: error instanceof Error ? error.message : String(error),
        });
      }
    }
    const resyncMs =
      options.resyncEveryMs === undefined ? undefined : Math.max(1, spread(options.resyncEveryMs, 0.2, random()));
    if (outcome.type === "backoff") return outcome;
    if (outcome.type === "awaitChange") {
      return resyncMs === undefined ? { type: "idle" } : { type: "resync", afterMs: resyncMs };
    }
    if (outcome.afterMs === 0) return { type: "again" };
    return !failed && resyncMs !== undefined && resyncMs < outcome.afterMs
      ? { type: "resync", afterMs: resyncMs }
      : { type: "after", afterMs: outcome.afterMs, failed };
  }

  async function feed(source: Source): Promise<void> {
    const { signal } = stopping;
    const emit = (ref: Ref): void => queue.add(keyOf(ref), { reason: `source ${source.name}` });
    for (let attempt = 0; !signal.aborted; attempt++) {
      const startedAt = clock.now();
      try {
        await source.run(emit, signal);
        if (!signal.aborted) log.warn({ source: source.name }, "source ended; starting it again");
      } catch (error) {
        if (!signal.aborted) log.error({ err: error, source: source.name }, "source failed; starting it again");
      }
      if (clock.now() - startedAt > backoff.maxMs) attempt = 0;
      if (!signal.aborted) await sleep(clock, backoffMs(attempt, backoff, random()), signal);
    }
  }

  const unsubscribe = wakes(options).map(subscribeTo);
  for (const object of cache.list(options.for)) {
    guarded("initial list", () => {
      if (options.when?.({ type: "initial", object }) === false) return;
      queue.add(keyOf(refTo(object)), { priority: priorities.low, reason: "initial list" });
    });
  }
  const running = Promise.all([
    ...Array.from({ length: options.concurrency ?? 1 }, work),
    ...(options.sources ?? []).map(feed),
  ]);
  const stop = async (): Promise<void> => {
    stopping.abort();
    for (const each of unsubscribe) each();
    await queue.close();
    await running;
  };
  return {
    state: () => queue.state(),
    stop,
    abort: (reason) => {
      const stopped = stop();
      for (const pass of passes) pass.abort(reason);
      return stopped;
    },
  };
}

interface Pass<T extends KubeObject> {
  readonly turn: Turn;
  readonly object: Readonly<T>;
  readonly outcome: ErrorOutcome;
  readonly failed: boolean;
  readonly error: unknown;
  readonly tookMs: number;
  readonly log: Log;
}

/** The object that the key meant until now is no more: what failed with it must not count against its namesake. */
function replaces(delta: Delta): boolean {
  return delta.type === "deleted" || (delta.type === "updated" && delta.old.metadata.uid !== delta.object.metadata.uid);
}

function resultOf(outcome: ErrorOutcome): ReconcileResult {
  if (outcome.type === "awaitChange") return "success";
  return outcome.type === "requeue" && outcome.afterMs > 0 ? "requeue_after" : "requeue";
}
