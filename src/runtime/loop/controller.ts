// A controller: kinds + queue + workers. Changes in the cache become keys, keys become passes, one at a time each.
import { isDeepStrictEqual } from "node:util";
import { backoffMs, defaultBackoff, type Backoff } from "../backoff.ts";
import { sleep, type Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/events.ts";
import { keyOf, refOf, refTo, type Key, type Kind, type KubeObject, type Ref } from "../kube/object.ts";
import type { Cache, Delta } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { ControllerMetrics, Metrics } from "../telemetry/metrics.ts";
import type { Tracing } from "../telemetry/trace.ts";
import { isBeginning } from "./beginnings.ts";
import { OwnWrites } from "./own-writes.ts";
import { createPasses, type PassOptions } from "./pass.ts";
import { priorities, WorkQueue, type AddOptions, type Next, type QueueState, type Turn } from "./queue.ts";
import { othersTurn } from "./time-slice.ts";
import { keysOf, wakes, type Wake, type Watches } from "./wakes.ts";

/** Feeds keys from outside Kubernetes until the signal aborts. When it ends or throws before, it is started again, with backoff. */
export interface Source {
  readonly name: string;
  readonly run: (emit: (ref: Ref) => void, signal: AbortSignal, world: SourceWorld) => Promise<void>;
}

/** What a source may look at: whom the news is for, and the time. */
export type SourceWorld = Pick<ControllerWorld, "cache" | "clock">;

/** What a controller is: which kinds it watches, what it does with an object, and the value that each of its passes is given. */
export type ControllerOptions<T extends KubeObject, V> = ControllerSettings<T, V> & Value<V>;

/** May be left out where nothing is asked of it. */
type Value<V> = undefined extends V ? { readonly value?: V } : { readonly value: V };

interface ControllerSettings<T extends KubeObject, V> extends Watches<T>, PassOptions<T, V> {
  readonly sources?: readonly Source[];
  /**
   * true: a status of the controller's own kind that somebody else has written wakes its object, whatever `when` says: a person, or
   * a former leader whose last write came late. For a reconciler that writes the status through its context. Default false.
   */
  readonly guardsStatus?: boolean;
  /** How many keys may run at once. Default 1. */
  readonly concurrency?: number;
  /** Default 1 s … 5 min, factor 2, jitter 0.2. */
  readonly backoff?: Backoff;
  /** Called once, when the controller starts, thus in the process that leads: for metrics of its own. */
  readonly measure?: (world: MeasuredWorld) => void;
}

/** What a controller's own metrics are read from. */
export interface MeasuredWorld extends Pick<ControllerWorld, "cache" | "subscribe"> {
  readonly metrics: Pick<Metrics, "series">;
}

/** What a controller stands on; the manager gives it. */
export interface ControllerWorld {
  readonly client: KubeClient;
  /** Synced for every kind of the controller. */
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: ControllerMetrics;
  /** Absent: no spans. */
  readonly tracing?: Tracing | undefined;
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

export function startController<T extends KubeObject, V>(
  options: ControllerOptions<T, V>,
  world: ControllerWorld,
): RunningController {
  const { metrics, clock, cache } = world;
  const random = world.random ?? Math.random;
  const backoff = options.backoff ?? defaultBackoff;
  const log = world.log.child({ controller: options.name });
  const stopping = new AbortController();
  const ownWrites = new OwnWrites();
  /** What came while its key ran, and may be told by the end of that run to have been its own doing. */
  const earlyEchoes = new Map<Key, EarlyEcho[]>();
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

  const passes = createPasses(options, {
    ...world,
    // Left out only where undefined is a V.
    value: options.value as V,
    log,
    random,
    stopping: stopping.signal,
    wrote: (author, written) => ownWrites.wrote(author, written),
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
        // Its finalizers wait for us: whoever writes a predicate thinks of the spec.
        const mustCount = wake.own && isBeginning(delta);
        const counts = mustCount || wake.options.when?.(delta) !== false;
        const ofStatus = !counts && wake.own && options.guardsStatus === true && isStatusChange(delta);
        if (!counts && !ofStatus) return;
        const priority = delta.type === "initial" ? priorities.low : priorities.fresh;
        // Writes to its own kind are left to predicates, which can tell a status from a finalizer.
        const skips = ofStatus || (skipsOwn(wake) && delta.type !== "deleted" && delta.own === true);
        const author = skips ? ownWrites.authorOf(delta.object) : undefined;
        for (const key of keysOf(wake, delta, cache)) {
          const early = ofStatus || mayWait(wake, delta) ? earlyEchoes.get(key) : undefined;
          if (early !== undefined) early.push({ object: delta.object, options: { priority, reason } });
          else if (key !== author) queue.add(key, { priority, reason });
        }
      });
    });

  async function work(): Promise<void> {
    for (let turn = await queue.take(); turn !== undefined; turn = await queue.take()) {
      await runTurn(turn);
      const others = othersTurn();
      if (others !== undefined) await others;
    }
  }

  /** Whatever happens in here, the key is given back. */
  async function runTurn(turn: Turn): Promise<void> {
    let next: Next = { type: "backoff" };
    const early: EarlyEcho[] = [];
    earlyEchoes.set(turn.key, early);
    try {
      const object = cache.get(options.for, refOf(turn.key));
      if (object === undefined) {
        next = { type: "idle" };
        log.debug({ key: turn.key, reason: turn.reason }, "gone: nothing to reconcile");
      } else {
        next = await passes.run(turn, object);
      }
    } catch (error) {
      metrics.panic();
      log.error({ err: error, key: turn.key }, "the controller itself failed");
    } finally {
      earlyEchoes.delete(turn.key);
      for (const { object, options } of early) {
        if (ownWrites.authorOf(object) !== turn.key) queue.add(turn.key, options);
      }
      queue.done(turn.key, next);
    }
  }

  async function feed(source: Source): Promise<void> {
    const { signal } = stopping;
    const emit = (ref: Ref): void => queue.add(keyOf(ref), { reason: `source ${source.name}` });
    for (let attempt = 0; !signal.aborted; attempt++) {
      const startedAt = clock.now();
      try {
        await source.run(emit, signal, { cache, clock });
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
      passes.abort(reason);
      return stopped;
    },
  };
}

/** The watch may be faster than the answer to a write. A key that runs is not run before that run has ended, so it can wait. */
interface EarlyEcho {
  readonly object: Readonly<KubeObject>;
  readonly options: AddOptions;
}

function mayWait(wake: Wake, delta: Delta): boolean {
  return skipsOwn(wake) && delta.type !== "deleted" && delta.mayBeOwn === true;
}

function isStatusChange(delta: Delta): boolean {
  const statusOf = (object: KubeObject): unknown => (object as { readonly status?: unknown }).status;
  return delta.type === "updated" && !isDeepStrictEqual(statusOf(delta.old), statusOf(delta.object));
}

function skipsOwn({ own, options }: Wake): boolean {
  return !own && options.wakeOnOwnWrites !== true;
}

/** The object that the key meant until now is no more: what failed with it must not count against its namesake. */
function replaces(delta: Delta): boolean {
  return delta.type === "deleted" || (delta.type === "updated" && delta.old.metadata.uid !== delta.object.metadata.uid);
}
