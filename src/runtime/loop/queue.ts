// The keyed work queue: which key runs next, and when. One key is one entry however often it was added; it never runs twice
// at once. Single-threaded: every method but `take` and `close` is synchronous.
import { backoffMs, defaultBackoff, type Backoff } from "../backoff.ts";
import { maxTimerMs, systemClock, type Clock } from "../clock.ts";
import type { Key } from "../kube/object.ts";
import { Heap, type HeapItem } from "./heap.ts";

/** Fresh changes overtake the initial list and resyncs, so that a restart over many objects does not delay news. */
export const priorities = Object.freeze({ fresh: 0, low: -100 });

export interface AddOptions {
  /** Higher runs first. Default `priorities.fresh`. */
  readonly priority?: number;
  /** Why the key was woken, for logs and spans only. What wakes it again before its turn is added, while it fits. */
  readonly reason?: string;
}

/** A key whose turn has come. It stays held until `done`. */
export interface Turn {
  readonly key: Key;
  readonly priority: number;
  readonly reason: string;
  /** How many runs in a row have failed before this one. */
  readonly failures: number;
  /** How long the key was ready before it was taken. */
  readonly waitedMs: number;
}

/** What becomes of a key after its run. An add that came during the run always makes it run again at once. */
export type Next =
  /** Wait for an event. Failures are forgotten. */
  | { readonly type: "idle" }
  /** Run at the latest after this time. Failures are forgotten, unless this itself is the consequence of one. */
  | { readonly type: "after"; readonly afterMs: number; readonly failed?: boolean }
  /** As `after`, at low priority and not counted as a retry. */
  | { readonly type: "resync"; readonly afterMs: number }
  /** Again at once; each further time in a row waits longer, as failures do. Failures are forgotten. */
  | { readonly type: "again" }
  /** It failed: wait longer each time, and no less than `atLeastMs`. */
  | { readonly type: "backoff"; readonly atLeastMs?: number };

/** Told as it happens; what can be read at any time is in `state()`. */
export interface QueueObserver {
  added(): void;
  taken(waitedMs: number): void;
  finished(tookMs: number): void;
  retried(): void;
}

export interface QueueState {
  /** Keys that are ready to run, by priority. */
  readonly ready: ReadonlyMap<number, number>;
  /** For how long each key that runs now has been running. */
  readonly runningMs: readonly number[];
  /** In how long the next key that waits for a time becomes ready. */
  readonly dueInMs: number | undefined;
  /** How many turns have begun since the start. */
  readonly turns: number;
}

/** Reasons of a turn are joined up to about this many characters. */
const reasonLength = 100;

interface Entry extends HeapItem {
  readonly key: Key;
  /** When it may run. While the key runs: undefined unless it was added again. */
  readyAt: number | undefined;
  readySince: number;
  order: number;
  priority: number;
  /** What its run was taken with: a retry is as urgent as what it retries. */
  ranWith: number;
  reason: string;
  failures: number;
  /** The end of the current backoff: a failure before it (of a run that an event caused) neither moves it nor counts. */
  backoffUntil: number;
  /** The same of runs that asked for another one at once: they did not fail, and must not spin either. */
  agains: number;
  againUntil: number;
  runningSince: number | undefined;
  /** What runs began before `forget`: what it comes to says nothing of the object that is there now. */
  outdated: boolean;
}

export interface QueueOptions {
  readonly clock?: Clock;
  /** Default 1 s … 5 min, factor 2, jitter 0.2. */
  readonly backoff?: Backoff;
  readonly observer?: QueueObserver;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/**
 * A fresh add of a key that is in backoff runs it at once, since the change may be the remedy; if that run fails too, the key
 * goes on waiting for the deadline that it had, and its failures do not grow: an event storm neither hurries nor delays the
 * retries (https://github.com/kubernetes/kubernetes/issues/132805).
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #random: () => number;
  readonly #observer: QueueObserver | undefined;
  readonly #entries = new Map<Key, Entry>();
  readonly #ready = new Heap<Entry>((a, b) =>
    a.priority === b.priority ? a.order < b.order : a.priority > b.priority,
  );
  readonly #waiting = new Heap<Entry>((a, b) => (a.readyAt ?? 0) < (b.readyAt ?? 0));
  readonly #takers = new Set<(turn: Turn | undefined) => void>();
  readonly #running = new Set<Entry>();
  readonly #drained = Promise.withResolvers<void>();
  #order = 0;
  #turns = 0;
  #closed = false;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(options: QueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#random = options.random ?? Math.random;
    this.#observer = options.observer;
  }

  /** How many keys are known: ready, waiting, running, or remembered for their failures. */
  get size(): number {
    return this.#entries.size;
  }

  /** A run of this key that starts from now on will follow, unless the queue is closed. */
  add(key: Key, options: AddOptions = {}): void {
    if (this.#closed) return;
    const entry = this.#entry(key);
    this.#schedule(entry, this.#clock.now(), options.priority ?? priorities.fresh, options.reason ?? "");
    this.#pump();
  }

  /**
   * The object behind the key is gone or another one: its failures and deadlines, and those of a run that has not ended yet, are
   * not those of what comes next.
   */
  forget(key: Key): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#settle(entry);
    entry.outdated = entry.runningSince !== undefined;
    if (this.#waiting.has(entry)) {
      this.#waiting.remove(entry);
      entry.readyAt = undefined;
      this.#setTimer(this.#clock.now());
    }
    this.#dropIfIdle(entry);
  }

  /** The next key in turn, as soon as there is one; undefined once the queue is closed or `signal` has aborted. */
  take(signal?: AbortSignal): Promise<Turn | undefined> {
    if (this.#closed || signal?.aborted === true) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<Turn | undefined>();
    const stop = (): void => settle(undefined);
    const settle = (turn: Turn | undefined): void => {
      signal?.removeEventListener("abort", stop);
      this.#takers.delete(settle);
      resolve(turn);
    };
    signal?.addEventListener("abort", stop, { once: true });
    this.#takers.add(settle);
    this.#pump();
    return promise;
  }

  /** Must follow every `take`, also after a throw: until then the key is held. */
  done(key: Key, next: Next): void {
    const entry = this.#entries.get(key);
    if (entry?.runningSince === undefined) throw new Error(`done(${key}) without take`);
    const now = this.#clock.now();
    this.#observer?.finished(now - entry.runningSince);
    entry.runningSince = undefined;
    this.#running.delete(entry);
    if (this.#closed) {
      this.#entries.delete(key);
      if (this.#running.size === 0) this.#drained.resolve();
      return;
    }
    if (entry.outdated) entry.outdated = false;
    else this.#follow(entry, next, now);
    this.#place(entry, now);
    this.#dropIfIdle(entry);
    this.#pump();
  }

  /** Nothing starts any more; resolves when what runs has ended. What waited is dropped: the next start lists it again. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#timer?.cancel();
      for (const taker of this.#takers) taker(undefined);
      this.#ready.clear();
      this.#waiting.clear();
      for (const entry of this.#entries.values()) if (!this.#running.has(entry)) this.#entries.delete(entry.key);
      if (this.#running.size === 0) this.#drained.resolve();
    }
    return this.#drained.promise;
  }

  state(): QueueState {
    const now = this.#clock.now();
    const ready = new Map<number, number>();
    for (const entry of this.#ready) ready.set(entry.priority, (ready.get(entry.priority) ?? 0) + 1);
    const dueAt = this.#waiting.peek()?.readyAt;
    return {
      ready,
      runningMs: [...this.#running].map((entry) => now - (entry.runningSince ?? now)),
      dueInMs: dueAt === undefined ? undefined : dueAt - now,
      turns: this.#turns,
    };
  }

  #entry(key: Key): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      key,
      place: -1,
      readyAt: undefined,
      readySince: 0,
      order: 0,
      priority: priorities.low,
      ranWith: priorities.low,
      reason: "",
      failures: 0,
      backoffUntil: 0,
      agains: 0,
      againUntil: 0,
      runningSince: undefined,
      outdated: false,
    };
    this.#entries.set(key, entry);
    return entry;
  }

  /** The one place where an outcome becomes a time. */
  #follow(entry: Entry, next: Next, now: number): void {
    if (next.type === "idle" || next.type === "resync" || (next.type === "after" && next.failed !== true)) {
      this.#settle(entry);
    }
    switch (next.type) {
      case "idle":
        return;
      case "resync":
        this.#schedule(entry, now + next.afterMs, priorities.low, "resync");
        return;
      case "after":
        this.#observer?.retried();
        this.#schedule(entry, now + next.afterMs, entry.ranWith, "requeue");
        return;
      case "again": {
        this.#observer?.retried();
        this.#forgiveFailures(entry);
        if (now >= entry.againUntil) {
          entry.againUntil = now + (entry.agains === 0 ? 0 : this.#delayMs(entry.agains - 1));
          entry.agains += 1;
        }
        this.#schedule(entry, entry.againUntil, entry.ranWith, "requeue");
        return;
      }
      case "backoff": {
        this.#observer?.retried();
        if (now >= entry.backoffUntil) {
          entry.backoffUntil = now + this.#delayMs(entry.failures);
          entry.failures += 1;
        }
        this.#schedule(entry, Math.max(entry.backoffUntil, now + (next.atLeastMs ?? 0)), entry.ranWith, "retry");
        return;
      }
    }
  }

  #delayMs(attempt: number): number {
    return backoffMs(attempt, this.#backoff, this.#random());
  }

  #forgiveFailures(entry: Entry): void {
    entry.failures = 0;
    entry.backoffUntil = 0;
  }

  /** There is nothing left that asks for another run. */
  #settle(entry: Entry): void {
    this.#forgiveFailures(entry);
    entry.agains = 0;
    entry.againUntil = 0;
  }

  /** The earliest time and the highest priority win; while the key runs they are kept for after it. */
  #schedule(entry: Entry, at: number, priority: number, reason: string): void {
    const now = this.#clock.now();
    const pending = entry.readyAt !== undefined;
    entry.priority = pending ? Math.max(entry.priority, priority) : priority;
    if (!pending || at < (entry.readyAt ?? 0)) {
      entry.readyAt = at;
      entry.reason = reason;
    } else if (at <= now && entry.reason.length < reasonLength && !entry.reason.includes(reason)) {
      entry.reason += `, ${reason}`;
    }
    if (entry.runningSince === undefined) this.#place(entry, now);
  }

  /** Puts the entry into the heap where it belongs. */
  #place(entry: Entry, now: number): void {
    if (entry.readyAt === undefined) return;
    if (this.#ready.has(entry)) {
      this.#ready.moved(entry);
    } else if (entry.readyAt > now) {
      if (this.#waiting.has(entry)) this.#waiting.moved(entry);
      else this.#waiting.push(entry);
    } else {
      if (this.#waiting.has(entry)) this.#waiting.remove(entry);
      this.#becameReady(entry, now);
    }
  }

  #becameReady(entry: Entry, now: number): void {
    entry.readySince = now;
    entry.order = this.#order++;
    this.#observer?.added();
    this.#ready.push(entry);
  }

  /** Moves what fell due, hands out what is ready, and sets the timer for what is not. */
  #pump(): void {
    const now = this.#clock.now();
    for (let entry = this.#waiting.peek(); entry !== undefined; entry = this.#waiting.peek()) {
      if ((entry.readyAt ?? 0) > now) break;
      this.#waiting.remove(entry);
      this.#becameReady(entry, now);
    }
    for (const taker of this.#takers) {
      const entry = this.#ready.pop();
      if (entry === undefined) break;
      taker(this.#start(entry, now));
    }
    this.#setTimer(now);
  }

  #start(entry: Entry, now: number): Turn {
    const { key, priority, reason, failures } = entry;
    entry.readyAt = undefined;
    entry.ranWith = priority;
    entry.runningSince = now;
    this.#running.add(entry);
    this.#turns += 1;
    const waitedMs = now - entry.readySince;
    this.#observer?.taken(waitedMs);
    return { key, priority, reason, failures, waitedMs };
  }

  #setTimer(now: number): void {
    const at = this.#waiting.peek()?.readyAt;
    if (at === this.#timer?.at) return;
    this.#timer?.cancel();
    // A delay beyond what a timer can hold fires early, finds nothing due, and is set again.
    this.#timer =
      at === undefined
        ? undefined
        : { at, cancel: this.#clock.after(Math.min(Math.max(at - now, 0), maxTimerMs), () => this.#fired()) };
  }

  #fired(): void {
    this.#timer = undefined;
    this.#pump();
  }

  #dropIfIdle(entry: Entry): void {
    if (entry.readyAt === undefined && entry.runningSince === undefined && entry.failures + entry.agains === 0) {
      this.#entries.delete(entry.key);
    }
  }
}
