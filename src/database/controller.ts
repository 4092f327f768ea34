// Wiring: what wakes a Database. Its own spec, every object that it owns, and what Patroni says about its instances.
import {
  defaultErrorPolicy,
  Endpoints,
  KubeEvent,
  on,
  PersistentVolumeClaim,
  Pod,
  resourceName,
  refTo,
  requeue,
  Secret,
  StatefulSet,
  type Cache,
  type ControllerOptions,
  type ErrorOutcome,
  type KubeObject,
  type Owned,
  type Ref,
  type Watched,
} from "../runtime/index.ts";
import { Database } from "./api.ts";
import { children } from "./children/index.ts";
import { blockedAgainMs } from "./failures.ts";
import { measureDatabases } from "./metrics.ts";
import { labels, managedByHoldfast } from "./names.ts";
import { leaderChanged, memberChanged } from "./predicates.ts";
import { reconcile, type Operator } from "./reconcile.ts";
import { asRefusal, refusalChanged, refusalFields } from "./refusals.ts";
import { reasonOf } from "./verdicts.ts";

export interface DatabaseControllerOptions {
  readonly operator: Operator;
  readonly concurrency: number;
  readonly resyncEveryMs: number;
}

/** A pass that takes longer is cut off: every call in it has a shorter limit of its own. */
const passTimeoutMs = 60_000;

export function databaseController(options: DatabaseControllerOptions): ControllerOptions<Database, Operator> {
  return {
    name: "database",
    for: Database,
    // Its own status never wakes it.
    when: on.any(
      on.generationChanged,
      on.finalizersChanged,
      on.deletionChanged,
      on.annotationsChanged("holdfast.dev/"),
    ),
    owns: ownedKinds(),
    watches: watched,
    value: options.operator,
    reconcile,
    errorPolicy,
    concurrency: options.concurrency,
    resyncEveryMs: options.resyncEveryMs,
    timeoutMs: passTimeoutMs,
    measure: measureDatabases,
  };
}

export function errorPolicy(error: unknown): ErrorOutcome {
  return reasonOf(error) === "NameTaken" ? requeue(blockedAgainMs) : defaultErrorPolicy(error);
}

const ours = Object.entries(managedByHoldfast)
  .map(([key, value]) => `${key}=${value}`)
  .join(",");

/** Each kind of the children once. */
function ownedKinds(): readonly Owned<any>[] {
  const kinds = new Map(Object.values(children).map(({ kind }) => [resourceName(kind), kind]));
  return [...kinds.values()].map((kind) => ({ kind, labels: ours }));
}

/** What belongs to a Database without a reference to it: by label, which for our own objects bears its name. */
const watched: readonly Watched<any>[] = [
  // Volumes and passwords outlive their Database, so they carry no reference to it.
  { kind: PersistentVolumeClaim, labels: ours, map: byAppInstance },
  { kind: Secret, labels: ours, map: ofSecret },
  { kind: Pod, labels: labels.database, map: byDatabaseLabel, when: memberChanged },
  { kind: Endpoints, labels: labels.database, map: byDatabaseLabel, when: leaderChanged },
  { kind: KubeEvent, fields: refusalFields, transform: asRefusal, map: ofStatefulSet, when: refusalChanged },
];

function byAppInstance({ metadata }: Readonly<KubeObject>): Iterable<Ref> {
  return refFrom(metadata.namespace, metadata.labels?.[labels.appInstance]);
}

/** A user's own password Secret with our label belongs to every Database that refers to it. */
function ofSecret(secret: Readonly<KubeObject>, cache: Cache): Iterable<Ref> {
  const { namespace, name } = secret.metadata;
  const referring = cache
    .list(Database, namespace === undefined ? {} : { namespace })
    .filter(({ spec }) => spec.passwordSecretRef?.name === name);
  return [...byAppInstance(secret), ...referring.map(refTo)];
}

/** Events outlive what they are about: one about a namesake that is gone belongs to nobody. */
function ofStatefulSet({ regarding: { namespace, name, uid } }: Readonly<KubeEvent>, cache: Cache): Iterable<Ref> {
  const statefulSet = cache.get(StatefulSet, { name, ...(namespace === undefined ? {} : { namespace }) });
  return statefulSet?.metadata.uid === uid && statefulSet !== undefined ? byDatabaseLabel(statefulSet) : [];
}

function byDatabaseLabel({ metadata }: Readonly<KubeObject>): Iterable<Ref> {
  return refFrom(metadata.namespace, metadata.labels?.[labels.database]);
}

function refFrom(namespace: string | undefined, name: string | undefined): Iterable<Ref> {
  return name === undefined ? [] : [{ ...(namespace === undefined ? {} : { namespace }), name }];
}
