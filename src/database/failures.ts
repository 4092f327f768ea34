// Of the failures of a pass: what they are called, which one is told, and which decides when it is tried again. Pure.
import { ApiError, isForbidden, isRefused, RetryAfterError, TerminalError } from "../runtime/index.ts";
import { isReason, type Reason, type Remark } from "./api.ts";
import type { Pass } from "./pass.ts";

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

/** The failure of a pass that its conditions tell. */
export interface Failure extends Remark {
  readonly waitsForEdit: boolean;
}

/** What waits for an edit before what is tried again by itself; undefined where nothing failed. */
export function failureOf({ failure, failures = [] }: Pass): Failure | undefined {
  const all = [...failures, ...(failure === undefined ? [] : [{ child: undefined, error: failure }])];
  const [told] = [
    ...all.filter(({ error }) => waitsForEdit(error)),
    ...all.filter(({ error }) => error === failure),
    ...all,
  ];
  if (told === undefined) return undefined;
  const [{ error, child }, reason] = [told, reasonOf(told.error)];
  const again = waitsForEdit(error) || reason === "Contested" ? "" : "; it is tried again by itself";
  return {
    reason,
    message: `${child === undefined ? "" : `${child}: `}${messageOf(error)}${again}`,
    waitsForEdit: waitsForEdit(error),
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The reason of a condition, an Event and a metric for an error of whatever kind. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof ApiError) {
    if (isForbidden(error)) return mayNot(error) ? "Forbidden" : "Refused";
    return isRefused(error) ? "Refused" : "ReconcileFailed";
  }
  const reason = (error as { reason?: unknown } | undefined)?.reason;
  return typeof reason === "string" && isReason(reason) ? reason : "ReconcileFailed";
}

/** 403 is said by the authorizer, and also by what looks at an object before it is let in: limits, policies, webhooks. */
const mayNot = ({ message }: ApiError): boolean => !/is forbidden: (?!User )|denied the request/.test(message);
