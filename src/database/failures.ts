// Of the failures of a pass: which one decides when it is tried again. Pure.
import { isRefused, RetryAfterError, TerminalError } from "../runtime/index.ts";

/** Waits for an edit: trying the same again can only fail again. */
export const waitsForEdit = (error: unknown): boolean => error instanceof TerminalError || isRefused(error);

/**
 * What is to be tried again soonest: a failure with backoff, then the one that names the nearest time, then one that waits for
 * an edit. A child that waits must not keep the others from being tried again.
 */
export function mostUrgent(failures: readonly Error[]): Error | undefined {
  const backsOff = failures.find((error) => !waitsForEdit(error) && !(error instanceof RetryAfterError));
  if (backsOff !== undefined) return backsOff;
  const [soonest] = failures
    .filter((error) => error instanceof RetryAfterError)
    .toSorted((a, b) => a.afterMs - b.afterMs);
  return soonest ?? failures[0];
}
