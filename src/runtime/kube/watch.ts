// list → watch → relist as one async iterable that only ends when it is told to: it outlives cut connections, expired versions,
// overload and restarts of the API server. Whoever reads it knows at each point what the collection is.
import { type Backoff, backoffMs } from "../backoff.ts";
import { type Clock, sleep, systemClock } from "../clock.ts";
import type { KubeClient, WatchFrame } from "./client.ts";
import { ApiError, errorOfStatus, isExpired, isFutureVersion, isTooManyRequests } from "./errors.ts";
import { type Key, keyOf, type Kind, type KubeObject, refTo, resourceName } from "./object.ts";
import { listAll, type Snapshot } from "./snapshot.ts";
import { type Watchdog, watchdog } from "./watchdog.ts";

export type WatchSignal<T extends KubeObject> =
  /** The whole collection. What it lacks is gone. */
  | { readonly type: "synced"; readonly items: readonly T[]; readonly resourceVersion: string }
  | { readonly type: "changed"; readonly frame: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  /** Nothing else happened up to this version. */
  | { readonly type: "bookmark"; readonly resourceVersion: string }
  /** What was told so far may go stale now; it is tried again after `retryInMs`. */
  | { readonly type: "disconnected"; readonly error: unknown; readonly retryInMs: number };

export interface WatchCollectionOptions<T> {
  readonly signal: AbortSignal;
  readonly namespace?: string | undefined;
  readonly labels?: string | undefined;
  readonly fields?: string | undefined;
  /** Objects a page of a list; 0: no pages. Default 500. */
  readonly pageSize?: number;
  /** What is kept of each object of a whole collection. Called as each comes. Default: all. */
  readonly prepare?: (object: T) => T;
  readonly clock?: Clock;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** As client-go's reflector: 800 ms to 30 s. */
const watchBackoff: Backoff = { initialMs: 800, maxMs: 30_000, factor: 2, jitter: 0.5 };
/** A connection that lasted so long forgives the failures before it. */
const healthyMs = 120_000;
/** One that the server ends sooner, without a frame, is a failure: else a broken server would be asked without end. */
const shortMs = 1_000;
/** The server ends a watch by itself; this long after that time we do. */
const graceMs = 15_000;
/** https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists */
const initialEventsEnd = "k8s.io/initial-events-end";

/** Bookmarks come about once a minute, where they come at all. */
const bookmarkSilenceMs = 150_000;
/** A streamed collection that stops in the middle: the server does not know how, or died. */
const initialSilenceMs = 60_000;

/** @returns after `signal` aborted; never throws. */
export async function* watchCollection<T extends KubeObject>(
  client: Pick<KubeClient, "list" | "watch">,
  kind: Kind<T>,
  options: WatchCollectionOptions<T>,
): AsyncGenerator<WatchSignal<T>, void> {
  const { signal, namespace, labels, fields, clock = systemClock, random = Math.random, prepare } = options;
  const selection = { namespace, labels, fields };
  let pageSize = options.pageSize ?? 500;
  let streams = true;
  /** The version up to which everything was told; undefined: the whole collection is needed. */
  let version: string | undefined;
  let failures = 0;
  /** Where an ERROR frame came last. */
  let erredAt: string | undefined;

  while (!signal.aborted) {
    let watchingSince: number | undefined;
    /** The collection while it is streamed. Nothing of it counts before it is whole. */
    let initial: Initial<T> | undefined;
    let dog: Watchdog | undefined;
    let impassable = false;
    try {
      if (version === undefined && !streams) {
        const snapshot = await listAll(client, kind, { ...selection, signal }, pageSize, prepare);
        version = snapshot.resourceVersion;
        yield { type: "synced", ...snapshot };
      }

      watchingSince = clock.now();
      let frames = 0;
      const timeoutSeconds = Math.floor(300 + 300 * random());
      dog = watchdog(clock, signal, timeoutSeconds * 1_000 + graceMs);
      if (version === undefined) {
        initial = new Initial(prepare);
        dog.expect(initialSilenceMs);
      }
      const from =
        version === undefined
          ? ({ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" } as const)
          : { resourceVersion: version };
      for await (const frame of client.watch(kind, { ...selection, ...from, timeoutSeconds, signal: dog.signal })) {
        frames += 1;
        dog.hears();
        if (frame.type === "ERROR") {
          const error = errorOfStatus(frame.object, { call: `WATCH ${resourceName(kind)}` });
          // Met twice at one place it is met there for ever: by a change that the server itself cannot read.
          impassable = version !== undefined && version === erredAt && !isTooManyRequests(error);
          erredAt = version;
          throw error;
        }
        if (initial !== undefined) {
          const snapshot = initial.take(frame);
          if (snapshot === undefined) continue;
          initial = undefined;
          dog.expect(undefined);
          version = snapshot.resourceVersion;
          yield { type: "synced", ...snapshot };
          continue;
        }
        version = frame.object.metadata.resourceVersion ?? version;
        if (frame.type !== "BOOKMARK") {
          yield { type: "changed", frame: frame.type, object: frame.object };
        } else if (version !== undefined) {
          dog.expect(bookmarkSilenceMs);
          yield { type: "bookmark", resourceVersion: version };
        }
      }
      signal.throwIfAborted();
      const lastedMs = clock.now() - watchingSince;
      if (initial !== undefined) throw new Error("the watch ended before it had told the whole collection");
      if (frames === 0 && lastedMs < shortMs) throw new Error("the watch ended at once, without a frame");
      if (lastedMs >= healthyMs) failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (initial !== undefined && cannotStream(error)) {
        streams = false;
        continue;
      }
      if (watchingSince !== undefined && clock.now() - watchingSince >= healthyMs) failures = 0;
      let retryInMs = backoffMs(failures, watchBackoff, random());
      if (isExpired(error) || isFutureVersion(error) || impassable) {
        // A token that expired between pages: reading them takes longer than the API server remembers.
        if (version === undefined && !streams) pageSize = 0;
        version = undefined;
        if (failures === 0) retryInMs = 0;
      }
      failures += 1;
      if (error instanceof ApiError) retryInMs = Math.max(retryInMs, error.retryAfterMs ?? 0);
      yield { type: "disconnected", error, retryInMs };
      await sleep(clock, retryInMs, signal);
    } finally {
      dog?.stop();
    }
  }
}

/** Servers that know streaming lists by name refuse with 400 or 422; those that do not leave us waiting for the end. */
function cannotStream(error: unknown): boolean {
  return error instanceof ApiError ? [400, 405, 406, 415, 422].includes(error.status) : true;
}

class Initial<T extends KubeObject> {
  readonly #items = new Map<Key, T>();
  readonly #prepare: (object: T) => T;

  constructor(prepare: (object: T) => T = (object) => object) {
    this.#prepare = prepare;
  }

  /** The snapshot, with the frame that completes it. */
  take(frame: Exclude<WatchFrame<T>, { type: "ERROR" }>): Snapshot<T> | undefined {
    const { object } = frame;
    if (frame.type === "BOOKMARK") {
      if (object.metadata.annotations?.[initialEventsEnd] !== "true") return undefined;
      return { items: [...this.#items.values()], resourceVersion: object.metadata.resourceVersion ?? "" };
    }
    // What changes while the server reads the collection out comes in between.
    if (frame.type === "DELETED") this.#items.delete(keyOf(refTo(object)));
    else this.#items.set(keyOf(refTo(object)), this.#prepare(object));
    return undefined;
  }
}
