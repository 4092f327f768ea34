// What a scenario looks at: the objects of a Database as they are, its conditions and Events, and how busy an operator is.
import type { Condition, ConditionType, Database, Reason } from "../../src/database/api.ts";
import { children } from "../../src/database/children/index.ts";
import { labels } from "../../src/database/names.ts";
import { PersistentVolumeClaim, StatefulSet } from "../../src/runtime/kube/kinds.ts";
import { KubeEvent } from "../../src/runtime/kube/events.ts";
import { resourceName, type Kind, type KubeObject } from "../../src/runtime/kube/object.ts";
import { eventually, type RunningOperator, type Scenario } from "./scenario.ts";

/** Each kind of which a Database has objects, once. */
export const childKinds: readonly Kind[] = [
  ...new Map(Object.values(children).map(({ kind }) => [resourceName(kind), kind as Kind])).values(),
];

export interface Found {
  readonly kind: Kind;
  readonly object: KubeObject;
}

/** Every object that the operator has made for a Database and that is still there. */
export async function objectsOf({ admin, namespace }: Scenario, database = "orders"): Promise<readonly Found[]> {
  const selector = `${labels.managedBy}=holdfast,${labels.appInstance}=${database}`;
  const found = childKinds.map(async (kind) => {
    const { items } = await admin.list(kind, { namespace, labels: selector });
    return items.map((object) => ({ kind, object }));
  });
  return (await Promise.all(found)).flat();
}

/** "statefulsets.apps orders-1" */
export const titleOf = ({ kind, object }: Found): string => `${resourceName(kind)} ${object.metadata.name}`;

/** The titles of all objects, sorted. */
export async function titlesOf(scenario: Scenario, database?: string): Promise<readonly string[]> {
  return (await objectsOf(scenario, database)).map(titleOf).toSorted();
}

/** What is declared of an object: without what the API server counts up or chooses, and what controllers report. */
export function contentOf(object: KubeObject): object {
  const { metadata, spec, status: _, ...rest } = object as KubeObject & { spec?: object; status?: unknown };
  const { name, labels: labelled, annotations, ownerReferences } = metadata;
  const declared = Object.entries(spec ?? {}).filter(([field]) => !chosen.has(field));
  return {
    ...rest,
    ...(spec === undefined ? {} : { spec: Object.fromEntries(declared) }),
    metadata: { name, labels: labelled, annotations, ownerReferences },
  };
}

/** The addresses of a Service. */
const chosen = new Set(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);

/** The names of the StatefulSets that exist, sorted. */
export async function instancesOf({ admin, namespace }: Scenario): Promise<readonly string[]> {
  const { items } = await admin.list(StatefulSet, { namespace });
  return items.map(({ metadata }) => metadata.name).toSorted();
}

export async function volumesOf({ admin, namespace }: Scenario): Promise<readonly PersistentVolumeClaim[]> {
  const { items } = await admin.list(PersistentVolumeClaim, { namespace });
  return items.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name));
}

/** Name → uid: the same volume, not only one of the same name. */
export async function volumeUids(scenario: Scenario): Promise<Record<string, string>> {
  return Object.fromEntries((await volumesOf(scenario)).map(({ metadata }) => [metadata.name, metadata.uid ?? ""]));
}

export function conditionOf(database: Database | undefined, type: ConditionType): Condition | undefined {
  return database?.status?.conditions?.find((condition) => condition.type === type);
}

/** Waits until Ready is false for this reason, about the newest generation. */
export function notReady(scenario: Scenario, reason: Reason, name?: string): Promise<Condition> {
  return eventually(`Ready is false for ${reason}`, async () => {
    const database = await scenario.database(name);
    const ready = conditionOf(database, "Ready");
    if (ready?.observedGeneration !== database?.metadata.generation) return undefined;
    if (ready?.status === "False" && ready.reason === reason) return ready;
    throw new Error(`Ready is ${ready?.status}, ${ready?.reason}: ${ready?.message}`);
  });
}

/** The Events about a Database, in no order. */
export async function eventsOf({ admin, namespace }: Scenario, name = "orders"): Promise<readonly KubeEvent[]> {
  const { items } = await admin.list(KubeEvent, { namespace });
  return items.filter(({ regarding }) => regarding.kind === "Database" && regarding.name === name);
}

/** How many passes an operator has finished. */
export async function passes(operator: RunningOperator): Promise<number> {
  return sum(await operator.metrics(), "controller_runtime_reconcile_total");
}

/**
 * Resolves with the number of passes when none has begun for half a second and none is due at once. Counted in looks, not in time: where
 * the machine is busy, what would wake the operator is late as well.
 */
export async function untilIdle(operator: RunningOperator): Promise<number> {
  let last = -1;
  let quietLooks = 0;
  return eventually("the operator is idle", async () => {
    const text = await operator.metrics();
    const count = sum(text, "controller_runtime_reconcile_total");
    const busy = sum(text, "workqueue_depth") + sum(text, "controller_runtime_active_workers");
    quietLooks = count === last && busy === 0 ? quietLooks + 1 : 0;
    last = count;
    return count > 0 && quietLooks >= 10 ? count : undefined;
  });
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function sum(metrics: string, name: string): number {
  return metrics
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
