// Volumes: lost, deleted by hand, never bound, grown, refused. Whatever becomes of one, the data are kept where anybody has them.
import { describe, expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { annotations } from "../../src/database/names.ts";
import {
  defineKind,
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  refTo,
  StatefulSet,
  StorageClass,
  type KubeObject,
} from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { eventsOf, instancesOf, notReady, untilIdle, volumesOf, volumeUids } from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";
import { claimOf, deleteInUse, loseVolume, podUids, vanish } from "../support/volume-losses.ts";

const open = async (title: string): Promise<Scenario> => {
  const scenario = await openScenario(await sharedControlPlane(), `volumes-${title}`);
  scenario.standIn.preferLeader("orders-1-0");
  return scenario;
};

async function settled(scenario: Scenario, spec: Partial<DatabaseSpec>): Promise<string | undefined> {
  await scenario.apply(spec);
  return (await scenario.ready()).status?.primary;
}

/** Names whose value is another than before. */
function changed(before: Record<string, string>, after: Record<string, string>): readonly string[] {
  expect(Object.keys(after).toSorted()).toEqual(Object.keys(before).toSorted());
  return Object.keys(before).filter((name) => before[name] !== after[name]);
}

async function podDeletions(scenario: Scenario): Promise<number> {
  const calls = await scenario.calls(scenario.operatorUser);
  return calls.filter(({ verb, resource }) => verb === "delete" && resource === "pods").length;
}

describe("of three instances", () => {
  const losses = [
    { how: "is lost", lose: loseVolume, title: "lost" },
    { how: "is deleted by hand", lose: deleteInUse, title: "deleted" },
  ] as const;

  test.concurrent.for(losses)(
    "a replica's volume that $how is filled again, and nothing else is touched",
    async (row, { expect }) => {
      await using scenario = await open(`replica-${row.title}`);
      await scenario.start();
      expect(await settled(scenario, { replicas: 3 })).toBe("orders-1-0");
      const [volumes, pods] = [await volumeUids(scenario), await podUids(scenario)];

      await row.lose(scenario, "orders-2");
      await eventually("another volume of that name", async () => {
        const uid = (await volumeUids(scenario))["orders-2"];
        return uid !== undefined && uid !== volumes["orders-2"] ? true : undefined;
      });
      expect((await scenario.ready()).status?.primary).toBe("orders-1-0");
      expect(changed(volumes, await volumeUids(scenario))).toEqual(["orders-2"]);
      if (row.title === "deleted") expect(changed(pods, await podUids(scenario))).toEqual(["orders-2-0"]);
    },
  );

  test.concurrent.for(losses)(
    "the primary's volume that $how is left by a switchover, then filled again",
    async (row, { expect }) => {
      await using scenario = await open(`primary-${row.title}`);
      await scenario.start();
      expect(await settled(scenario, { replicas: 3 })).toBe("orders-1-0");
      scenario.standIn.preferLeader(undefined);
      const volumes = await volumeUids(scenario);

      await row.lose(scenario, "orders-1");
      await eventually("another volume of that name", async () => {
        const uid = (await volumeUids(scenario))["orders-1"];
        return uid !== undefined && uid !== volumes["orders-1"] ? true : undefined;
      });
      const primary = (await scenario.ready()).status?.primary;
      expect(["orders-2-0", "orders-3-0"]).toContain(primary);
      expect(changed(volumes, await volumeUids(scenario))).toEqual(["orders-1"]);
      const notes = (await eventsOf(scenario)).map(({ note }) => note);
      expect(notes.filter((note) => note?.startsWith("Switching over from orders-1-0"))).toHaveLength(1);
    },
  );

  test.concurrent("all volumes are deleted at once: one instance after the other is filled again, and no data is lost", async () => {
    await using scenario = await open("all");
    await scenario.start();
    await settled(scenario, { replicas: 3 });
    scenario.standIn.preferLeader(undefined);
    const volumes = await volumeUids(scenario);
    for (const name of Object.keys(volumes).toReversed()) await deleteInUse(scenario, name);
    await eventually("all volumes are others", async () => {
      const now = await volumeUids(scenario);
      const anew = Object.keys(volumes).filter((name) => now[name] !== undefined && now[name] !== volumes[name]);
      return anew.length === 3 ? true : undefined;
    });
    expect((await scenario.ready()).status).toMatchObject({ readyReplicas: 3 });
    expect(await podDeletions(scenario)).toBe(3);
    const leader = await scenario.admin.get(Endpoints, { namespace: scenario.namespace, name: "orders" });
    expect(leader?.metadata.annotations?.["timeline"]).toBe("2");
  });

  test.concurrent("a volume that nobody lets go keeps no other instance from what is declared", async () => {
    await using scenario = await open("held");
    const { admin, namespace } = scenario;
    const operator = await scenario.start();
    await settled(scenario, { replicas: 2 });
    const claim = await claimOf(scenario, "orders-2");
    const path = "/metadata/finalizers/-";
    await admin.patch(PersistentVolumeClaim, refTo(claim), [{ op: "add", path, value: "example.org/hold" }]);
    await admin.delete(PersistentVolumeClaim, refTo(claim), { uid: claim.metadata.uid ?? "" });
    await scenario.apply({ replicas: 3, parameters: { work_mem: "16MB" } });
    expect((await notReady(scenario, "VolumeLost")).message).toContain(
      "volume orders-2: it is being deleted, and goes with its Pod; the instance is filled again from orders-1-0",
    );
    await eventually("a third instance serves", async () =>
      (await scenario.database())?.status?.readyReplicas === 2 ? true : undefined,
    );
    await untilIdle(operator);
    expect(await instancesOf(scenario)).toEqual(["orders-1", "orders-2", "orders-3"]);
    expect(await podDeletions(scenario)).toBe(1);

    await admin.patch(PersistentVolumeClaim, refTo(claim), [
      { op: "replace", path: "/metadata/finalizers", value: [] },
    ]);
    expect((await scenario.ready()).status).toMatchObject({ readyReplicas: 3 });
    expect((await admin.get(StatefulSet, { namespace, name: "orders-3" }))?.metadata.name).toBe("orders-3");
  });

  test.concurrent.for([
    { name: "orders-2", whose: "a replica", primary: "orders-1-0" },
    { name: "orders-1", whose: "the primary", primary: "orders-2-0" },
  ])(
    "a volume of $whose that vanished without a trace is made anew, with its Pod, and filled from another",
    async ({ name, primary }, { expect }) => {
      await using scenario = await open(`vanished-${name}`);
      await scenario.start();
      await settled(scenario, { replicas: 2 });
      scenario.standIn.preferLeader(undefined);
      const [volumes, pods] = [await volumeUids(scenario), await podUids(scenario)];
      await vanish(scenario, name);
      await eventually("another volume, and another Pod", async () => {
        const uids = { ...(await volumeUids(scenario)), ...(await podUids(scenario)) };
        const anew = (of: string, before: Record<string, string>): boolean =>
          uids[of] !== undefined && uids[of] !== before[of];
        return anew(name, volumes) && anew(`${name}-0`, pods) ? true : undefined;
      });
      expect((await scenario.ready()).status).toMatchObject({ primary, readyReplicas: 2 });
      expect(changed(pods, await podUids(scenario))).toEqual([`${name}-0`]);
    },
  );

  test.concurrent("the copy that lasts stays when there are to be fewer while the primary's volume goes", async () => {
    await using scenario = await open("fewer");
    await scenario.start();
    expect(await settled(scenario, { replicas: 2, deletionPolicy: "Delete" })).toBe("orders-1-0");
    scenario.standIn.preferLeader(undefined);
    const volumes = await volumeUids(scenario);
    scenario.postgres.refusal = "not now";
    await deleteInUse(scenario, "orders-1");
    await notReady(scenario, "VolumeLost");
    await scenario.apply({ replicas: 1, deletionPolicy: "Delete" });
    await eventually("a switchover is refused", async () =>
      (await scenario.database())?.status?.observedGeneration === 2 ? true : undefined,
    );
    expect(Object.keys(await podUids(scenario))).toEqual(["orders-1-0", "orders-2-0"]);

    scenario.postgres.refusal = undefined;
    expect((await scenario.ready()).status).toMatchObject({ primary: "orders-2-0", replicas: 1 });
    await eventually("only that is left", async () => {
      expect(await volumeUids(scenario)).toEqual({ "orders-2": volumes["orders-2"] });
      return true;
    });
  });
});

describe("of an only instance", () => {
  test.concurrent("a volume that somebody deletes is left alone, until another instance has a copy", async () => {
    await using scenario = await open("alone");
    const operator = await scenario.start();
    await settled(scenario, { replicas: 1 });
    scenario.standIn.preferLeader(undefined);
    const [volumes, pods] = [await volumeUids(scenario), await podUids(scenario)];
    const told = await timed(async () => {
      await deleteInUse(scenario, "orders-1");
      return notReady(scenario, "VolumeLost");
    });
    expect(told.value.message).toContain("keep orders-1-0 running and raise spec.replicas");
    await untilIdle(operator);
    expect([await volumeUids(scenario), await podUids(scenario)]).toEqual([volumes, pods]);

    const mended = await timed(async () => {
      await scenario.apply({ replicas: 2 });
      return scenario.ready();
    });
    expect(mended.value.status).toMatchObject({ primary: "orders-2-0", readyReplicas: 2 });
    expect((await volumeUids(scenario))["orders-1"]).not.toBe(volumes["orders-1"]);
    printSeconds("VolumeLost", "somebody deletes the only volume; remedy: a second instance", told, mended);
    expect(await settled(scenario, { replicas: 1 })).toBe("orders-2-0");
  });

  test.concurrent.for([
    { how: "is deleted by hand", lose: deleteInUse, title: "edited-deleted" },
    { how: "is lost", lose: loseVolume, title: "edited-lost" },
  ])("the Pod is not restarted for an edit while its volume $how", async ({ lose, title }, { expect }) => {
    await using scenario = await open(title);
    const operator = await scenario.start();
    await settled(scenario, { replicas: 1 });
    const pods = await podUids(scenario);
    await lose(scenario, "orders-1");
    await notReady(scenario, "VolumeLost");
    await scenario.apply({
      replicas: 1,
      resources: { requests: { memory: "256Mi" } },
      parameters: { max_connections: 200 },
    });
    await eventually("the StatefulSet has it", async () => {
      const { admin, namespace } = scenario;
      const set = await admin.get(StatefulSet, { namespace, name: "orders-1" });
      const { observedGeneration, updateRevision, currentRevision } = set?.status ?? {};
      const isSeen = observedGeneration === set?.metadata.generation && updateRevision !== currentRevision;
      return isSeen ? true : undefined;
    });
    await untilIdle(operator);
    await notReady(scenario, "VolumeLost");
    expect(await podUids(scenario)).toEqual(pods);
    expect(scenario.postgres.cluster(`${scenario.namespace}/orders`).restarts).toEqual([]);
  });

  test.concurrent("a volume that vanished under the primary is not made anew, until another instance has a copy", async () => {
    await using scenario = await open("vanished-alone");
    const operator = await scenario.start();
    await settled(scenario, { replicas: 1 });
    scenario.standIn.preferLeader(undefined);
    const pods = await podUids(scenario);
    await vanish(scenario, "orders-1");
    expect((await notReady(scenario, "VolumeLost")).message).toContain(
      "keep orders-1-0 running and raise spec.replicas",
    );
    await scenario.apply({ replicas: 1, resources: { requests: { memory: "256Mi" } } });
    await untilIdle(operator);
    await notReady(scenario, "VolumeLost");
    expect([await volumesOf(scenario), await podUids(scenario)]).toEqual([[], pods]);

    expect(await settled(scenario, { replicas: 2 })).toBe("orders-2-0");
    expect(Object.keys(await volumeUids(scenario))).toEqual(["orders-1", "orders-2"]);
  });

  test.concurrent("a volume that is gone is not made anew: an empty Database would look like the one that was there", async () => {
    await using scenario = await open("gone");
    const { admin, namespace } = scenario;
    const operator = await scenario.start();
    await settled(scenario, { replicas: 1 });
    scenario.standIn.holdBack(() => true);
    await deleteInUse(scenario, "orders-1");
    const pod = await admin.get(Pod, { namespace, name: "orders-1-0" });
    await admin.delete(Pod, { namespace, name: "orders-1-0" }, { uid: pod?.metadata.uid ?? "" });
    await eventually("the volume is gone", async () => ((await volumesOf(scenario)).length === 0 ? true : undefined));
    scenario.standIn.holdBack(() => false);
    // Until the operator has heard that it is gone, it says that it is being deleted.
    await eventually("that it is gone is told", async () => {
      const { message } = await notReady(scenario, "VolumeLost");
      return message.includes("it is gone, with the data on it") ? true : undefined;
    });
    await untilIdle(operator);
    expect(await volumesOf(scenario)).toEqual([]);
  });
});

describe("a volume that was never bound", () => {
  test.concurrent.for([
    { because: "the class had a typo", wrong: { size: "1Gi", storageClass: "standrad" }, right: { size: "1Gi" } },
    { because: "the size was absurd", wrong: { size: "100Ti" }, right: { size: "1Gi" } },
  ])("is made anew when the spec is corrected: $because", async ({ wrong, right }, { expect }) => {
    await using scenario = await open("unbound");
    scenario.standIn.withholdVolumes(
      ({ spec }) => spec?.storageClassName === "standrad" || spec?.resources?.requests?.["storage"] === "100Ti",
    );
    const operator = await scenario.start();
    await scenario.apply({ replicas: 2, storage: wrong });
    await eventually("two volumes", async () => ((await volumesOf(scenario)).length === 2 ? true : undefined));
    await untilIdle(operator);
    const before = await volumeUids(scenario);

    await scenario.apply({ replicas: 2, storage: right });
    await eventually("others", async () => {
      const now = Object.entries(await volumeUids(scenario));
      return now.length === 2 && now.every(([name, uid]) => before[name] !== uid) ? true : undefined;
    });
    for (const { spec } of await volumesOf(scenario)) {
      expect([spec?.storageClassName, spec?.resources?.requests?.["storage"]]).toEqual(["standard", "1Gi"]);
    }
  });
});

describe("a larger size", () => {
  test.concurrent("makes every volume grow while it is used", async () => {
    await using scenario = await open("grow");
    await scenario.start();
    await settled(scenario, { replicas: 2 });
    const [volumes, pods] = [await volumeUids(scenario), await podUids(scenario)];
    await scenario.apply({ replicas: 2, storage: { size: "2Gi" } });
    expect((await scenario.ready()).status?.volumeSize).toBe("2Gi");
    for (const { status } of await volumesOf(scenario)) expect(status?.capacity?.["storage"]).toBe("2Gi");
    expect([await volumeUids(scenario), await podUids(scenario)]).toEqual([volumes, pods]);
    await expect(scenario.apply({ replicas: 2 })).rejects.toThrow("volumes cannot shrink");
  });

  test.concurrent("of a class that cannot is told, holds nothing else up, and can be taken back", async () => {
    await using scenario = await open("rigid");
    const { admin, namespace } = scenario;
    const storageClass = `rigid-${namespace}`;
    await admin.create(StorageClass, {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: storageClass },
      provisioner: "holdfast.dev/stand-in",
      allowVolumeExpansion: false,
    });
    const operator = await scenario.start();
    const before = { replicas: 2, storage: { size: "1Gi", storageClass } };
    await settled(scenario, before);
    const pods = await podUids(scenario);

    const told = await timed(async () => {
      await scenario.apply({
        ...before,
        storage: { size: "2Gi", storageClass },
        parameters: { work_mem: "16MB" },
        resources: { requests: { memory: "256Mi" } },
      });
      return notReady(scenario, "VolumeNotExpandable");
    });
    expect(told.value.message).toContain("orders-");
    await eventually("everything else is as declared", async () => {
      const { configuration } = scenario.postgres.cluster(`${namespace}/orders`);
      expect(JSON.stringify(configuration)).toContain("16MB");
      const now = await podUids(scenario);
      return Object.keys(pods).every((name) => now[name] !== undefined && now[name] !== pods[name]) ? true : undefined;
    });
    await untilIdle(operator);
    const idle = (await scenario.calls(scenario.operatorUser)).length;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect((await scenario.calls(scenario.operatorUser)).length).toBe(idle);
    await notReady(scenario, "VolumeNotExpandable");
    const warnings = (await eventsOf(scenario)).filter(({ type }) => type === "Warning");
    expect(warnings.map(({ reason, series }) => [reason, series])).toEqual([["VolumeNotExpandable", undefined]]);

    const mended = await timed(() => settled(scenario, before));
    printSeconds("VolumeNotExpandable", "a larger size, of a class that cannot; taken back", told, mended);
    await admin.delete(StorageClass, { name: storageClass }, { uid: await uidOf(scenario, storageClass) });
  });
});

const uidOf = async ({ admin }: Scenario, name: string): Promise<string> =>
  (await admin.get(StorageClass, { name }))?.metadata.uid ?? "";

interface ResourceQuota extends KubeObject {
  spec: { hard: Record<string, string> };
  status?: { hard?: Record<string, string> };
}
const ResourceQuota = defineKind<ResourceQuota>({
  group: "",
  version: "v1",
  kind: "ResourceQuota",
  plural: "resourcequotas",
  namespaced: true,
});

test.concurrent("volumes beyond the quota wait for room, and hold nothing else up", async () => {
  await using scenario = await open("quota");
  const { admin, namespace } = scenario;
  // Whichever has the room.
  scenario.standIn.preferLeader(undefined);
  const quota = (count: string): Promise<unknown> =>
    admin.apply(
      ResourceQuota,
      {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "few", namespace },
        spec: { hard: { persistentvolumeclaims: count } },
      },
      { fieldManager: "user" },
    );
  await quota("1");
  await eventually("the quota is in force", async () =>
    (await admin.get(ResourceQuota, { namespace, name: "few" }))?.status?.hard?.["persistentvolumeclaims"] === "1"
      ? true
      : undefined,
  );
  await scenario.start();
  await scenario.apply({ replicas: 2, parameters: { work_mem: "16MB" } });
  expect((await notReady(scenario, "QuotaExceeded")).message).toContain("exceeded quota: few");
  await eventually("the first instance serves", async () =>
    (await scenario.database())?.status?.readyReplicas === 1 ? true : undefined,
  );
  await quota("2");
  expect((await scenario.ready()).status).toMatchObject({ readyReplicas: 2 });
});

const policies = [
  {
    deletionPolicy: "Retain",
    used: ["orders-1", "orders-2", "orders-6"],
    retired: ["orders-3", "orders-4", "orders-5"],
  },
  { deletionPolicy: "Delete", used: ["orders-1", "orders-2", "orders-3"], retired: [] },
] as const;

test.concurrent.for(policies)(
  "1 → 5 → 2 → 3 with $deletionPolicy leaves the volumes of $used and $retired",
  async (row, { expect }) => {
    const { deletionPolicy, used, retired } = row;
    await using scenario = await open(`scale-${deletionPolicy.toLowerCase()}`);
    await scenario.start();
    for (const replicas of [1, 5]) expect(await settled(scenario, { replicas, deletionPolicy })).toBe("orders-1-0");
    const five = await volumeUids(scenario);
    expect(await settled(scenario, { replicas: 2, deletionPolicy })).toBe("orders-1-0");
    await eventually("only what the policy keeps is left", async () => {
      expect(await instancesOf(scenario)).toEqual(["orders-1", "orders-2"]);
      const kept = deletionPolicy === "Retain" ? Object.keys(five) : ["orders-1", "orders-2"];
      expect(await volumeUids(scenario)).toEqual(Object.fromEntries(kept.map((name) => [name, five[name]])));
      return true;
    });

    expect(await settled(scenario, { replicas: 3, deletionPolicy })).toBe("orders-1-0");
    expect(await instancesOf(scenario)).toEqual(used);
    const volumes = await volumesOf(scenario);
    expect(volumes.map(({ metadata }) => metadata.name)).toEqual([...used, ...retired].toSorted());
    const marked = volumes.filter(({ metadata }) => metadata.annotations?.[annotations.retired] !== undefined);
    expect(marked.map(({ metadata }) => metadata.name)).toEqual(retired);
    expect(volumes.find(({ metadata }) => metadata.name === used[2])?.metadata.uid).not.toBe(five[used[2]]);
  },
);
