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
  type Context,
  type ControllerOptions,
  type ErrorOutcome,
  type KubeObject,
  type Outcome,
  type Owned,
  type Ref,
  type Watched,
} from "../runtime/index.ts";
import { Database, type Reason } from "./api.ts";
import { children } from "./children/index.ts";
import { patienceMs, reasonOf } from "./failures.ts";
import { LastReconciles } from "./metrics/last-reconciles.ts";
import { measureDatabases } from "./metrics/metrics.ts";
import { labels, managedByHoldfast } from "./names.ts";
import { leaderChanged, memberChanged } from "./predicates.ts";
import { reconcile, type Operator } from "./reconcile.ts";
import { asRefusal, refusalChanged, refusalFields } from "./troubles/refusals.ts";
import { warnedOf } from "./troubles/warnings.ts";

export interface DatabaseControllerOptions {
  readonly operator: Operator;
  readonly concurrency: number;
  readonly resyncEveryMs: number;
}

/** A pass that takes longer is cut off: every call in it has a shorter limit of its own. */
const passTimeoutMs = 60_000;

export function databaseController(options: DatabaseControllerOptions): ControllerOptions<Database, Operator> {
  const last = new LastReconciles();
  return {
    name: "database",
    for: Database,
    // Its own status never wakes it; one that another has written does.
    guardsStatus: true,
    when: on.any(
      on.generationChanged,
      on.finalizersChanged,
      on.deletionChanged,
      on.annotationsChanged("holdfast.dev/"),
    ),
    owns: ownedKinds(),
    watches: watched,
    value: options.operator,
    reconcile: (database, context) => reconcileAndTell(database, context, last),
    errorPolicy,
    eventReason,
    concurrency: options.concurrency,
    resyncEveryMs: options.resyncEveryMs,
    timeoutMs: passTimeoutMs,
    measure: (world) => measureDatabases(world, last),
  };
}

async function reconcileAndTell(
  database: Readonly<Database>,
  context: Context<Operator>,
  last: LastReconciles,
): Promise<Outcome> {
  // The pass that lets a Database go is the last word on it: nobody would forget that.
  const tell = (failure?: unknown): void => {
    if (context.cache.get(Database, refTo(database))?.metadata.uid === database.metadata.uid)
      last.tell(database, failure);
  };
  try {
    const outcome = await reconcile(database, context);
    tell(outcome.failure);
    return outcome;
  } catch (failure) {
    tell(failure ?? new Error("unknown"));
    throw failure;
  }
}

/** What nobody would tell us of is looked at again; all else as by default. */
export function errorPolicy(error: unknown): ErrorOutcome {
  const againMs = patienceMs(error);
  return againMs > 0 && againMs < Infinity ? requeue(againMs) : defaultErrorPolicy(error);
}

/** That of the condition; none of what Ready tells, with a Warning when it began, nor of what is told where it is found. */
export function eventReason(
  error: unknown,
  database: Readonly<Database>,
  { cache }: Pick<Context<Operator>, "cache">,
): Reason | undefined {
  const reason = reasonOf(error);
  const status = cache.get(Database, refTo(database))?.status;
  return reason === "Contested" || warnedOf(status)?.reason === reason ? undefined : reason;
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
