// How long to wait before trying again. Pure: the random number is an argument.

export interface Backoff {
  readonly initialMs: number;
  /** The cap of the exponential part; jitter is laid over it, so that keys which all reached the cap stay spread. */
  readonly maxMs: number;
  readonly factor: number;
  /** 0.2 spreads a delay over ±20%. */
  readonly jitter: number;
}

/** 1 s, 2 s, 4 s … 5 min, ±20%: what operators talk to (databases, clouds) gains nothing from milliseconds. */
export const defaultBackoff: Backoff = Object.freeze({ initialMs: 1_000, maxMs: 300_000, factor: 2, jitter: 0.2 });

/**
 * The delay in ms before retry number `attempt` (0 is the first).
 * @param random in [0, 1), e.g. of Math.random
 */
export function backoffMs(attempt: number, backoff: Backoff, random: number): number {
  // factor ** attempt becomes Infinity for large attempts, and min() makes that the cap; 0 × Infinity would be NaN.
  const grown = backoff.initialMs <= 0 ? 0 : backoff.initialMs * backoff.factor ** Math.max(attempt, 0);
  return spread(Math.min(grown, backoff.maxMs), backoff.jitter, random);
}

/** `delayMs` ± `jitter`, at least 0: things that were started together do not stay together. */
export function spread(delayMs: number, jitter: number, random: number): number {
  return Math.max(0, delayMs * (1 + jitter * (2 * random - 1)));
}
