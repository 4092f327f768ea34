// Which news of a status is worth a Warning Event: a trouble that has begun, or concerns more than before. Pure, and told by what is
// written against what was: once for each change, whoever looks how often.
import { findCondition, type EventNote } from "../../runtime/index.ts";
import { isReason, type Database, type DatabaseStatus, type Reason, type Remark } from "../api.ts";
import { instanceNumber, instanceOfPod } from "../names.ts";

/** What waits for an edit. Its words follow from what is to be edited alone. */
const edits: ReadonlySet<Reason> = new Set([
  "InvalidSpec",
  "ParameterRefused",
  "UnknownVersion",
  "PasswordSecretMissing",
  "PasswordUnusable",
  "CredentialsUnusable",
  "LastPrimaryUnknown",
  "NameTaken",
  "ImmutableField",
  "Refused",
]);

/** What does not happen in the ordinary course. In its words there are counts and states, which come and go while it lasts. */
const troubles: ReadonlySet<Reason> = new Set([
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
  "ReplicaUnusable",
]);

/** @returns undefined where there is nothing new to warn of */
export function warningOf({ metadata, status }: Readonly<Database>, after: DatabaseStatus): EventNote | undefined {
  const [old, now] = [warnedOf(status), warnedOf(after)];
  if (now === undefined) return undefined;
  const { reason, message } = now;
  if (old?.reason === reason) {
    const isNews = edits.has(reason) ? old.message !== message : isWider(metadata.name, old, now);
    if (!isNews) return undefined;
  }
  return { type: "Warning", reason, action: "Observe", message };
}

/** What Ready says, where a Warning has told so since it began. */
export function warnedOf(status: DatabaseStatus | undefined): Remark | undefined {
  const { reason = "", message = "" } = findCondition(status?.conditions, "Ready") ?? {};
  if (!isReason(reason) || !(edits.has(reason) || troubles.has(reason))) return undefined;
  // A switchover leaves nobody leading for a moment.
  const switching = reason === "NoPrimary" && findCondition(status?.conditions, "Progressing")?.reason === "RollingOut";
  return switching ? undefined : { reason, message };
}

/** It names an instance, by its Pod or volume, that it did not name before. */
function isWider(database: string, old: Remark, now: Remark): boolean {
  const known = subjectsOf(database, old);
  return subjectsOf(database, now).some((subject) => !known.includes(subject));
}

/** By number: a volume and its Pod are one instance. */
function subjectsOf(database: string, { message }: Remark): readonly number[] {
  const words = message.split(/[^a-z0-9-]+/);
  return words.flatMap((word) => instanceNumber(database, instanceOfPod(word) ?? word) ?? []);
}
