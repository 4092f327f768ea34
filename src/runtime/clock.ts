// Time as a value that is passed in, so that every deadline can be tested without waiting. Knows nothing else.

/** setTimeout takes 32 bits; a longer delay would fire at once (https://nodejs.org/api/timers.html#settimeoutcallback-delay-args). */
export const maxTimerMs = 2 ** 31 - 1;

export interface Clock {
  /** Milliseconds that only ever grow; their origin means nothing. For deadlines. */
  now(): number;
  /** The time of day, which may jump. For people and for the API, never for deadlines. */
  date(): Date;
  /** Calls back once after `delayMs` (negative: soon; at most `maxTimerMs`). Answers how to cancel it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  date: () => new Date(),
  after: (delayMs: number, callback: () => void) => {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), maxTimerMs));
    return () => clearTimeout(timer);
  },
});

/** Resolves after `delayMs`, or as soon as `signal` aborts. Never rejects: the caller looks at its signal. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
