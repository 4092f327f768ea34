// More and fewer instances: the primary stays, and no volume goes or comes back without a word.
import { expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { annotations } from "../../src/database/names.ts";
import { Endpoints, PersistentVolumeClaim, PodDisruptionBudget, type KubeClient } from "../../src/runtime/index.ts";
import { resourceName } from "../../src/runtime/kube/object.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { promote } from "../support/failover.ts";
import { eventsOf, instancesOf, untilIdle, volumesOf, volumeUids } from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";

/** Applies and waits until it is Ready and nothing is left to do. */
async function settled(scenario: Scenario, spec: Partial<DatabaseSpec>): Promise<string | undefined> {
  await scenario.apply(spec);
  return (await scenario.ready()).status?.primary;
}

async function retiredVolumes(scenario: Scenario): Promise<readonly string[]> {
  const retired = (await volumesOf(scenario)).filter(
    ({ metadata }) => metadata.annotations?.[annotations.retired] !== undefined,
  );
  return retired.map(({ metadata }) => metadata.name);
}

const policies = [
  {
    deletionPolicy: "Retain",
    because: "volumes are kept, marked, and not used again",
    retired: ["orders-2", "orders-3"],
    grown: "orders-4",
  },
  { deletionPolicy: "Delete", because: "volumes go, and their numbers are free again", retired: [], grown: "orders-2" },
] as const;

test.concurrent.for(policies)("1 → 3 → 1 → 2 with $deletionPolicy: $because", async (policy, { expect }) => {
  const { deletionPolicy, retired, grown } = policy;
  await using scenario = await openScenario(await sharedControlPlane(), `scale-${deletionPolicy.toLowerCase()}`);
  const { admin, namespace } = scenario;
  await scenario.start();
  expect(await settled(scenario, { replicas: 1, deletionPolicy })).toBe("orders-1-0");
  expect(await settled(scenario, { replicas: 3, deletionPolicy })).toBe("orders-1-0");
  expect(await instancesOf(scenario)).toEqual(["orders-1", "orders-2", "orders-3"]);
  const budget = { namespace, name: "orders" };
  expect((await admin.get(PodDisruptionBudget, budget))?.spec?.minAvailable).toBe(2);
  const uids = await volumeUids(scenario);

  expect(await settled(scenario, { replicas: 1, deletionPolicy })).toBe("orders-1-0");
  expect(await instancesOf(scenario)).toEqual(["orders-1"]);
  const kept = Object.fromEntries(["orders-1", ...retired].map((name) => [name, uids[name]]));
  await eventually("only what the policy keeps is left", async () => {
    expect(await volumeUids(scenario)).toEqual(kept);
    return true;
  });
  expect(await retiredVolumes(scenario)).toEqual(retired);
  expect(await admin.get(PodDisruptionBudget, budget)).toBeUndefined();

  expect(await settled(scenario, { replicas: 2, deletionPolicy })).toBe("orders-1-0");
  expect(await instancesOf(scenario)).toEqual(["orders-1", grown]);
  expect(await retiredVolumes(scenario)).toEqual(retired);
  expect((await volumeUids(scenario))[grown]).not.toBe(uids[grown]);
});

test.concurrent("the leader stays when it has the highest number", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "scale-leader");
  scenario.standIn.preferLeader("orders-3-0");
  await scenario.start();
  expect(await settled(scenario, { replicas: 3 })).toBe("orders-3-0");
  expect(await settled(scenario, { replicas: 1 })).toBe("orders-3-0");
  expect(await instancesOf(scenario)).toEqual(["orders-3"]);
  expect(await retiredVolumes(scenario)).toEqual(["orders-1", "orders-2"]);
});

test.concurrent("a spec that changes its mind midway ends where it says, with the primary kept", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "scale-tempo");
  await scenario.start();
  const primary = await settled(scenario, { replicas: 1 });
  for (const replicas of [5, 2, 4, 1, 3]) await scenario.apply({ replicas });
  expect((await scenario.ready()).status).toMatchObject({ primary, replicas: 3, readyReplicas: 3 });
  expect(await instancesOf(scenario)).toHaveLength(3);
});

test.concurrent("1 → 5 → 2 → 3 in one go keeps the primary, and every volume that ever was", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "scale-go");
  await scenario.start();
  const primary = await settled(scenario, { replicas: 1 });
  await scenario.apply({ replicas: 5 });
  const seen = await eventually("some are on their way", async () => {
    const uids = await volumeUids(scenario);
    return Object.keys(uids).length > 1 ? uids : undefined;
  });
  await scenario.apply({ replicas: 2 });
  await eventually("one is being removed", async () =>
    (await retiredVolumes(scenario)).length > 0 ? true : undefined,
  );
  expect(await settled(scenario, { replicas: 3 })).toBe(primary);
  expect(await instancesOf(scenario)).toHaveLength(3);
  expect(await volumeUids(scenario)).toMatchObject(seen);
  const calls = await scenario.calls(scenario.operatorUser);
  expect(calls.filter(({ verb, resource }) => verb === "delete" && resource === "persistentvolumeclaims")).toEqual([]);
});

const failovers = [
  { when: "live read", because: "before anything was marked: it never is" },
  { when: "mark", because: "after its volume was marked, before it was stopped: the mark is taken back" },
] as const;

test.concurrent.for(failovers)(
  "an instance that becomes the leader between the plan and the $when stays: $because",
  async ({ when }, { expect }) => {
    await using scenario = await openScenario(await sharedControlPlane(), "scale-failover");
    scenario.standIn.preferLeader("orders-1-0");
    let armed = false;
    let failedOver: Promise<void> | undefined;
    const failOver = (): Promise<void> => (failedOver ??= promote(scenario, "orders-3-0"));
    const wrap = (inner: KubeClient): KubeClient => ({
      ...inner,
      get: async (kind, ref, options) => {
        const reads = resourceName(kind) === resourceName(Endpoints) && ref.name === "orders";
        if (armed && when === "live read" && reads) await failOver();
        return inner.get(kind, ref, options);
      },
      patch: async (kind, ref, patch, options) => {
        const answer = await inner.patch(kind, ref, patch, options);
        const marks = resourceName(kind) === resourceName(PersistentVolumeClaim) && ref.name === "orders-3";
        if (armed && when === "mark" && marks) await failOver();
        return answer;
      },
    });
    const operator = await scenario.start({ wrap });
    expect(await settled(scenario, { replicas: 3 })).toBe("orders-1-0");
    await untilIdle(operator);

    armed = true;
    expect(await settled(scenario, { replicas: 1 })).toBe("orders-3-0");
    expect(failedOver).toBeDefined();
    expect(await instancesOf(scenario)).toEqual(["orders-3"]);
    expect(await retiredVolumes(scenario)).toEqual(["orders-1", "orders-2"]);
    const notes = (await eventsOf(scenario)).map(({ note }) => note);
    const kept = "Instance orders-3 became the primary while it was being retired: it stays";
    expect(notes.includes(kept)).toBe(when === "mark");
  },
);
