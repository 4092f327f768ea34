// A controller: kinds + queue + workers. The one place where an outcome or an error becomes queue, log, metric and Event.
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { Key, Kind, KubeObject, Ref } from "../kube/object.ts";
import type { Cache, Delta } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";

/** What a pass asks for when it did not throw. */
export type Outcome = { readonly type: "awaitChange" } | { readonly type: "requeue"; readonly afterMs: number };

/** Nothing to do until an event comes. */
export const awaitChange: Outcome = Object.freeze({ type: "awaitChange" });

/** Run again at the latest after this time; 0 is at once, but rate-limited. */
export function requeue(afterMs: number): Outcome {
  return Object.freeze({ type: "requeue", afterMs });
}

/** What errorPolicy may answer beside an outcome: the key's exponential backoff. */
export type ErrorOutcome = Outcome | { readonly type: "backoff" };

/** Everything that one pass may use; each part can be replaced in a test. `value` is of the controller's own type. */
export interface Context<V> {
  /** Writes are remembered: `cache` shows them at once. */
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  /** Aborted at shutdown, on a lost lease and when the pass takes too long. */
  readonly signal: AbortSignal;
  readonly value: V;
}

/** One level-triggered pass over one object: it is told which, never why. */
export type Reconcile<T extends KubeObject, V> = (object: Readonly<T>, context: Context<V>) => Promise<Outcome>;

export type Predicate<T extends KubeObject = KubeObject> = (delta: Delta<T>) => boolean;

/** Which objects of a kind to watch. There is one watch (and one cache) a kind in a manager. */
export interface WatchOptions<T extends KubeObject> {
  readonly labels?: string;
  readonly fields?: string;
  /** Drops what nobody reads before it is stored. managedFields of others are dropped always. */
  readonly transform?: (object: T) => T;
  readonly when?: Predicate<T>;
}

export interface Owned<T extends KubeObject> extends WatchOptions<T> {
  readonly kind: Kind<T>;
}

export interface Watched<T extends KubeObject> extends WatchOptions<T> {
  readonly kind: Kind<T>;
  /** The objects to reconcile when this one changed. Called with the old and the new object. A throw is logged and ignored. */
  readonly map: (object: Readonly<T>, cache: Cache) => Iterable<Ref>;
}

export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  /** 0.2 spreads a delay over ±20%. */
  readonly jitter: number;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface ControllerOptions<T extends KubeObject, V> extends WatchOptions<T> {
  /** Metric label and log field. */
  readonly name: string;
  readonly for: Kind<T>;
  readonly owns?: readonly Owned<any>[];
  readonly watches?: readonly Watched<any>[];
  /** Feeds keys from outside Kubernetes until the signal aborts. */
  readonly sources?: readonly {
    readonly name: string;
    readonly run: (emit: (ref: Ref) => void, signal: AbortSignal) => Promise<void>;
  }[];
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
  /** A pass that takes longer sees its signal aborted. Default: none. */
  readonly timeoutMs?: number;
}

export type { Key };
