// The Database resource as a type and a kind, its conditions, and the closed list of reasons with what to do about each.
import { defineKind, TerminalError, type KubeObject } from "../runtime/index.ts";
import type { DatabaseSpec, DatabaseStatus } from "./api.generated.ts";

export type { DatabaseSpec, DatabaseStatus } from "./api.generated.ts";

export interface Database extends KubeObject {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "Database";
  spec: DatabaseSpec;
  status?: DatabaseStatus;
}

export const Database = defineKind<Database>({
  group: "holdfast.dev",
  version: "v1alpha1",
  kind: "Database",
  plural: "databases",
  namespaced: true,
});

export type Phase = NonNullable<DatabaseStatus["phase"]>;
export type Condition = NonNullable<DatabaseStatus["conditions"]>[number];
export type InstanceStatus = NonNullable<DatabaseStatus["instances"]>[number];

/** Every condition that a Database always has. */
export const conditionTypes = ["Ready", "Available", "Progressing", "Degraded"] as const;
export type ConditionType = (typeof conditionTypes)[number];

/**
 * The reasons of conditions and Events, and what a person should do about each. Closed: a reason that is not here does not
 * compile. "" means that there is nothing to do.
 */
export const reasons = {
  // As it should be.
  AsDeclared: "",
  PrimaryAvailable: "",
  Settled: "",
  NotDegraded: "",

  // On the way.
  Creating: "Wait: the message names what is waited for.",
  TakingUpVolumes: "Wait: the instance that was primary last starts alone, the others follow when it leads.",
  WaitingForPrimary: "Wait. If no primary appears, look at the logs of the Pods that the message names.",
  AddingInstances: "Wait. If it does not end, look at the Events of the Pods that the message names.",
  RetiringInstances: "Wait: instances are removed one at a time.",
  RollingOut:
    "Wait: instances are restarted one at a time. If it does not go on, an instance that has the change does not serve.",
  ResizingVolumes: "Wait. If it does not end, look at the Events of the volumes that the message names.",
  Provisioning: "Wait: role and database are being created.",
  Deleting: "Wait: the message says for what.",
  Paused: "Set spec.paused to false when Holdfast may act again.",

  // Serving, but less than declared, or not serving.
  NoPrimary: "Look at the Pods: a failover takes up to half a minute; after that their logs say why none takes over.",
  InstanceNotReady:
    "Look at the Events and logs of the Pods that the message names. A replica whose data are of no use: docs/operations.md, Volumes.",
  ReplicaNotStreaming:
    "Look at the logs of the replicas that the message names: why can they not follow the primary? To fill one anew: docs/operations.md, Volumes.",
  ReplicaUnusable:
    "The message says what becomes of it: it is filled anew after a minute, or waits for what is named, or is yours to look at and to delete the claim of, since it may hold what the primary lacks. See docs/operations.md, Volumes.",

  // What keeps an instance from serving, or will. The message names the object and carries the cause.
  VolumePending:
    "Wait. If it does not end, look at the Events of the volume that the message names, and at its provisioner.",
  StorageClassMissing: "Create the StorageClass that the message names, or correct spec.storage.storageClass.",
  VolumeLost:
    "The message says what becomes of the instance. Where no other one has its data: docs/operations.md, Volumes.",
  ReplacingInstance: "Wait: the volume is made anew, and the instance filled from the primary.",
  VolumeNotExpandable:
    "Set spec.storage.size back, or let the StorageClass of the volumes grow them (allowVolumeExpansion): then it is tried again within minutes.",
  Unschedulable:
    "No node takes the Pod; the message says why. Add room or nodes, or change spec.resources or spec.placement.",
  ImageUnavailable: "Correct spec.image, or give the nodes access to the registry; the message says what failed.",
  ImageUnsuitable:
    "Choose an image that holds what images/postgres holds, for the nodes' architecture: a stock PostgreSQL has neither Patroni nor tini.",
  QuotaExceeded: "Raise the ResourceQuota that the message names, or ask for less. It is tried again by itself.",
  PodRefused: "Kubernetes does not let the Pod be created: change the policy, limit or webhook that the message names.",
  ContainerNotStarting: "The node cannot start the container: mend what the message names.",
  CrashLooping: "Look at the message, then at the log of the Pod. OOMKilled: raise spec.resources.limits.memory.",
  PostgresNotStarting:
    "Mend what PostgreSQL's own words in the message name: mostly a parameter, the image or the memory.",
  DiskFull:
    "Raise spec.storage.size, or remove data. It goes by itself when there is room again, and a PostgreSQL that stopped starts again.",

  // Waiting for an edit.
  InvalidSpec: "Correct the field that the message names.",
  ParameterRefused: "Remove or correct the parameter that the message names.",
  UnknownVersion: "Choose a version of the catalogue, or give spec.image.",
  PasswordSecretMissing: "Create the Secret, or the key in it, that spec.passwordSecretRef names.",
  PasswordUnusable: "Put a password without line breaks or control characters into the Secret.",
  CredentialsUnusable: "Restore the Secret <name>-internal from a copy: without it retained data cannot be opened.",
  LastPrimaryUnknown:
    'Set the annotation holdfast.dev/last-primary: "true" on one volume alone, that of the newest data.',

  // Failures of a pass. All but ImmutableField and Refused are tried again by themselves.
  NameTaken: "Remove or rename the object that the message names, or choose another name for the Database.",
  ImmutableField: "The object that the message names cannot be changed in place: undo the change.",
  Refused: "Kubernetes refused an object; the message says what and why. Mostly a field has to be corrected.",
  Forbidden: "Give the operator the permission that the message names: the chart's ClusterRole has them all.",
  WaitingForDeletion:
    "Wait: what is being deleted is made again. If it does not end, look at the finalizers of the object.",
  Contested: "Stop the other field manager that the message names from writing the same field.",
  Unreachable: "Wait. If it lasts, look at the Pod that the message names, and at what keeps the operator from it.",
  ProvisioningRefused:
    "PostgreSQL or Patroni refused; the message says what and why. Mostly a field has to be corrected.",
  PatroniRefused:
    "Wait: it is tried again. If it lasts, look at the Pods that the message names: Patroni hands over only to one that follows.",
  NotPrimary: "Wait: the primary is changing.",
  CredentialsRefused:
    "PostgreSQL: set the password of the role that the message names back to that in Secret <name>-internal. Patroni: it took its password from there when its Pod started; delete that Pod.",
  ReconcileFailed: "If it lasts, look at the message and the operator's log.",
} as const satisfies Record<string, string>;

export type Reason = keyof typeof reasons;

/** A reason of the closed list, and for people what exactly it is about. */
export interface Remark {
  readonly reason: Reason;
  readonly message: string;
}

export function isReason(reason: string): reason is Reason {
  return Object.hasOwn(reasons, reason);
}

/** The spec, or something that it refers to, cannot be brought about as it stands: waits for an edit. */
export class InvalidSpec extends TerminalError {
  override readonly name = "InvalidSpec";
  declare readonly reason: Reason;

  // Narrows the reason to our list.
  // eslint-disable-next-line no-useless-constructor
  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(reason, message, options);
  }
}
