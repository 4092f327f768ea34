// A clock that moves only when a test says so. Timers fire in order of their time; between two of them everything that was
// resolved runs to its next wait.
import type { Clock } from "../src/runtime/index.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #timers = new Set<Timer>();
  readonly #startedAt: number;

  constructor(startedAt = Date.parse("2026-01-01T00:00:00Z")) {
    this.#startedAt = startedAt;
  }

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(this.#startedAt + this.#now);
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait: 0 shows that nothing was left behind. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves on by `ms`, firing what falls due on the way. `each` runs after every timer. */
  async advance(ms: number, each?: () => void): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
      await settle();
      each?.();
    }
    this.#now = end;
  }

  /** Moves on without letting anything run: a process that was suspended, or an event loop that stalled. */
  stall(ms: number): void {
    this.#now += ms;
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

/** Lets every promise that is already resolved run on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
