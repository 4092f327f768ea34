// One pass: from an object to what becomes of its key. The one place where an outcome or an error becomes metric, log line, span,
// Event and the key's next turn.
import { randomUUID } from "node:crypto";
import { spread } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { TerminalError } from "../kube/errors.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { KubeObject } from "../kube/object.ts";
import type { Cache } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { ControllerMetrics, ReconcileResult } from "../telemetry/metrics.ts";
import type { PassSpan, Tracing } from "../telemetry/trace.ts";
import { boundClient } from "./bound-client.ts";
import { defaultErrorPolicy, type ErrorOutcome, type Outcome } from "./outcome.ts";
import type { Next, Turn } from "./queue.ts";
import { tracedClient } from "./traced-client.ts";

/** Everything that one pass may use; each part can be replaced in a test. `value` is of the controller's own type. */
export interface Context<V> {
  /** Writes are remembered: `cache` shows them at once. Calls end with `signal`; writes need the lease. */
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  /** The time of day for conditions and schedules: a pass that asks here can be tested at any instant. */
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted on a lost lease, when the pass takes too long, and at shutdown if it has not ended by itself. */
  readonly signal: AbortSignal;
  readonly value: V;
}

/** One level-triggered pass over one object: it is told which, never why. */
export type Reconcile<T extends KubeObject, V> = (object: Readonly<T>, context: Context<V>) => Promise<Outcome>;

/** What a controller does with one object. */
export interface PassOptions<T extends KubeObject, V> {
  /** Metric label, log field, and in the name of spans. */
  readonly name: string;
  readonly reconcile: Reconcile<T, V>;
  /** Default: `defaultErrorPolicy`. */
  readonly errorPolicy?: (error: unknown, object: Readonly<T>, context: Context<V>) => ErrorOutcome;
  /**
   * The reason of the Event about a failure; undefined: none, since the reconciler has told of it. It may ask the context's cache,
   * which knows what the pass wrote. Default: that of a TerminalError, else "ReconcileFailed".
   */
  readonly eventReason?: (error: unknown, object: Readonly<T>, context: Context<V>) => string | undefined;
  /** Every object is reconciled again about this often, from the cache (±20%), to mend what cannot be watched. Off by default. */
  readonly resyncEveryMs?: number;
  /** A pass that takes longer sees its signal aborted. Its key stays held until it returns. Default: none. */
  readonly timeoutMs?: number;
}

export interface PassWorld<V> {
  readonly value: V;
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: ControllerMetrics;
  /** Absent: no spans. */
  readonly tracing?: Tracing | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** Aborted when the controller stops: failures are then no news. */
  readonly stopping: AbortSignal;
  /** Told of each answer to a write. */
  readonly wrote: (author: Turn["key"], written: KubeObject) => void;
}

export interface Passes<T extends KubeObject> {
  /** Never rejects for what the reconciler does. */
  readonly run: (turn: Turn, object: Readonly<T>) => Promise<Next>;
  /** Aborts the signal of every pass that runs. */
  readonly abort: (reason: Error) => void;
}

/** How often in a row an object must fail before its people are told by an Event; a terminal failure is told at once. */
const failuresUntilEvent = 3;

export function createPasses<T extends KubeObject, V>(options: PassOptions<T, V>, world: PassWorld<V>): Passes<T> {
  const { metrics, clock, cache, random, stopping } = world;
  const running = new Set<AbortController>();

  async function run(turn: Turn, object: Readonly<T>): Promise<Next> {
    const startedAt = clock.now();
    const abort = new AbortController();
    const { signal } = abort;
    const { namespace, name } = object.metadata;
    const span = spanOf(turn, object);
    const passLog = world.log.child({ namespace, name, reconcileId: randomUUID(), ...span?.logFields });
    const client = boundClient(world.client, {
      signal,
      afterWrite: (written) => world.wrote(turn.key, written),
    });
    const context: Context<V> = {
      client: span === undefined ? client : tracedClient(client, span),
      cache,
      events: world.events,
      clock,
      log: passLog,
      signal,
      value: world.value,
    };
    const cancelTimeout =
      options.timeoutMs === undefined
        ? undefined
        : clock.after(options.timeoutMs, () => {
            metrics.timeout();
            abort.abort(new Error(`the pass took longer than ${options.timeoutMs} ms`));
          });
    running.add(abort);
    passLog.debug({ reason: turn.reason, waitedMs: turn.waitedMs, failures: turn.failures }, "reconciling");
    let error: unknown;
    let failed = false;
    let outcome: ErrorOutcome;
    try {
      const reconcile = (): Promise<Outcome> => options.reconcile(object, context);
      outcome = await (span === undefined ? reconcile() : span.run(reconcile));
    } catch (thrown) {
      error = thrown;
      failed = true;
      outcome = decide(thrown, object, context);
    } finally {
      cancelTimeout?.();
      running.delete(abort);
    }
    if (span !== undefined) endSpan(span, outcome, failed, error);
    return conclude({ turn, object, outcome, failed, error, tookMs: clock.now() - startedAt, context });
  }

  /** The reason for the pass is in here and in the log, and in nothing that the reconciler is given. */
  function spanOf(turn: Turn, object: Readonly<T>): PassSpan | undefined {
    return world.tracing?.pass(`reconcile ${options.name}`, {
      "controller.name": options.name,
      "k8s.namespace.name": object.metadata.namespace,
      "k8s.object.name": object.metadata.name,
      "k8s.object.uid": object.metadata.uid,
      "reconcile.reason": turn.reason,
      "reconcile.waited_ms": Math.round(turn.waitedMs),
      "reconcile.failures": turn.failures,
    });
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

  function eventReason(error: unknown, object: Readonly<T>, context: Context<V>): string | undefined {
    const standard = error instanceof TerminalError ? error.reason : "ReconcileFailed";
    if (options.eventReason === undefined) return standard;
    try {
      return options.eventReason(error, object, context);
    } catch (thrown) {
      metrics.panic();
      context.log.error({ err: thrown }, "eventReason threw");
      return standard;
    }
  }

  /** THE switch: what a pass came to, as metric, log line, Event and the key's next turn. */
  function conclude(pass: Pass<T, V>): Next {
    const { outcome, failed, error, tookMs, turn, object, context } = pass;
    const { log } = context;
    const waits = outcome.type === "awaitChange";
    metrics.reconciled(failed ? "error" : resultOf(outcome), tookMs);
    if (!failed) {
      log.debug({ outcome, tookMs }, "reconciled");
    } else if (stopping.aborted) {
      log.info({ err: error, tookMs }, "interrupted by the shutdown");
    } else {
      if (waits) metrics.terminalError();
      const failures = turn.failures + 1;
      log[waits ? "error" : "warn"](
        { err: error, outcome, failures, tookMs },
        waits ? "failed until a change" : "failed",
      );
      const reason = waits || failures >= failuresUntilEvent ? eventReason(error, object, context) : undefined;
      if (reason !== undefined) {
        world.events.emit(object, {
          type: "Warning",
          reason,
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

  return {
    run,
    abort: (reason) => {
      for (const each of running) each.abort(reason);
    },
  };
}

interface Pass<T extends KubeObject, V> {
  readonly turn: Turn;
  readonly object: Readonly<T>;
  readonly outcome: ErrorOutcome;
  readonly failed: boolean;
  readonly error: unknown;
  readonly tookMs: number;
  readonly context: Context<V>;
}

/** A failure that came with an outcome is told without making the pass one that failed, as in the metrics. */
function endSpan(span: PassSpan, outcome: ErrorOutcome, failed: boolean, error: unknown): void {
  const waits = outcome.type === "requeue" ? { "reconcile.requeue_after_ms": outcome.afterMs } : {};
  if (failed) span.fail(error, { "reconcile.result": "error", "reconcile.outcome": outcome.type, ...waits });
  else span.end({ "reconcile.result": resultOf(outcome), "reconcile.outcome": outcome.type, ...waits });
}

function resultOf(outcome: ErrorOutcome): ReconcileResult {
  if (outcome.type === "awaitChange") return "success";
  return outcome.type === "requeue" && outcome.afterMs > 0 ? "requeue_after" : "requeue";
}
