// Which news of a status is worth a Warning Event: a trouble that has begun, or has another cause now. Pure, and told by what is
// written against what was: once for each change, whoever looks how often.
import { findCondition, type EventNote } from "../runtime/index.ts";
import { isReason, type DatabaseStatus, type Reason } from "./api.ts";

/** What does not happen in the ordinary course. Failures of a pass are told by the runtime. */
const warned: ReadonlySet<Reason> = new Set([
  "NoPrimary",
  "StorageClassMissing",
  "VolumeLost",
  "VolumeNotExpandable",
  "Unschedulable",
  "ImageUnavailable",
  "ImageUnsuitable",
  "QuotaExceeded",
  "PodRefused",
  "ContainerNotStarting",
  "CrashLooping",
  "PostgresNotStarting",
  "DiskFull",
]);

/** @returns undefined where there is nothing new to warn of */
export function warningOf(before: DatabaseStatus | undefined, after: DatabaseStatus): EventNote | undefined {
  const [old, now] = [before, after].map((status) => findCondition(status?.conditions, "Ready"));
  if (now === undefined || !isReason(now.reason) || !warned.has(now.reason)) return undefined;
  if (old?.reason === now.reason && old.message === now.message) return undefined;
  // A switchover leaves nobody leading for a moment.
  if (now.reason === "NoPrimary" && findCondition(after.conditions, "Progressing")?.reason === "RollingOut") {
    return undefined;
  }
  return { type: "Warning", reason: now.reason, action: "Observe", message: now.message };
}
