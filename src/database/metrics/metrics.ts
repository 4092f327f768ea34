// Metrics of the Databases: read from the cache when they are scraped, so they cost nothing at rest and go with their Database.
// Registered when the controller starts: of several operators, the one that leads has them.
import {
  Endpoints,
  isTrue,
  keyOf,
  PersistentVolumeClaim,
  Pod,
  refTo,
  StatefulSet,
  type Key,
  type KubeObject,
  type MeasuredWorld,
  type Sample,
} from "../../runtime/index.ts";
import { Database, type Phase } from "../api.ts";
import { instancesOf, type Instance } from "../instances.ts";
import type { LastReconciles } from "./last-reconciles.ts";
import { labels } from "../names.ts";
import { PrimaryChanges } from "./primary-changes.ts";
import { isServing } from "../status/view.ts";

/** @param last told by every pass; forgets each Database that goes */
export function measureDatabases(world: MeasuredWorld, last: LastReconciles): void {
  const { metrics, cache, subscribe } = world;
  const changes = new PrimaryChanges(world);
  subscribe(Database, (delta) => {
    if (delta.type === "deleted") last.forget(delta.object);
  });
  const databases = (): readonly Readonly<Database>[] => cache.list(Database);
  /** One series a Database; undefined: none. */
  const single = (
    name: string,
    help: string,
    type: "gauge" | "counter",
    value: (database: Readonly<Database>) => number | undefined,
  ): void =>
    metrics.series({ name, help, type, labels: ["namespace", "name"] }, () =>
      databases().flatMap((database) => {
        const now = value(database);
        return now === undefined ? [] : [[identity(database), now] as const];
      }),
    );

  single("holdfast_database_ready", "1 while everything is as declared, for the newest generation", "gauge", isReady);
  metrics.series(
    {
      name: "holdfast_database_condition",
      help: "1 for what each condition says now, and why",
      type: "gauge",
      labels: ["namespace", "name", "type", "status", "reason"],
    },
    () => databases().flatMap(conditions),
  );
  metrics.series(
    {
      name: "holdfast_database_phase",
      help: "1 for the present phase",
      type: "gauge",
      labels: ["namespace", "name", "phase"],
    },
    () => databases().map((database) => [{ ...identity(database), phase: phaseOf(database) }, 1] as const),
  );
  single(
    "holdfast_database_phase_start_time_seconds",
    "When the conditions last turned, which is since when it is in this phase; Unix time",
    "gauge",
    phaseStartSeconds,
  );
  single(
    "holdfast_database_instances_desired",
    "Instances that the spec declares, the primary included",
    "gauge",
    ({ spec }) => spec.replicas ?? 1,
  );
  metrics.series(
    {
      name: "holdfast_database_instances",
      help: "Instances that exist, by role (primary, replica, none) and state",
      type: "gauge",
      labels: ["namespace", "name", "role", "state"],
    },
    () => {
      const instances = readAllInstances(world);
      return databases().flatMap((database) => instanceCounts(database, instances.get(keyOf(refTo(database))) ?? []));
    },
  );
  metrics.series(
    {
      name: "holdfast_database_last_reconcile",
      help: "1 for what came of the last reconcile: success, waits (for an edit) or error, and why",
      type: "gauge",
      labels: ["namespace", "name", "outcome", "reason"],
    },
    () =>
      databases().flatMap((database) => {
        const now = last.of(database);
        return now === undefined ? [] : [[{ ...identity(database), ...now }, 1] as const];
      }),
  );
  single(
    "holdfast_database_failovers_total",
    "Changes of the primary that nobody asked Patroni for",
    "counter",
    (database) => changes.failovers(refTo(database)),
  );
  single(
    "holdfast_database_switchovers_total",
    "Changes of the primary that Patroni was asked for",
    "counter",
    (database) => changes.switchovers(refTo(database)),
  );
}

function identity({ metadata }: Readonly<KubeObject>): { namespace: string; name: string } {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}

function isReady({ metadata, status }: Readonly<Database>): number {
  return isTrue(status?.conditions, "Ready", metadata.generation) ? 1 : 0;
}

function conditions(
  database: Readonly<Database>,
): readonly Sample<"namespace" | "name" | "type" | "status" | "reason">[] {
  return (database.status?.conditions ?? []).map(({ type, status, reason }) => [
    { ...identity(database), type, status, reason },
    1,
  ]);
}

function phaseOf({ status }: Readonly<Database>): Phase {
  return status?.phase ?? "Pending";
}

/** Conditions keep their times over restarts of the operator. Not every change of the phase turns one. */
function phaseStartSeconds(database: Readonly<Database>): number {
  const { metadata, status } = database;
  const { creationTimestamp, deletionTimestamp } = metadata;
  const turned = (status?.conditions ?? []).map(({ lastTransitionTime }) => lastTransitionTime);
  const since = phaseOf(database) === "Deleting" ? deletionTimestamp : turned.toSorted().at(-1);
  return Date.parse(since ?? creationTimestamp ?? "") / 1000;
}

/** What an instance does, in few words. A crash loop is `not_ready`: the reason of the condition says more. */
type State = "serving" | "not_streaming" | "not_ready" | "pending" | "stopping";

function stateOf(instance: Instance): State {
  if (instance.retired || instance.deleting) return "stopping";
  if (isServing(instance)) return "serving";
  if (instance.node === undefined) return "pending";
  return instance.ready && instance.role === "replica" ? "not_streaming" : "not_ready";
}

/** What serves is there as a 0 too: "fewer than declared" must also be true where nothing serves. */
function instanceCounts(
  database: Readonly<Database>,
  instances: readonly Instance[],
): readonly Sample<"namespace" | "name" | "role" | "state">[] {
  const counts = new Map([
    ["primary/serving", 0],
    ["replica/serving", 0],
  ]);
  for (const instance of instances) {
    if (instance.statefulSet === undefined && instance.pod === undefined) continue;
    const place = `${instance.role ?? "none"}/${stateOf(instance)}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts].map(([place, count]) => {
    const [role = "", state = ""] = place.split("/");
    return [{ ...identity(database), role, state }, count];
  });
}

/** The instances of all Databases in one walk over the cache: a look-up for each would be quadratic. */
function readAllInstances({ cache }: Pick<MeasuredWorld, "cache">): ReadonlyMap<Key, readonly Instance[]> {
  const pods = byDatabase(cache.list(Pod));
  const volumes = byDatabase(cache.list(PersistentVolumeClaim));
  const statefulSets = byDatabase(cache.list(StatefulSet));
  const all = cache.list(Database).map((database) => {
    const ref = refTo(database);
    const key = keyOf(ref);
    const objects = {
      pods: pods.get(key) ?? [],
      volumes: volumes.get(key) ?? [],
      statefulSets: statefulSets.get(key) ?? [],
      leaderEndpoints: cache.get(Endpoints, ref),
    };
    return [key, instancesOf(ref.name, objects)] as const;
  });
  return new Map(all);
}

function byDatabase<T extends KubeObject>(objects: readonly Readonly<T>[]): ReadonlyMap<Key, readonly Readonly<T>[]> {
  const keyFor = ({ metadata }: Readonly<T>): Key =>
    keyOf({ namespace: metadata.namespace ?? "", name: metadata.labels?.[labels.database] ?? "" });
  return Map.groupBy(objects, keyFor);
}
