// What a pass may answer, and what an error means when the controller has no policy of its own. Pure.
import { ApiError, isRefused, RetryAfterError, TerminalError } from "../kube/errors.ts";

/** What a pass asks for when it did not throw. */
export type Outcome = {
  /** What failed all the same, where there is more to do before that is tried again. For who listens: it decides nothing. */
  readonly failure?: unknown;
} & ({ readonly type: "awaitChange" } | { readonly type: "requeue"; readonly afterMs: number });

/** Nothing to do until an event comes. */
export const awaitChange: Outcome = Object.freeze({ type: "awaitChange" });

/**
 * Run again at the latest after this time (an event may do so earlier; the wait is then over); 0 is at once, but rate-limited.
 * @param failure see `Outcome`
 * @throws RangeError when it is not a time
 */
export function requeue(afterMs: number, failure?: unknown): Outcome {
  if (!(afterMs >= 0)) throw new RangeError(`requeue(${afterMs}): expected milliseconds, 0 or more`);
  return Object.freeze({ type: "requeue", afterMs, ...(failure === undefined ? {} : { failure }) });
}

/** What errorPolicy may answer beside an outcome: the key's exponential backoff, or longer if somebody asked for that. */
export type ErrorOutcome = Outcome | { readonly type: "backoff"; readonly atLeastMs?: number };

/**
 * Refused bodies (400, 422) and TerminalError await a change; RetryAfterError says itself when; everything else (no answer,
 * 403, 409, 429, 5xx, bugs) backs off, and no less than the server asked for.
 */
export function defaultErrorPolicy(error: unknown): ErrorOutcome {
  if (error instanceof RetryAfterError) return requeue(Math.max(0, error.afterMs));
  if (error instanceof TerminalError || isRefused(error)) return awaitChange;
  if (error instanceof ApiError && error.retryAfterMs !== undefined) {
    return { type: "backoff", atLeastMs: error.retryAfterMs };
  }
  return { type: "backoff" };
}
