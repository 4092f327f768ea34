// Somebody edits or deletes by hand what belongs to a Database: it comes back as it was.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "../../src/database/api.ts";
import { annotations, fieldManager } from "../../src/database/names.ts";
import {
  ConfigMap,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
  type JsonPatch,
} from "../../src/runtime/index.ts";
import { refTo, resourceName, type Kind, type KubeObject } from "../../src/runtime/kube/object.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import {
  conditionOf,
  contentOf,
  notReady,
  objectsOf,
  titleOf,
  untilIdle,
  volumeUids,
  type Found,
} from "../support/observations.ts";
import { eventually, openScenario, type RunningOperator, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";

let scenario: Scenario;
let operator: RunningOperator;
let found: readonly Found[];

beforeAll(async () => {
  scenario = await openScenario(await sharedControlPlane(), "drift");
  scenario.standIn.preferLeader("orders-1-0");
  operator = await scenario.start();
  await scenario.apply({ replicas: 2 });
  await scenario.ready();
  await untilIdle(operator);
  found = await objectsOf(scenario);
});
afterAll(() => scenario?.[Symbol.asyncDispose]());

/** The object as it was before anybody touched it, and is to be again. */
function original(kind: Kind, name: string): KubeObject {
  const match = found.find((each) => each.kind.kind === kind.kind && each.object.metadata.name === name);
  if (match === undefined) throw new Error(`there is no ${kind.kind} ${name}`);
  return match.object;
}

async function untilAsBefore(kind: Kind, before: KubeObject): Promise<KubeObject> {
  return eventually(`${kind.kind} ${before.metadata.name} is as before`, async () => {
    const now = await scenario.admin.get(kind, refTo(before));
    if (now !== undefined) expect(contentOf(now)).toEqual(contentOf(before));
    return now;
  });
}

interface Edit {
  readonly kind: Kind<any>;
  readonly name: string;
  readonly because: string;
  readonly patch: JsonPatch;
}

const managedBy = "/metadata/labels/app.kubernetes.io~1managed-by";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const edits: readonly Edit[] = [
  {
    kind: ConfigMap,
    name: "orders-patroni",
    because: "its content was changed",
    patch: [{ op: "replace", path: "/data/patroni.yml", value: "scope: other" }],
  },
  {
    kind: Secret,
    name: "orders-credentials",
    because: "a value was changed",
    patch: [{ op: "replace", path: "/data/password", value: base64("guessed") }],
  },
  {
    kind: Secret,
    name: "orders-credentials",
    because: "a key was removed",
    patch: [{ op: "remove", path: "/data/uri" }],
  },
  {
    kind: Service,
    name: "orders",
    because: "it was given a selector, which would send writes to replicas",
    patch: [{ op: "add", path: "/spec/selector", value: { "holdfast.dev/database": "orders" } }],
  },
  {
    kind: Service,
    name: "orders-config",
    because: "it was given a selector, which would take the Endpoints from Patroni",
    patch: [
      { op: "add", path: "/spec/selector", value: { app: "other" } },
      // Without these the API server itself refuses a selector on a cluster of one address family.
      { op: "add", path: "/spec/ipFamilyPolicy", value: "SingleStack" },
      { op: "add", path: "/spec/ipFamilies", value: ["IPv4"] },
    ],
  },
  {
    kind: Service,
    name: "orders-replicas",
    because: "its selector was widened, which would send reads to the primary",
    patch: [{ op: "remove", path: "/spec/selector/holdfast.dev~1role" }],
  },
  {
    kind: Service,
    name: "orders-pods",
    because: "starting Pods were hidden",
    patch: [{ op: "replace", path: "/spec/publishNotReadyAddresses", value: false }],
  },
  {
    kind: Service,
    name: "orders",
    because: "its port was changed",
    patch: [{ op: "replace", path: "/spec/ports/0/port", value: 5433 }],
  },
  {
    kind: Service,
    name: "orders-config",
    because: "it was given a port",
    patch: [{ op: "add", path: "/spec/ports", value: [{ name: "other", port: 80 }] }],
  },
  {
    kind: Service,
    name: "orders-pods",
    because: "it was given one more port",
    patch: [{ op: "add", path: "/spec/ports/-", value: { name: "other", port: 80 } }],
  },
  {
    kind: Service,
    name: "orders-sync",
    because: "its owner was removed, so that it would stay for ever",
    patch: [{ op: "remove", path: "/metadata/ownerReferences" }],
  },
  {
    kind: ServiceAccount,
    name: "orders",
    because: "every Pod of it was given a token",
    patch: [{ op: "replace", path: "/automountServiceAccountToken", value: true }],
  },
  {
    kind: RoleBinding,
    name: "orders",
    because: "its subjects were changed",
    patch: [{ op: "replace", path: "/subjects/0/name", value: "default" }],
  },
  {
    kind: PodDisruptionBudget,
    name: "orders",
    because: "it was lowered",
    patch: [{ op: "replace", path: "/spec/minAvailable", value: 0 }],
  },
  {
    kind: StatefulSet,
    name: "orders-2",
    because: "it was scaled to nothing",
    patch: [{ op: "replace", path: "/spec/replicas", value: 0 }],
  },
  {
    kind: StatefulSet,
    name: "orders-2",
    because: "its Pods would be replaced by somebody else's plan",
    patch: [{ op: "replace", path: "/spec/updateStrategy", value: { type: "RollingUpdate" } }],
  },
  {
    kind: StatefulSet,
    name: "orders-2",
    because: "its template was changed",
    patch: [{ op: "replace", path: "/spec/template/spec/containers/0/image", value: "example.org/other:1" }],
  },
  {
    kind: PersistentVolumeClaim,
    name: "orders-2",
    because: "the label by which it is found was removed",
    patch: [{ op: "remove", path: "/metadata/labels/holdfast.dev~1database" }],
  },
  ...[
    [ConfigMap, "orders-patroni"],
    [Secret, "orders-credentials"],
    [Secret, "orders-internal"],
    [Service, "orders"],
    [Service, "orders-failover"],
    [ServiceAccount, "orders"],
    [RoleBinding, "orders"],
    [PodDisruptionBudget, "orders"],
    [StatefulSet, "orders-1"],
    [PersistentVolumeClaim, "orders-1"],
  ].map(([kind, name]) => ({
    kind: kind as Kind,
    name: name as string,
    because: "its managed-by label was removed, by which it is watched",
    patch: [{ op: "remove", path: managedBy }] as const,
  })),
];

describe("what was edited by hand is repaired", () => {
  test.for(edits)("$kind.kind $name: $because", async ({ kind, name, patch }) => {
    const before = original(kind, name);
    await scenario.admin.patch(kind, refTo(before), patch);
    const after = await untilAsBefore(kind, before);
    expect(after.metadata.uid).toBe((await scenario.admin.get(kind, refTo(before)))?.metadata.uid);
    await scenario.ready();
  });

  test("there is a row for every kind that a Database has", () => {
    const kinds = (all: readonly { kind: Kind }[]): string[] => [...new Set(all.map(({ kind }) => resourceName(kind)))];
    expect(kinds(edits).toSorted()).toEqual(kinds(found).toSorted());
  });
});

test("everything that may be deleted comes back as it was, each instance with its number and its own volume", async () => {
  const volumes = await volumeUids(scenario);
  const isVolume = ({ kind }: Found): boolean => resourceName(kind) === "persistentvolumeclaims";
  const mayGo = found.filter((each) => !isVolume(each) && each.object.metadata.name !== "orders-internal");
  for (const each of mayGo) {
    const { kind, object } = each;
    const now = await scenario.admin.get(kind, refTo(object));
    const uid = now?.metadata.uid ?? "";
    await scenario.admin.delete(kind, refTo(object), { uid });
    await eventually(`another ${titleOf(each)}`, async () => {
      const next = await scenario.admin.get(kind, refTo(object));
      return next !== undefined && next.metadata.uid !== uid ? next : undefined;
    });
  }
  await scenario.ready();
  await untilIdle(operator);
  // Not the volumes: another instance may have become the primary meanwhile, and they say so.
  const contents = (all: readonly Found[]): object =>
    Object.fromEntries(all.filter((each) => !isVolume(each)).map((each) => [titleOf(each), contentOf(each.object)]));
  expect(contents(await objectsOf(scenario))).toEqual(contents(found));
  expect(await volumeUids(scenario)).toEqual(volumes);
});

test("a status that somebody else wrote is put right at once: a person's, and the late one of a former leader", async () => {
  const { admin } = scenario;
  const database = await scenario.ready();
  const { status } = database;
  if (status === undefined) throw new Error("there is no status");
  for (const writer of ["kubectl", fieldManager]) {
    const wrong: Database = { ...database, metadata: refTo(database), status: { ...status, primary: "other" } };
    const written = await admin.applyStatus(Database, wrong, { fieldManager: writer });
    expect(written.status?.primary).toBe("other");
    await eventually("the status is as before", async () => {
      expect((await scenario.database())?.status).toEqual(status);
      return true;
    });
  }
  await untilIdle(operator);
});

test("a RoleBinding that was replaced by one of another role is made anew", async () => {
  const { admin, namespace } = scenario;
  const before = original(RoleBinding, "orders") as RoleBinding;
  const current = await admin.get(RoleBinding, refTo(before));
  const { name, labels } = before.metadata;
  const roleRef = { ...before.roleRef, name: "holdfast-other" };
  // Both at once: the operator may be faster than a hand.
  await eventually("the other one", async () => {
    const uid = (await admin.get(RoleBinding, refTo(before)))?.metadata.uid ?? "";
    await admin.delete(RoleBinding, refTo(before), { uid });
    return admin.create(RoleBinding, { ...before, metadata: { name, namespace, labels: labels ?? {} }, roleRef });
  });
  const after = await untilAsBefore(RoleBinding, before);
  expect(after.metadata.uid).not.toBe(current?.metadata.uid);
});

test("the generated passwords are never generated again: without them it waits for a copy, and says so", async () => {
  const { admin } = scenario;
  const internal = original(Secret, "orders-internal") as Secret;
  const told = await timed(async () => {
    await admin.patch(Secret, refTo(internal), [{ op: "remove", path: "/data/rest-password" }]);
    return notReady(scenario, "CredentialsUnusable");
  });
  expect(told.value.message).toContain("orders-internal has lost rest-password");
  const mended = await timed(async () => {
    const value = internal.data?.["rest-password"];
    await admin.patch(Secret, refTo(internal), [{ op: "add", path: "/data/rest-password", value }]);
    return scenario.ready();
  });
  printSeconds("CredentialsUnusable", "a generated password is taken out of its Secret", told, mended);

  await admin.delete(Secret, refTo(internal), { uid: internal.metadata.uid ?? "" });
  expect((await notReady(scenario, "CredentialsUnusable")).message).toContain("Secret orders-internal is gone");
  expect(conditionOf(await scenario.database(), "Available")).toMatchObject({ status: "True" });
  await untilIdle(operator);
  expect(await admin.get(Secret, refTo(internal))).toBeUndefined();

  const { name, namespace, labels } = internal.metadata;
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }), labels: labels ?? {} };
  await admin.create(Secret, { ...internal, metadata });
  await scenario.ready();
  await untilAsBefore(Secret, internal);
});

test("a replica's volume that somebody marks as the last primary's is not left so", async () => {
  const { admin, namespace } = scenario;
  const { status } = await scenario.ready();
  const name = status?.primary === "orders-1-0" ? "orders-2" : "orders-1";
  const path = `/metadata/annotations/${annotations.lastPrimary.replaceAll("/", "~1")}`;
  await admin.patch(PersistentVolumeClaim, { namespace, name }, [{ op: "add", path, value: "true" }]);
  await eventually("the mark is taken back", async () => {
    const volume = await admin.get(PersistentVolumeClaim, { namespace, name });
    return volume?.metadata.annotations?.[annotations.lastPrimary] === "false" ? true : undefined;
  });
});

test("a volume deleted by hand is waited for as long as something holds it, then made anew", async () => {
  const { admin } = scenario;
  const volume = original(PersistentVolumeClaim, "orders-2");
  const uid = (await admin.get(PersistentVolumeClaim, refTo(volume)))?.metadata.uid ?? "";
  const finalizers = (value: readonly string[]): JsonPatch => [{ op: "add", path: "/metadata/finalizers", value }];
  await admin.patch(PersistentVolumeClaim, refTo(volume), finalizers(["example.org/in-use"]));
  await admin.delete(PersistentVolumeClaim, refTo(volume), { uid });
  const ready = await notReady(scenario, "VolumeLost");
  expect(ready.message).toContain("volume orders-2: it is being deleted");

  await admin.patch(PersistentVolumeClaim, refTo(volume), finalizers([]));
  await scenario.ready();
  const { [volume.metadata.name]: now } = await volumeUids(scenario);
  expect(now).not.toBe(uid);
});
