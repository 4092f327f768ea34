// Each invariant fires where it must, and only there: one row for each way.
import { appendFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Database as databaseKind, type Database, type DatabaseSpec } from "../../src/database/api.ts";
import { annotations, commonLabels, finalizer } from "../../src/database/names.ts";
import {
  ConfigMap,
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  refTo,
  Secret,
  Service,
  StatefulSet,
  type KubeClient,
  type KubeObject,
} from "../../src/runtime/index.ts";
import { Told, type Evidence, type Write } from "./invariants-evidence.ts";
import { releases } from "./invariants-rules.ts";
import { primariesBeside, writesAtRest } from "./invariants-states.ts";
import { violationsOf, watchfulClient } from "./invariants.ts";
import { leading, orders, podOf, statefulSetOf, streaming, uid, volumeOf, type VolumeFixture } from "./orders.ts";

const deleting = "2026-11-21T10:00:00Z";
const shop = { namespace: "shop" };

const database = (spec: Partial<DatabaseSpec> = {}, change: Partial<Database["metadata"]> = {}): Database => {
  const plain = orders(spec);
  return { ...plain, metadata: { ...plain.metadata, ...change } };
};
const going = (spec: Partial<DatabaseSpec> = {}): Database => database(spec, { deletionTimestamp: deleting });
const seenGoing: Database = { ...going(), status: { phase: "Deleting" } };

const volume = (
  number: number,
  phase: "Bound" | "Pending" | "Lost" = "Bound",
  more: Pick<VolumeFixture, "retired" | "ownerUid"> = {},
) => ({
  ...volumeOf({ number, volume: more }),
  metadata: { ...volumeOf({ number, volume: more }).metadata, uid: `volume-${number}`, resourceVersion: "7" },
  status: { phase },
});
const set = (number: number): StatefulSet => ({
  ...statefulSetOf({ number }),
  metadata: { ...statefulSetOf({ number }).metadata, uid: `set-${number}`, ownerReferences: [owner] },
});
const owner = { apiVersion: "holdfast.dev/v1alpha1", kind: "Database", name: "orders", uid, controller: true };

const condition = { type: "Ready", reason: "AsDeclared", message: "", lastTransitionTime: deleting } as const;
/** As Patroni labels its Endpoints. */
const patronis = { labels: { "holdfast.dev/database": "orders" } };
const scaledToNothing = (): StatefulSet => ({ ...set(1), spec: { ...set(1).spec!, replicas: 0 } });

const object = (name: string, metadata: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { ...shop, name, uid: name, labels: commonLabels("orders"), ...metadata },
});

/** One write among two instances of a Database for which two are declared. */
const evidence = (write: Write, more: Partial<Evidence> = {}): Evidence => ({
  write,
  database: database({ replicas: 2 }),
  databases: [more.database ?? database({ replicas: 2 })],
  volumes: [volume(1), volume(2)],
  statefulSets: [set(1), set(2)],
  absent: [],
  released: false,
  ...more,
});

const removal = (kind: Write["kind"], before: KubeObject, more: Partial<Write> = {}): Write => {
  const { uid: its, resourceVersion = "7" } = before.metadata;
  return { verb: "delete", kind, ref: refTo(before), uid: its ?? "", resourceVersion, ...more };
};
const removed = (before: KubeObject, more: Partial<Evidence> = {}): Evidence =>
  evidence(removal(PersistentVolumeClaim, before), { before, ...more });
const stopped = (before: KubeObject, more: Partial<Evidence> = {}): Evidence =>
  evidence(removal(StatefulSet, before), { before, ...more });
/** The Pod of the first instance goes, whose volume is being deleted. */
const ended = (leader: string | undefined, more: Partial<Evidence> = {}): Evidence => {
  const pod = { ...podOf({ number: 1 }), metadata: { ...podOf({ number: 1 }).metadata, uid: "pod-1" } };
  const doomed = { ...volume(1), metadata: { ...volume(1).metadata, deletionTimestamp: deleting } };
  return evidence(removal(Pod, pod), { before: pod, volumes: [doomed, volume(2)], leader, ...more });
};
const retirement: Write = {
  verb: "patch",
  kind: PersistentVolumeClaim,
  ref: { ...shop, name: "orders-2" },
  patch: [{ op: "add", path: "/metadata/annotations/holdfast.dev~1retired", value: "true" }],
};
const internal = { ...shop, name: "orders-internal" };
const making = (body: KubeObject): Write => ({ verb: "apply", kind: ConfigMap, ref: refTo(body), body });

const rows: readonly { name: string; because: string; is: Evidence; broken: boolean }[] = [
  // I1
  { name: "I1", because: "nobody deletes the Database of this volume", is: removed(volume(2)), broken: true },
  {
    name: "I1",
    because: "its Database goes and keeps volumes",
    is: removed(volume(2), { databases: [going()] }),
    broken: true,
  },
  {
    name: "I1",
    because: "a namesake of its Database goes, not the one that it was made for",
    is: removed(volume(2, "Bound", { ownerUid: "earlier" }), { databases: [going({ deletionPolicy: "Delete" })] }),
    broken: true,
  },
  {
    name: "I1",
    because: "its Database goes, and volumes go with it",
    is: removed(volume(2), { databases: [going({ deletionPolicy: "Delete" })] }),
    broken: false,
  },
  {
    name: "I1",
    because: "it is retired, and retired volumes are kept",
    is: removed(volume(2, "Bound", { retired: true })),
    broken: true,
  },
  {
    name: "I1",
    because: "it is retired, and retired volumes go",
    is: removed(volume(2, "Bound", { retired: "Delete" }), { databases: [database({ deletionPolicy: "Delete" })] }),
    broken: false,
  },
  {
    name: "I1",
    because: "it was retired when retired volumes were kept",
    is: removed(volume(2, "Bound", { retired: "Retain" }), { databases: [database({ deletionPolicy: "Delete" })] }),
    broken: true,
  },
  {
    name: "I1",
    because: "policy said Delete when the pass began",
    is: removed(volume(2, "Bound", { retired: "Delete" }), {
      databases: [database({ deletionPolicy: "Delete" }), database()],
    }),
    broken: false,
  },
  { name: "I1", because: "it was never bound: nothing is in it", is: removed(volume(2, "Pending")), broken: false },
  { name: "I1", because: "it is lost", is: removed(volume(2, "Lost")), broken: false },
  {
    name: "I1",
    because: "the uid is that of an earlier one: the API server does nothing",
    is: evidence(removal(PersistentVolumeClaim, volume(2), { uid: "earlier" }), { before: volume(2) }),
    broken: false,
  },
  // I2
  {
    name: "I2",
    because: "it could hit a namesake",
    is: evidence(removal(Service, object("orders"), { uid: "" })),
    broken: true,
  },
  {
    name: "I2",
    because: "a volume may have been bound or marked since it was seen",
    is: evidence({ ...removal(PersistentVolumeClaim, volume(2)), resourceVersion: undefined }),
    broken: true,
  },
  {
    name: "I2",
    because: "so may a Secret",
    is: evidence({ ...removal(Secret, object("orders-internal")), resourceVersion: undefined }),
    broken: true,
  },
  {
    name: "I2",
    because: "a Service can be made again",
    is: evidence({ ...removal(Service, object("orders")), resourceVersion: undefined }),
    broken: false,
  },
  // I4
  {
    name: "I4",
    because: "an apply writes the passwords again",
    is: evidence({ verb: "apply", kind: Secret, ref: internal }),
    broken: true,
  },
  {
    name: "I4",
    because: "a patch of its data does",
    is: evidence({ verb: "patch", kind: Secret, ref: internal, patch: [{ op: "add", path: "/data/a", value: "" }] }),
    broken: true,
  },
  {
    name: "I4",
    because: "a patch of its marks does not",
    is: evidence({
      verb: "patch",
      kind: Secret,
      ref: internal,
      patch: [{ op: "add", path: "/metadata/labels/a", value: "" }],
    }),
    broken: false,
  },
  {
    name: "I4",
    because: "there are volumes that were made with others",
    is: evidence({ verb: "create", kind: Secret, ref: internal }, { statefulSets: [] }),
    broken: true,
  },
  {
    name: "I4",
    because: "there are Pods that run with others",
    is: evidence({ verb: "create", kind: Secret, ref: internal }, { volumes: [] }),
    broken: true,
  },
  {
    name: "I4",
    because: "nothing is there yet",
    is: evidence({ verb: "create", kind: Secret, ref: internal }, { volumes: [], statefulSets: [] }),
    broken: false,
  },
  // I5
  {
    name: "I5",
    because: "its Pods would not start",
    is: evidence({ verb: "apply", kind: StatefulSet, ref: refTo(set(1)), body: set(1) }, { absent: ["Secret a"] }),
    broken: true,
  },
  {
    name: "I5",
    because: "all is there",
    is: evidence({ verb: "apply", kind: StatefulSet, ref: refTo(set(1)), body: set(1) }),
    broken: false,
  },
  // I7
  {
    name: "I7",
    because: "somebody else has made it",
    is: evidence(making(object("orders-patroni")), { before: object("orders-patroni", { labels: {} }) }),
    broken: true,
  },
  {
    name: "I7",
    because: "it is the user's own Secret, labelled so that it is followed",
    is: evidence(making(object("password")), {
      before: object("password", { labels: { "app.kubernetes.io/managed-by": "holdfast" } }),
    }),
    broken: true,
  },
  {
    name: "I7",
    because: "it belongs to our Database",
    is: evidence(making(object("orders")), { before: object("orders", { labels: {}, ownerReferences: [owner] }) }),
    broken: false,
  },
  {
    name: "I7",
    because: "it was made for a Database of ours",
    is: evidence(making(object("orders")), {
      before: object("orders", { labels: {}, annotations: { [annotations.ownerUid]: uid } }),
    }),
    broken: false,
  },
  {
    name: "I7",
    because: "we have written it before",
    is: evidence(making(object("orders")), {
      before: object("orders", { labels: {}, managedFields: [{ manager: "holdfast" }] }),
    }),
    broken: false,
  },
  {
    name: "I7",
    because: "without its leader key a living cluster elects another one",
    is: evidence(removal(Endpoints, object("orders")), { before: object("orders", patronis) }),
    broken: true,
  },
  {
    name: "I7",
    because: "its Database goes, and Patroni with it",
    is: evidence(removal(Endpoints, object("orders")), { before: object("orders", patronis), databases: [going()] }),
    broken: false,
  },
  // I8
  { name: "I8", because: "two are declared, and one would be left", is: stopped(set(2)), broken: true },
  {
    name: "I8",
    because: "nor may it be on its way",
    is: evidence(retirement, { before: volume(2) }),
    broken: true,
  },
  {
    name: "I8",
    because: "one is declared",
    is: evidence(retirement, { before: volume(2), databases: [database({ replicas: 1 })] }),
    broken: false,
  },
  {
    name: "I8",
    because: "one was declared when the pass began",
    is: evidence(retirement, { before: volume(2), databases: [database({ replicas: 1 }), database({ replicas: 2 })] }),
    broken: false,
  },
  {
    name: "I8",
    because: "it was retired before",
    is: stopped(set(2), { volumes: [volume(1), volume(2, "Bound", { retired: true })] }),
    broken: false,
  },
  {
    name: "I8",
    because: "its volume is lost: it is made anew",
    is: stopped(set(2), { volumes: [volume(1)] }),
    broken: false,
  },
  { name: "I8", because: "the Database goes", is: stopped(set(2), { databases: [going()] }), broken: false },
  {
    name: "I8",
    because: "without a replica there is no instance",
    is: evidence({ verb: "apply", kind: StatefulSet, ref: refTo(set(1)), body: scaledToNothing() }),
    broken: true,
  },
  // I16
  { name: "I16", because: "it leads itself", is: ended("orders-1-0"), broken: true },
  { name: "I16", because: "nobody leads", is: ended(undefined), broken: true },
  { name: "I16", because: "another one leads", is: ended("orders-2-0"), broken: false },
  {
    name: "I16",
    because: "its volume stays",
    is: ended("orders-1-0", { volumes: [volume(1), volume(2)] }),
    broken: false,
  },
  {
    name: "I16",
    because: "its volume is lost",
    is: ended("orders-1-0", { volumes: [volume(1, "Lost")] }),
    broken: true,
  },
  {
    name: "I16",
    because: "its volume was taken away by force",
    is: ended("orders-1-0", { volumes: [volume(2)] }),
    broken: true,
  },
  { name: "I16", because: "the Database goes", is: ended("orders-1-0", { databases: [going()] }), broken: false },
  // I9
  {
    name: "I9",
    because: "the status says already that it is being deleted",
    is: evidence(making(object("orders", { ownerReferences: [owner] })), { database: seenGoing }),
    broken: true,
  },
  {
    name: "I9",
    because: "its finalizer is gone",
    is: evidence(making(object("orders", { ownerReferences: [owner] })), { database: undefined, released: true }),
    broken: true,
  },
  {
    name: "I9",
    because: "the pass had begun before the deletion was seen",
    is: evidence(making(object("orders", { ownerReferences: [owner] })), { database: going() }),
    broken: false,
  },
  {
    name: "I9",
    because: "it is written, not made",
    is: evidence(making(object("orders", { ownerReferences: [owner] })), {
      database: seenGoing,
      before: object("orders"),
    }),
    broken: false,
  },
];

describe("a write", () => {
  test.for(rows)("$name, broken: $broken, because $because", ({ name, is, broken }) => {
    const found = [...violationsOf(is, true), ...violationsOf(is, false)].filter((text) => text.startsWith(name));
    expect(found).toHaveLength(broken ? 1 : 0);
  });

  test("of a finalizer that is taken away from what is being deleted lets go of it", () => {
    const held = database({}, { deletionTimestamp: deleting, finalizers: [finalizer, "other"] });
    const patch = [{ op: "replace", path: "/metadata/finalizers", value: ["other"] }] as const;
    const write: Write = { verb: "patch", kind: databaseKind, ref: refTo(held), patch };
    expect(releases(evidence(write, { before: held }))).toBe(true);
    const kept = [{ op: "replace", path: "/metadata/finalizers", value: [finalizer] }] as const;
    expect(releases(evidence({ ...write, patch: kept }, { before: held }))).toBe(false);
  });
});

describe("the watchful client", () => {
  const world = (objects: readonly KubeObject[]): Pick<KubeClient, "get" | "list"> => ({
    get: async (kind, { name }) =>
      objects.find((each) => each.kind === kind.kind && each.metadata.name === name) as never,
    list: async (kind) => ({ items: objects.filter((each) => each.kind === kind.kind) as never, resourceVersion: "1" }),
  });
  const inner = {
    delete: async () => undefined,
    apply: async (_kind: unknown, body: unknown) => body,
  } as unknown as KubeClient;

  test("tells what was done against a rule, and still does it", async () => {
    const violations: string[] = [];
    const client = watchfulClient(inner, world([database({ replicas: 2 }), volume(2)]), violations);
    await client.delete(PersistentVolumeClaim, refTo(volume(2)), { uid: "volume-2" });
    expect(violations.map((text) => text.slice(0, 2)).toSorted()).toEqual(["I1", "I2"]);
  });

  test("judges attempts also where the world does not answer, and nothing else", async () => {
    const violations: string[] = [];
    const away = async (): Promise<never> => Promise.reject(new Error("no answer"));
    const client = watchfulClient(inner, { get: away, list: away }, violations);
    await client.delete(PersistentVolumeClaim, refTo(volume(2)), { uid: "", resourceVersion: "7" });
    expect(violations).toEqual(["I2: persistentvolumeclaims shop/orders-2 was deleted without its uid"]);
  });

  test("what was there when the operator looked excuses it for what is not there now", async () => {
    const violations: string[] = [];
    const template = { metadata: {}, spec: { containers: [], volumes: [{ name: "a", configMap: { name: "gone" } }] } };
    const body = { ...set(1), spec: { ...set(1).spec!, template } } as unknown as StatefulSet;
    const known = { apiVersion: "v1", kind: "ConfigMap", metadata: { ...shop, name: "gone" } };
    const lists = { ...inner, list: async () => ({ items: [known], resourceVersion: "1" }) } as unknown as KubeClient;
    const client = watchfulClient(lists, world([database()]), violations);
    await client.apply(StatefulSet, body, { fieldManager: "holdfast" });
    expect(violations).toEqual(["I5: statefulsets.apps shop/orders-1 refers to what is not there: ConfigMap gone"]);
    await client.list(ConfigMap);
    await client.apply(StatefulSet, body, { fieldManager: "holdfast" });
    expect(violations).toHaveLength(1);
  });

  test("an operator is told of a Database by each frame of its watch", () => {
    const told = new Told();
    for (const generation of [1, 2]) told.learn(databaseKind, "MODIFIED", database({}, { generation }));
    expect(told.statesOf(uid).map(({ metadata }) => metadata.generation)).toEqual([1, 2]);
  });
});

describe("I12", () => {
  const ready: Database = {
    ...database(),
    status: { conditions: [{ ...condition, status: "True", observedGeneration: 1 }] },
  };
  const call = (verb: string, user: string): string =>
    JSON.stringify({
      stage: "ResponseComplete",
      verb,
      user: { username: `system:serviceaccount:${user}` },
      objectRef: { resource: "services", namespace: "shop", name: "orders" },
    });
  const cases = [
    { because: "it writes again and again", calls: [call("patch", "shop:holdfast")], broken: true },
    { because: "it only reads", calls: [call("get", "shop:holdfast")], broken: false },
    { because: "only others write", calls: [call("patch", "kube-system:somebody")], broken: false },
    { because: "it is not as declared", calls: [call("patch", "shop:holdfast")], is: database(), broken: false },
  ];
  test.for(cases)("broken: $broken, because $because", async ({ calls, is = ready, broken }) => {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-audit-"));
    const auditLogPath = join(directory, "audit.log");
    writeFileSync(auditLogPath, "");
    const writing = setInterval(() => appendFileSync(auditLogPath, `${calls.join("\n")}\n`), 50);
    const list = async (): Promise<never> => ({ items: [is], resourceVersion: "1" }) as never;
    const resting = { client: { list }, namespace: "shop", auditLogPath, metrics: [async () => ""] };
    const found = await writesAtRest(resting).finally(() => clearInterval(writing));
    expect(found).toEqual(broken ? ["I12: patch services orders at rest, again and again"] : []);
    await rm(directory, { recursive: true });
  });
});

describe("I3", () => {
  const pods = (...patroni: readonly object[]) =>
    patroni.map((words, index) => {
      const pod = podOf({ number: index + 1, patroni: { ...words } });
      const labels = { ...pod.metadata.labels, "holdfast.dev/role": (words as { role: string }).role };
      return { ...pod, metadata: { ...pod.metadata, labels } };
    });
  const cases = [
    { because: "one leads", is: pods(leading, streaming), broken: false },
    { because: "two lead on one timeline", is: pods(leading, leading), broken: true },
    { because: "one was deposed", is: pods(leading, { ...leading, timeline: 2 }), broken: false },
    { because: "both are on their way", is: pods(), broken: false },
  ];
  test.for(cases)("broken: $broken, because $because", ({ is, broken }) => {
    expect(primariesBeside(is)).toHaveLength(broken ? 1 : 0);
  });
});
