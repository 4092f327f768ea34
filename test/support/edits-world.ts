// The world of one Database in a form in which two of them can be compared that came about in different ways: what may rightly
// differ is brought to one form by rules, each with its reason. Pure.
import jsonPatch from "fast-json-patch";
import { annotations, labels } from "../../src/database/names.ts";
import { whereTheyDiffer } from "./difference-words.ts";
import type { Snapshot } from "./snapshot.ts";

/** "PersistentVolumeClaim orders-<replica 1>" → what it says. */
export type World = Readonly<Record<string, any>>;

/** Made by hand of the objects of a snapshot, so that rules may change them. */
type Draft = Record<string, any>;

interface Rule {
  readonly because: string;
  /** Answers the objects in the new form; may change what it is given. */
  readonly apply: (objects: Draft) => Draft;
}

/** In this order. */
const rules: readonly Rule[] = [
  {
    because: "under Retain the volume of an instance that was removed stays, marked; it is otherwise like any other",
    apply: (objects) => withoutRetired(objects),
  },
  {
    because: "numbers of instances never move, and any of them may lead: they are called by role and order instead",
    apply: (objects) => renamed(objects),
  },
  {
    because: "each edit counts the generation up: what counts is whether it has been seen",
    apply: (objects) => mapped(objects, (object) => withCurrentGeneration(object)),
  },
  {
    because: "each change of a template makes a revision: what counts is the newest, and which one runs",
    apply: (objects) => withNewestRevisions(objects),
  },
  {
    because: "each failover and each switchover begins a timeline: what counts is who is on the newest",
    apply: (objects) => withNewestTimeline(objects),
  },
  {
    because: 'the mark "false" says what no mark says, and only that this volume has been the primary\'s once',
    apply: (objects) => mapped(objects, (object) => withoutIdleMark(object)),
  },
  {
    because:
      "an empty list with keys, applied, takes the list away where there were items and is stored where there were none",
    apply: (objects) =>
      mapped(objects, (object, key) => (isKind(key, "Database") ? withoutEmptyLists(object) : object)),
  },
  {
    because: "lists that Kubernetes sorts by address or by name of the instance are in another order",
    apply: (objects) => mapped(objects, (object) => sorted(object)),
  },
];

/** @param snapshot of a namespace with one Database `orders` */
export function worldOf(snapshot: Snapshot): World {
  return rules.reduce<Draft>((objects, { apply }) => apply(objects), structuredClone(snapshot) as Draft);
}

/** How two worlds differ, as sentences; empty if they do not. */
export function differencesBetween(expected: World, actual: World): readonly string[] {
  return jsonPatch.compare(expected, actual).map((change) => {
    const was = change.op === "add" ? undefined : jsonPatch.getValueByPointer(expected, change.path);
    const is = "value" in change ? change.value : undefined;
    const [expectedThere, isThere] = whereTheyDiffer(was, is, 300);
    return `${change.path}: ${expectedThere} expected, is ${isThere}`;
  });
}

/** Says "True", "False" or "Unknown", and why; of a Database that has not been looked at, nothing. */
export function conditionIn(world: World, type: string): { status: string; reason: string } | undefined {
  const conditions = world["Database orders"]?.status?.conditions as { type: string }[] | undefined;
  return conditions?.find((condition) => condition.type === type) as { status: string; reason: string } | undefined;
}

const isKind = (key: string, kind: string): boolean => key.startsWith(`${kind} `);

function mapped(objects: Draft, change: (object: any, key: string) => unknown): Draft {
  return Object.fromEntries(Object.entries(objects).map(([key, object]) => [key, change(object, key)]));
}

/** Only such as say nothing else than a volume in use would: anything odd about them stays to be seen. */
function withoutRetired(objects: Draft): Draft {
  const isPlainRetired = (key: string, object: any): boolean =>
    isKind(key, "PersistentVolumeClaim") &&
    ["Retain", "Delete"].includes(object.metadata.annotations[annotations.retired]) &&
    object.metadata.labels[labels.database] === "orders" &&
    object.metadata.deletionTimestamp === undefined &&
    object.status?.phase === "Bound" &&
    objects[`StatefulSet ${object.metadata.name}`] === undefined;
  return Object.fromEntries(Object.entries(objects).filter(([key, object]) => !isPlainRetired(key, object)));
}

function renamed(objects: Draft): Draft {
  const numbers = [
    ...new Set(
      Object.keys(objects).flatMap((key) => {
        const [, number] = /^(?:StatefulSet|PersistentVolumeClaim) orders-(\d+)$/.exec(key) ?? [];
        return number === undefined ? [] : [Number(number)];
      }),
    ),
  ].toSorted((a, b) => a - b);
  const leads = (number: number): boolean =>
    objects[`Pod orders-${number}-0`]?.metadata.labels?.[labels.role] === "primary";
  // Where none has ever led, the first would be the first to.
  const primary = numbers.find(leads) ?? numbers[0];
  const replicas = numbers.filter((number) => number !== primary);
  const nameOf = (digits: string): string => {
    const number = Number(digits);
    if (number === primary) return "orders-<primary>";
    const place = replicas.indexOf(number);
    return place < 0 ? "orders-<gone>" : `orders-<replica ${place + 1}>`;
  };
  const text = JSON.stringify(objects).replaceAll(/\borders-(\d+)\b/g, (_, digits: string) => nameOf(digits));
  return JSON.parse(text) as Draft;
}

function withCurrentGeneration(object: any): any {
  const generation = object.metadata?.generation as number | undefined;
  if (generation === undefined) return object;
  const seen = (value: unknown): string => (value === generation ? "<current>" : "<behind>");
  const { status } = object;
  if (status?.observedGeneration !== undefined) status.observedGeneration = seen(status.observedGeneration);
  for (const condition of status?.conditions ?? []) {
    if (condition.observedGeneration !== undefined) condition.observedGeneration = seen(condition.observedGeneration);
  }
  object.metadata.generation = "<current>";
  return object;
}

/**
 * An OnDelete StatefulSet never moves currentRevision, and counts its Pods by it
 * (https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/controller/statefulset/stateful_set_control.go, completeRollingUpdate).
 */
function withNewestRevisions(objects: Draft): Draft {
  const newest = new Set<string>();
  for (const [key, object] of Object.entries(objects)) {
    if (!isKind(key, "StatefulSet")) continue;
    newest.add(object.status?.updateRevision);
    const { currentRevision: _, currentReplicas: __, updatedReplicas: ___, ...status } = object.status ?? {};
    object.status = status;
  }
  const kept = Object.entries(objects).filter(
    ([key]) => !isKind(key, "ControllerRevision") || newest.has(key.slice("ControllerRevision ".length)),
  );
  const text = JSON.stringify(Object.fromEntries(kept)).replaceAll(
    /<(uid of )?revision \d+ of [^>]*?(<[^>]*>)?>/g,
    (revision, uid: string | undefined) => {
      const name = revision.replace("<uid of ", "<");
      return newest.has(name) ? name.replace(/^<revision \d+/, `<${uid ?? ""}newest revision`) : revision;
    },
  );
  return mapped(JSON.parse(text) as Draft, (object, key) => {
    if (!isKind(key, "ControllerRevision")) return object;
    const { revision: _, ...rest } = object;
    delete rest.metadata.labels?.["controller.kubernetes.io/hash"];
    return rest;
  });
}

function withNewestTimeline(objects: Draft): Draft {
  const pods = Object.entries(objects).filter(([key]) => isKind(key, "Pod"));
  for (const [, pod] of pods) {
    const text = pod.metadata.annotations?.["status"];
    if (typeof text === "string") pod.metadata.annotations["status"] = JSON.parse(text) as unknown;
  }
  const timelines = pods.map(([, pod]) => Number(pod.metadata.annotations?.["status"]?.timeline ?? 0));
  const newest = Math.max(0, ...timelines);
  for (const [, pod] of pods) {
    const status = pod.metadata.annotations?.["status"];
    if (status?.timeline === newest) status.timeline = "<newest>";
  }
  return objects;
}

function withoutIdleMark(object: any): any {
  const marks = object.metadata?.annotations;
  if (marks?.[annotations.lastPrimary] !== "false") return object;
  delete marks[annotations.lastPrimary];
  for (const { fieldsV1 } of object.metadata.managers ?? []) {
    delete fieldsV1?.["f:metadata"]?.["f:annotations"]?.[`f:${annotations.lastPrimary}`];
  }
  return object;
}

/** In the spec as its user has written it: what the operator makes of the one and of the other is compared as it is. */
function withoutEmptyLists(database: any): any {
  const { placement } = database.spec ?? {};
  if (placement?.topologySpreadConstraints?.length === 0) delete placement.topologySpreadConstraints;
  return database;
}

function sorted(object: any): any {
  const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  if (object.status?.instances !== undefined) object.status.instances = object.status.instances.toSorted(byText);
  if (object.subsets !== undefined) {
    object.subsets = object.subsets.map((subset: any) => ({
      ...subset,
      ...(subset.addresses === undefined ? {} : { addresses: subset.addresses.toSorted(byText) }),
      ...(subset.ports === undefined ? {} : { ports: subset.ports.toSorted(byText) }),
    }));
  }
  return object;
}
