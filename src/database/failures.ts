// Of the failures of a pass: what they are called, and which one decides when it is tried again. Pure.
import { isForbidden, isRefused, RetryAfterError, TerminalError, type ApiError } from "../runtime/index.ts";

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

/** What is in the way (another's object, a quota) is not watched: nobody tells us when it goes. */
export const blockedAgainMs = 30_000;

/** How long it is waited before the same is tried again, in milliseconds: 0 with backoff, Infinity where only an edit helps. */
export function patienceMs(error: unknown): number {
  if (error instanceof RetryAfterError) return Math.max(0, error.afterMs);
  if (error instanceof TerminalError && error.reason === "NameTaken") return blockedAgainMs;
  return waitsForEdit(error) ? Infinity : 0;
}

/**
 * What Kubernetes forbids for a cause that has a reason of its own gets that reason, and is tried again when that can help. It tells
 * the causes by their words alone. Anything else as it is.
 */
export function named(error: Error): Error {
  if (!isForbidden(error)) return error;
  const { message, details } = error as ApiError;
  // It goes with all that is in it: nothing helps, and the deletion of the Database itself wakes it.
  if (details?.causes?.some(({ reason }) => reason === "NamespaceTerminating")) {
    return new TerminalError("Deleting", "the namespace is being deleted", { cause: error });
  }
  // plugin/pkg/admission/storage/persistentvolume/resize/admission.go
  if (message.includes("the storageclass that provisions the pvc must support resize")) {
    return new TerminalError("VolumeNotExpandable", message, { cause: error });
  }
  if (message.includes("exceeded quota")) {
    return new RetryAfterError(message, blockedAgainMs, { reason: "QuotaExceeded", cause: error });
  }
  return error;
}
