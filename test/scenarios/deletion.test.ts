// A Database is deleted: what stays and what goes, whatever state it is in, and what a namesake makes of the rest.
import { describe, expect, test } from "vitest";
import { Database, type DatabaseSpec } from "../../src/database/api.ts";
import { annotations, finalizer } from "../../src/database/names.ts";
import {
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  refTo,
  Secret,
  StatefulSet,
  type KubeClient,
} from "../../src/runtime/index.ts";
import { resourceName } from "../../src/runtime/kube/object.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { isCreation } from "../support/audit.ts";
import {
  conditionOf,
  instancesOf,
  notReady,
  titlesOf,
  untilIdle,
  volumesOf,
  volumeUids,
} from "../support/observations.ts";
import { eventually, gone, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";
import { promote } from "../support/failover.ts";

const open = async (title: string): Promise<Scenario> => openScenario(await sharedControlPlane(), title);

async function untilGone({ admin, namespace }: Scenario): Promise<void> {
  await gone(admin, Database, { namespace, name: "orders" });
}

/** Garbage collection follows the Database in its own time. */
async function untilLeft(scenario: Scenario, expected: readonly string[]): Promise<void> {
  const { admin, namespace } = scenario;
  await eventually(`only [${expected.join(", ")}] is left`, async () => {
    expect(await titlesOf(scenario)).toEqual(expected);
    const { items: pods } = await admin.list(Pod, { namespace });
    const { items: endpoints } = await admin.list(Endpoints, { namespace });
    expect([...pods, ...endpoints].map(({ metadata }) => metadata.name)).toEqual([]);
    return true;
  });
}

async function lastPrimaries(scenario: Scenario): Promise<readonly string[]> {
  const marked = (await volumesOf(scenario)).filter(
    ({ metadata }) => metadata.annotations?.[annotations.lastPrimary] === "true",
  );
  return marked.map(({ metadata }) => metadata.name);
}

async function passwordOf({ admin, namespace }: Scenario): Promise<string | undefined> {
  return (await admin.get(Secret, { namespace, name: "orders-credentials" }))?.data?.["password"];
}

const retained = [
  "persistentvolumeclaims orders-1",
  "persistentvolumeclaims orders-2",
  "persistentvolumeclaims orders-3",
  "secrets orders-internal",
];

describe("what is left", () => {
  const states: readonly {
    because: string;
    spec: Partial<DatabaseSpec>;
    meanwhile?: Partial<DatabaseSpec>;
    left: readonly string[];
  }[] = [
    { because: "Retain keeps volumes and passwords", spec: {}, left: retained },
    { because: "Delete leaves nothing", spec: { deletionPolicy: "Delete" }, left: [] },
    {
      because: "an invalid spec is no reason to keep a Database",
      spec: { deletionPolicy: "Delete" },
      meanwhile: { parameters: { port: "1" } },
      left: [],
    },
    {
      because: "neither is a missing Secret of the user's",
      spec: { deletionPolicy: "Delete" },
      meanwhile: { passwordSecretRef: { name: "nowhere", key: "password" } },
      left: [],
    },
    { because: "a paused one can be deleted", spec: {}, meanwhile: { paused: true }, left: retained },
  ];

  test.concurrent.for(states)("$because", async ({ spec, meanwhile, left }) => {
    await using scenario = await open("deletion");
    await scenario.start();
    await scenario.apply({ replicas: 3, ...spec });
    const primary = (await scenario.ready()).status?.primary;
    if (meanwhile !== undefined) {
      await scenario.apply({ replicas: 3, ...spec, ...meanwhile });
      await eventually("seen", async () => {
        const database = await scenario.database();
        return database?.status?.observedGeneration === database?.metadata.generation ? true : undefined;
      });
    }
    await scenario.remove();
    await untilGone(scenario);
    await untilLeft(scenario, left);
    if (left.length > 0) expect(await lastPrimaries(scenario)).toEqual([primary?.replace(/-0$/, "")]);
  });

  test.concurrent("a PostgreSQL that does not answer is no obstacle", async () => {
    await using scenario = await open("unreachable");
    const { admin, namespace, postgres } = scenario;
    await scenario.start();
    await scenario.apply({ replicas: 2, deletionPolicy: "Delete" });
    await scenario.ready();
    for (const { status } of (await admin.list(Pod, { namespace })).items)
      postgres.unreachable.add(status?.podIP ?? "");
    await scenario.remove();
    await untilGone(scenario);
    await untilLeft(scenario, []);
  });

  test.concurrent("whoever leads when nobody looks is the last primary", async () => {
    await using scenario = await open("unseen");
    const operator = await scenario.start();
    await scenario.apply({ replicas: 3 });
    await scenario.ready();
    operator.kill();
    await promote(scenario, "orders-3-0");
    await scenario.remove();
    await scenario.start();
    await untilGone(scenario);
    expect(await lastPrimaries(scenario)).toEqual(["orders-3"]);
    await scenario.apply({ replicas: 3 });
    expect((await scenario.ready()).status?.primary).toBe("orders-3-0");
  });

  test.concurrent("while nobody leads, who led last stays written down, and of the others that they did not", async () => {
    await using scenario = await open("leaderless");
    const { admin, namespace, standIn } = scenario;
    standIn.preferLeader("orders-2-0");
    await scenario.start();
    await scenario.apply({ replicas: 2 });
    await scenario.ready();
    standIn.holdBack(() => true);
    const pod = { namespace, name: "orders-2-0" };
    await admin.delete(Pod, pod, { uid: (await admin.get(Pod, pod))?.metadata.uid ?? "" });
    await scenario.remove();
    await untilGone(scenario);
    const said = (await volumesOf(scenario)).map(({ metadata }) => metadata.annotations?.[annotations.lastPrimary]);
    expect(said).toEqual(["false", "true"]);
  });

  test.concurrent("foreground deletion takes no volume with it, and one of them is the last primary's", async () => {
    await using scenario = await open("foreground");
    const { admin, namespace } = scenario;
    await scenario.start();
    await scenario.apply({ replicas: 3 });
    const uid = (await scenario.ready()).metadata.uid ?? "";
    await admin.delete(Database, { namespace, name: "orders" }, { uid, propagation: "Foreground" });
    await untilGone(scenario);
    await untilLeft(scenario, retained);
    // The garbage collector stops instances in no order: whoever led at last, in between another may have.
    const [last, ...others] = await lastPrimaries(scenario);
    expect(others).toEqual([]);
    await scenario.apply({ replicas: 3 });
    expect((await scenario.ready()).status?.primary).toBe(`${last}-0`);
  });

  test.concurrent("a Database that never came to anything leaves nothing to wait for", async () => {
    await using scenario = await open("unborn");
    scenario.standIn.holdBack(() => true);
    await scenario.start();
    await scenario.apply({ replicas: 2, deletionPolicy: "Delete" });
    await eventually("instances", async () => ((await instancesOf(scenario)).length === 2 ? true : undefined));
    await scenario.remove();
    await untilGone(scenario);
    await untilLeft(scenario, []);
  });
});

test.concurrent("replicas stop before the primary, and Endpoints go only when no Pod is left to write them again", async () => {
  await using scenario = await open("order");
  scenario.standIn.preferLeader("orders-2-0");
  await scenario.start();
  await scenario.apply({ replicas: 3 });
  await scenario.ready();
  await scenario.remove();
  await untilGone(scenario);
  const deleted = (await scenario.calls(scenario.operatorUser))
    .filter(({ verb }) => verb === "delete")
    .map(({ resource, name }) => `${resource} ${name}`);
  expect(deleted.slice(0, 2).toSorted()).toEqual(["statefulsets.apps orders-1", "statefulsets.apps orders-3"]);
  expect(deleted.slice(2)).toEqual(["statefulsets.apps orders-2", "endpoints orders", "endpoints orders-config"]);
});

test.concurrent.for([
  { because: "killed when the first instance was stopped", resource: "statefulsets.apps" },
  { because: "killed when the Endpoints were gone", resource: "endpoints" },
  { because: "killed when the first volume was gone", resource: "persistentvolumeclaims" },
])("an operator that was $because is taken over from", async ({ resource }) => {
  await using scenario = await open("killed");
  let seen = false;
  let kill: () => void = () => undefined;
  const wrap = (inner: KubeClient): KubeClient => ({
    ...inner,
    delete: async (kind, ref, options) => {
      if (seen) throw new Error("the process is dead");
      await inner.delete(kind, ref, options);
      if (resourceName(kind) !== resource) return;
      seen = true;
      kill();
    },
  });
  const first = await scenario.start({ wrap });
  kill = () => first.kill();
  await scenario.apply({ replicas: 2, deletionPolicy: "Delete" });
  await scenario.ready();
  await scenario.remove();
  await eventually("killed", async () => (seen ? true : undefined));
  expect((await scenario.database())?.metadata.finalizers).toContain(finalizer);
  await scenario.start();
  await untilGone(scenario);
  await untilLeft(scenario, []);
});

test.concurrent("a finalizer that was removed by hand is put back", async () => {
  await using scenario = await open("finalizer");
  const { admin } = scenario;
  await scenario.start();
  await scenario.apply();
  const database = await scenario.ready();
  expect(database.metadata.finalizers).toEqual([finalizer]);
  await admin.patch(Database, refTo(database), [{ op: "remove", path: "/metadata/finalizers" }]);
  await eventually("the finalizer", async () =>
    (await scenario.database())?.metadata.finalizers?.includes(finalizer) === true ? true : undefined,
  );
  await scenario.remove();
  await untilGone(scenario);
  await untilLeft(scenario, ["persistentvolumeclaims orders-1", "secrets orders-internal"]);
});

test.concurrent("a namesake made at once takes the volumes up: the last primary first, and alone", async () => {
  await using scenario = await open("again");
  const { admin, standIn } = scenario;
  standIn.preferLeader("orders-2-0");
  const operator = await scenario.start();
  await scenario.apply({ replicas: 3 });
  const before = await scenario.ready();
  const volumes = await volumeUids(scenario);
  const cluster = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  const secretCreations = async (): Promise<number> =>
    (await scenario.calls()).filter((call) => isCreation(call) && call.name === "orders-internal").length;
  const generated = await secretCreations();

  standIn.holdBack(() => true);
  await scenario.remove();
  await eventually("its name is free", async () => {
    const { apiVersion, kind, metadata, spec } = before;
    const { name, namespace } = metadata;
    return admin.create(Database, {
      apiVersion,
      kind,
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      spec,
    });
  });
  const ready = await notReady(scenario, "TakingUpVolumes");
  await untilIdle(operator);
  expect(ready.message).toContain("orders-2-0");
  expect(conditionOf(await scenario.database(), "Available")?.status).toBe("False");
  expect(await instancesOf(scenario)).toEqual(["orders-2"]);

  standIn.holdBack(() => false);
  const after = await scenario.ready();
  expect(after.metadata.uid).not.toBe(before.metadata.uid);
  expect(after.status).toMatchObject({ primary: "orders-2-0", readyReplicas: 3 });
  expect(await volumeUids(scenario)).toEqual(volumes);
  expect(await secretCreations()).toBe(generated);
  expect(cluster.roles.get("orders")?.password).toBeDefined();

  // After a failover one volume, not two, is the last primary's: a mark of the earlier life is taken back.
  await promote(scenario, "orders-1-0");
  await eventually("only the new primary's volume is marked", async () => {
    expect(await lastPrimaries(scenario)).toEqual(["orders-1"]);
    return true;
  });

  // The new one is their owner now: its own policy holds for them.
  await scenario.apply({ replicas: 3, deletionPolicy: "Delete" });
  await scenario.ready();
  await scenario.remove();
  await untilGone(scenario);
  await untilLeft(scenario, []);
});

test.concurrent("an only instance is taken up with its data and passwords", async () => {
  await using scenario = await open("only");
  await scenario.start();
  await scenario.apply();
  await scenario.ready();
  const before = [await volumeUids(scenario), await passwordOf(scenario)];
  await scenario.remove();
  await untilGone(scenario);
  await scenario.apply({ parameters: { work_mem: "16MB" } });
  expect((await scenario.ready()).status).toMatchObject({ primary: "orders-1-0", readyReplicas: 1 });
  expect([await volumeUids(scenario), await passwordOf(scenario)]).toEqual(before);
});

test.concurrent("while volumes are taken up, one that goes missing is not replaced by an empty one that would lead", async () => {
  await using scenario = await open("robbed");
  const { admin, namespace, standIn } = scenario;
  standIn.preferLeader("orders-2-0");
  const operator = await scenario.start();
  await scenario.apply({ replicas: 3 });
  await scenario.ready();
  await scenario.remove();
  await untilGone(scenario);
  standIn.holdBack(() => true);
  const told = await timed(async () => {
    await scenario.apply({ replicas: 3 });
    return notReady(scenario, "TakingUpVolumes");
  });
  console.log(`TakingUpVolumes (the last primary does not come): said after ${told.seconds} s`);
  const claim = { namespace, name: "orders-2" };
  await admin.delete(PersistentVolumeClaim, claim, { uid: (await volumeUids(scenario))["orders-2"] ?? "" });
  const { message } = await notReady(scenario, "LastPrimaryUnknown");
  expect(message).toContain("which of orders-1, orders-3 has the newest data?");
  await untilIdle(operator);
  expect(Object.keys(await volumeUids(scenario))).toEqual(["orders-1", "orders-3"]);

  standIn.preferLeader("orders-3-0");
  standIn.holdBack(() => false);
  const path = `/metadata/annotations/${annotations.lastPrimary.replaceAll("/", "~1")}`;
  await admin.patch(PersistentVolumeClaim, { namespace, name: "orders-3" }, [{ op: "replace", path, value: "true" }]);
  expect((await scenario.ready()).status).toMatchObject({ primary: "orders-3-0", readyReplicas: 3 });
});

test.concurrent("volumes of which two claim to be the last primary's wait for a person", async () => {
  await using scenario = await open("claim");
  const { admin } = scenario;
  const operator = await scenario.start();
  await scenario.apply({ replicas: 2 });
  await scenario.ready();
  await scenario.remove();
  await untilGone(scenario);
  const path = `/metadata/annotations/${annotations.lastPrimary.replaceAll("/", "~1")}`;
  const mark = async (name: string, value: string): Promise<void> => {
    const volume = (await volumesOf(scenario)).find(({ metadata }) => metadata.name === name)!;
    await admin.patch(PersistentVolumeClaim, refTo(volume), [{ op: "replace", path, value }]);
  };
  for (const name of ["orders-1", "orders-2"]) await mark(name, "true");

  const told = await timed(async () => {
    await scenario.apply({ replicas: 2 });
    return notReady(scenario, "LastPrimaryUnknown");
  });
  expect(told.value.message).toContain("orders-1, orders-2");
  await untilIdle(operator);
  expect(await admin.list(StatefulSet, { namespace: scenario.namespace })).toMatchObject({ items: [] });
  const mended = await timed(async () => {
    await mark("orders-1", "false");
    return scenario.ready();
  });
  expect(mended.value.status?.primary).toBe("orders-2-0");
  printSeconds("LastPrimaryUnknown", "two volumes claim to be the last primary's", told, mended);
});

test.concurrent("a Pod that the operator has not heard of is waited for: its Patroni would write the Endpoints again", async () => {
  await using scenario = await open("unheard");
  const { admin, namespace } = scenario;
  const pod = { namespace, name: "orders-1-0" };
  let heard = true;
  const operator = await scenario.start({
    wrap: (inner) => ({
      ...inner,
      // Of Pods nothing new is told for a while.
      watch: (kind, options) =>
        resourceName(kind) === "pods" ? withheld(inner.watch(kind, options), () => heard) : inner.watch(kind, options),
    }),
  });
  await scenario.apply({ replicas: 1 });
  await scenario.ready();
  const first = await admin.get(Pod, pod);
  heard = false;
  await admin.delete(Pod, pod, { uid: first?.metadata.uid ?? "" });
  const second = await eventually("there is another Pod", async () => {
    const found = await admin.get(Pod, pod);
    return found?.metadata.uid === first?.metadata.uid ? undefined : found;
  });
  // It needs its time to stop.
  await admin.patch(Pod, pod, [
    { op: "test", path: "/metadata/uid", value: second.metadata.uid },
    { op: "add", path: "/metadata/finalizers", value: ["example.org/stopping"] },
  ]);

  await scenario.remove();
  await gone(admin, StatefulSet, { namespace, name: "orders-1" });
  await untilIdle(operator);
  expect(conditionOf(await scenario.database(), "Ready")?.message).toContain("waiting for Pods to stop: orders-1-0");
  expect(await admin.get(Endpoints, { namespace, name: "orders" })).toBeDefined();
  await admin.patch(Pod, pod, [{ op: "remove", path: "/metadata/finalizers" }]);
  heard = true;
  await untilGone(scenario);
  await untilLeft(scenario, ["persistentvolumeclaims orders-1", "secrets orders-internal"]);
});

/** What comes while it is not to be heard of is never told. A Pod that goes is. */
async function* withheld(frames: ReturnType<KubeClient["watch"]>, isHeard: () => boolean): AsyncGenerator<any> {
  for await (const frame of frames) if (isHeard() || frame.type === "DELETED") yield frame;
}
