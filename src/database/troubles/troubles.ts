// What is wrong with an instance: the cause behind "it is not ready", from its StatefulSet, volume and Pod, and from what was looked
// up where these do not tell. Pure. The most telling cause alone counts; what it says does not change while it lasts.
import type { PersistentVolumeClaim, Pod } from "../../runtime/index.ts";
import type { Reason, Remark } from "../api.ts";
import { containerTrouble, type Finding } from "./container-troubles.ts";
import type { Instance } from "../instances.ts";
import { saysDiskFull } from "./last-words.ts";
import { volumeLoss } from "../volume-loss.ts";
import { capacityOf, isUnbound } from "../volumes.ts";

/** What the cached objects of an instance do not tell. */
export interface Evidence {
  /** By the uid of a StatefulSet: why its Pod was refused, last. */
  readonly refusals: ReadonlyMap<string, string>;
  /** By name: the StorageClasses that unbound volumes ask for; undefined for one that does not exist. One that could not be read is absent. */
  readonly classes: ReadonlyMap<string, { readonly provisioner: string } | undefined>;
  /** By the uid of a Pod: PostgreSQL does not start in it. */
  readonly startFailures: ReadonlyMap<string, StartFailure>;
  /** By the name of an instance whose data are of no use any more. */
  readonly unusable: ReadonlyMap<string, UnusableData>;
}

export interface UnusableData {
  /** What its log says. */
  readonly words: string;
  /** What becomes of it, for people. */
  readonly outlook: string;
}

export interface StartFailure {
  /** It ran before in this container. */
  readonly crashed: boolean;
  /** What it said last, if that tells anything. */
  readonly words?: string | undefined;
}

/** What keeps one instance from serving. */
export interface Trouble extends Finding {
  /** Its name: "orders-1". */
  readonly instance: string;
  /** What it is about: "orders-1-0", "volume orders-1". */
  readonly subject: string;
  /** It belongs to the ordinary course, and passes by itself unless something else is wrong. */
  readonly passing: boolean;
}

/** Of each instance that is meant to stay what is wrong with it, what does not pass by itself first. */
export function troublesOf(instances: readonly Instance[], evidence: Evidence): readonly Trouble[] {
  return instances
    .filter(({ retired, statefulSet, pod }) => !retired && (statefulSet !== undefined || pod !== undefined))
    .flatMap((instance) => troubleOf(instance, instances, evidence) ?? [])
    .toSorted((a, b) => Number(a.passing) - Number(b.passing));
}

/** As one remark: the reason of the first, and what each is about; those of one cause together. */
export function remarkOf(troubles: readonly Trouble[]): Remark | undefined {
  const [first] = troubles;
  if (first === undefined) return undefined;
  const causes = Map.groupBy(troubles, ({ detail }) => detail);
  const message = [...causes].map(([detail, about]) => `${about.map(({ subject }) => subject).join(", ")}: ${detail}`);
  return { reason: first.reason, message: message.join("; ") };
}

function troubleOf(instance: Instance, instances: readonly Instance[], evidence: Evidence): Trouble | undefined {
  const { name, podName, statefulSet, volume, pod } = instance;
  const ofVolume = (reason: Reason, detail: string, passing = false): Trouble => {
    return { reason, instance: name, subject: `volume ${name}`, detail, passing };
  };
  const ofPod = ({ reason, detail }: Finding): Trouble => {
    return { reason, instance: name, subject: podName, detail, passing: false };
  };
  const loss = volumeLoss(instance, instances);
  if (loss !== undefined) return ofVolume("VolumeLost", loss);
  if (instance.deleting) return undefined;
  const full = instance.diskFull ? ofPod(outOfRoom(volume)) : undefined;
  const unusable = evidence.unusable.get(name);
  if (unusable !== undefined && full === undefined) return ofPod(lostTrack(unusable));
  if (instance.ready) return full;
  const refusal = pod === undefined ? evidence.refusals.get(statefulSet?.metadata.uid ?? "") : undefined;
  if (refusal !== undefined) return ofPod(refused(refusal));

  const unscheduled = pod === undefined ? undefined : unscheduledFor(pod);
  if (volume !== undefined && isUnbound(volume) && (unscheduled === undefined || isForVolume(unscheduled.detail))) {
    const [reason, detail, passing] = unbound(volume, evidence);
    return ofVolume(reason, detail, passing);
  }
  if (unscheduled !== undefined) return ofPod(unscheduled);
  if (pod === undefined) return undefined;
  const ofContainer = containerTrouble(pod);
  if (ofContainer !== undefined) return ofPod(withVolume(ofContainer, volume));
  const failure = evidence.startFailures.get(pod.metadata.uid ?? "");
  if (full !== undefined && failure?.words === undefined) return full;
  if (failure === undefined) return undefined;
  const what = failure.crashed ? "PostgreSQL crashed" : "PostgreSQL does not start";
  const why = failure.words === undefined ? ", and its log does not say why" : `: ${failure.words}`;
  return ofPod(withVolume({ reason: "PostgresNotStarting", detail: `${what}${why}` }, volume));
}

/** The StatefulSet's controller tells of it in an Event: "Create Pod orders-1-0 in StatefulSet orders-1 failed error: …". */
function refused(message: string): Finding {
  const detail = `it cannot be created: ${message.replace(/^(?:\(combined from similar events\): )?create Pod .*? failed error: /i, "")}`;
  return { reason: /exceeded quota/.test(message) ? "QuotaExceeded" : "PodRefused", detail };
}

function unscheduledFor({ status }: Readonly<Pod>): Finding | undefined {
  const condition = status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (condition === undefined) return undefined;
  return { reason: "Unschedulable", detail: condition.message ?? condition.reason ?? "no node takes it" };
}

/** The scheduler waits for the volume, not the volume for the scheduler. */
const isForVolume = (message: string): boolean => /persistentvolumeclaim|binding volumes/i.test(message);

function unbound({ spec }: Readonly<PersistentVolumeClaim>, { classes }: Evidence): [Reason, string, boolean] {
  const name = spec?.storageClassName;
  if (name === undefined) {
    return ["StorageClassMissing", "it names no StorageClass, and the cluster has no default one", false];
  }
  if (name === "")
    return ["VolumePending", "it is not bound yet: it waits for a PersistentVolume without a class", true];
  if (classes.has(name) && classes.get(name) === undefined) {
    return ["StorageClassMissing", `StorageClass ${name} does not exist`, false];
  }
  const provisioner = classes.get(name)?.provisioner;
  const by = provisioner === undefined ? "" : ` (provisioner ${provisioner})`;
  return ["VolumePending", `it is not bound yet: StorageClass ${name}${by} has not provided it`, true];
}

function withVolume({ reason, detail }: Finding, volume: Readonly<PersistentVolumeClaim> | undefined): Finding {
  if (!saysDiskFull(detail)) return { reason, detail };
  return { reason: "DiskFull", detail: `${named(volume)} is full: ${detail}` };
}

const lostTrack = ({ words, outlook }: UnusableData): Finding => ({
  reason: "ReplicaUnusable",
  detail: `its data are of no use any more; ${outlook}: ${words}`,
});

/** PostgreSQL may serve on for a while; what it has to write fails sooner or later. */
function outOfRoom(volume: Readonly<PersistentVolumeClaim> | undefined): Finding {
  return { reason: "DiskFull", detail: `${named(volume)} has next to no room left, or none` };
}

function named(volume: Readonly<PersistentVolumeClaim> | undefined): string {
  const size = volume && capacityOf(volume);
  return volume === undefined
    ? "its volume"
    : `volume ${volume.metadata.name}${size === undefined ? "" : ` of ${size}`}`;
}
