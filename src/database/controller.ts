// Wiring: what wakes a Database. Its own spec, every object that it owns, and what Patroni says about its instances.
import {
  Endpoints,
  on,
  PersistentVolumeClaim,
  Pod,
  resourceName,
  Secret,
  type ControllerOptions,
  type KubeObject,
  type Owned,
  type Ref,
  type Watched,
} from "../runtime/index.ts";
import { Database } from "./api.ts";
import { children } from "./children/index.ts";
import { labels, managedByHoldfast } from "./names.ts";
import { leaderChanged, memberChanged } from "./predicates.ts";
import { reconcile, type Operator } from "./reconcile.ts";

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
    concurrency: options.concurrency,
    resyncEveryMs: options.resyncEveryMs,
    timeoutMs: passTimeoutMs,
  };
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
  { kind: Secret, labels: ours, map: byAppInstance },
  { kind: Pod, labels: labels.database, map: byDatabaseLabel, when: memberChanged },
  { kind: Endpoints, labels: labels.database, map: byDatabaseLabel, when: leaderChanged },
];

function byAppInstance({ metadata }: Readonly<KubeObject>): Iterable<Ref> {
  return refFrom(metadata.namespace, metadata.labels?.[labels.appInstance]);
}

function byDatabaseLabel({ metadata }: Readonly<KubeObject>): Iterable<Ref> {
  return refFrom(metadata.namespace, metadata.labels?.[labels.database]);
}

function refFrom(namespace: string | undefined, name: string | undefined): Iterable<Ref> {
  return name === undefined ? [] : [{ ...(namespace === undefined ? {} : { namespace }), name }];
}
