// Changes that need a restart: one instance at a time, replicas first, the primary last; what is taken back comes back.
import { expect, test } from "vitest";
import type { DatabaseSpec, Reason } from "../../src/database/api.ts";
import { Endpoints, Pod, StatefulSet } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { conditionOf, eventsOf, notReady, untilIdle, volumeUids } from "../support/observations.ts";
import { watchPods } from "../support/pod-history.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";

const more = { resources: { requests: { memory: "300Mi" } } } as const;

/** A Database that is Ready, of which nothing is left to do; orders-1 leads. */
async function settled(scenario: Scenario, spec: Partial<DatabaseSpec>): Promise<void> {
  scenario.standIn.preferLeader("orders-1-0");
  const operator = await scenario.start();
  await scenario.apply(spec);
  await scenario.ready();
  await untilIdle(operator);
  await operator.stop();
  scenario.standIn.preferLeader(undefined);
}

async function statefulSetUids({ admin, namespace }: Scenario): Promise<Record<string, string>> {
  const { items } = await admin.list(StatefulSet, { namespace });
  return Object.fromEntries(items.map(({ metadata }) => [metadata.name, metadata.uid ?? ""]));
}

const pods = async ({ admin, namespace }: Scenario): Promise<readonly Pod[]> =>
  (await admin.list(Pod, { namespace })).items.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name));

async function podUids(scenario: Scenario): Promise<Record<string, string>> {
  return Object.fromEntries((await pods(scenario)).map(({ metadata }) => [metadata.name, metadata.uid ?? ""]));
}

async function timelineOf({ admin, namespace }: Scenario): Promise<number> {
  const endpoints = await admin.get(Endpoints, { namespace, name: "orders" });
  return Number(endpoints?.metadata.annotations?.["timeline"]);
}

const notes = async (scenario: Scenario): Promise<readonly string[]> =>
  (await eventsOf(scenario)).map(({ note }) => note);

test.concurrent("three instances are replaced one at a time, the primary last, and keep what they have", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-three");
  await settled(scenario, { replicas: 3 });
  const [volumes, statefulSets] = [await volumeUids(scenario), await statefulSetUids(scenario)];
  await using history = await watchPods(scenario);
  await scenario.start();
  const told = await timed(async () => {
    await scenario.apply({ replicas: 3, ...more });
    await eventually("it is said", async () =>
      conditionOf(await scenario.database(), "Progressing")?.reason === "RollingOut" ? true : undefined,
    );
  });
  const rolled = await timed(() => scenario.ready());
  printSeconds("RollingOut", "three instances get other resources; by itself", told, rolled);

  expect(rolled.value.status).toMatchObject({ primary: "orders-2-0", replicas: 3, readyReplicas: 3 });
  expect(history.gone).toEqual(["orders-3-0", "orders-2-0", "orders-1-0"]);
  expect(history.leastServing).toBe(2);
  expect(await timelineOf(scenario)).toBe(2);
  expect(await volumeUids(scenario)).toEqual(volumes);
  expect(await statefulSetUids(scenario)).toEqual(statefulSets);
  for (const { spec } of await pods(scenario))
    expect(spec?.containers[0]?.resources?.requests).toEqual(more.resources.requests);
  expect(await notes(scenario)).toEqual(
    expect.arrayContaining([
      "Restarting orders-3-0: resources changed",
      "Switching over from orders-1-0 to orders-2-0: resources changed",
      "Restarting orders-1-0: resources changed",
    ]),
  );
});

test.concurrent("one instance stops and comes back", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-one");
  await settled(scenario, { replicas: 1 });
  const volumes = await volumeUids(scenario);
  await using history = await watchPods(scenario);
  await scenario.start();
  await scenario.apply({ replicas: 1, ...more });
  expect((await scenario.ready()).status?.primary).toBe("orders-1-0");
  expect(history.gone).toEqual(["orders-1-0"]);
  expect(await volumeUids(scenario)).toEqual(volumes);
});

const mistakes: readonly { what: string; title: string; mistake: Partial<DatabaseSpec>; reason: Reason }[] = [
  {
    what: "an image that does not exist",
    title: "image",
    mistake: { image: "holdfast/postgres:nowhere" },
    reason: "ImageUnavailable",
  },
  {
    what: "a placement that no node has",
    title: "placement",
    mistake: { placement: { nodeSelector: { disk: "none" } } },
    reason: "Unschedulable",
  },
];

test.concurrent.for(mistakes)(
  "$what disturbs one replica, and what was before comes back when it is taken back",
  async ({ title, mistake, reason }, { expect }) => {
    await using scenario = await openScenario(await sharedControlPlane(), `roll-${title}`);
    const { standIn } = scenario;
    standIn.missImages((image) => image.endsWith(":nowhere"));
    standIn.refuseNodes(({ spec }) =>
      spec?.nodeSelector?.["disk"] === undefined ? undefined : "0/3 nodes are available: 3 node(s) didn't match",
    );
    await settled(scenario, { replicas: 3 });
    const before = await podUids(scenario);
    await using history = await watchPods(scenario);
    const operator = await scenario.start();
    await scenario.apply({ replicas: 3, ...mistake });
    expect((await notReady(scenario, reason)).message).toContain("orders-3-0");
    await untilIdle(operator);
    expect(history.gone).toEqual(["orders-3-0"]);

    // Taken back by another apply of the same user's: the field goes.
    await scenario.apply({ replicas: 3 });
    expect((await scenario.ready()).status?.primary).toBe("orders-1-0");
    expect(history.gone).toEqual(["orders-3-0", "orders-3-0"]);
    expect(history.leastServing).toBe(2);
    const after = await podUids(scenario);
    expect({ ...after, "orders-3-0": before["orders-3-0"] }).toEqual(before);
  },
);

test.concurrent("one instance of an image that does not exist comes back when that is taken back", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-alone");
  scenario.standIn.missImages((image) => image.endsWith(":nowhere"));
  await settled(scenario, { replicas: 1 });
  const volumes = await volumeUids(scenario);
  const operator = await scenario.start();
  await scenario.apply({ replicas: 1, image: "holdfast/postgres:nowhere" });
  await eventually("nobody leads", async () =>
    conditionOf(await scenario.database(), "Available")?.status === "False" ? true : undefined,
  );
  await untilIdle(operator);
  await scenario.apply({ replicas: 1 });
  expect((await scenario.ready()).status?.primary).toBe("orders-1-0");
  expect(await volumeUids(scenario)).toEqual(volumes);
});

test.concurrent("a change that is taken back while it is under way ends where it was", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-back");
  await settled(scenario, { replicas: 3 });
  await using history = await watchPods(scenario);
  await scenario.start();
  await scenario.apply({ replicas: 3, ...more });
  await eventually("it is under way", async () => (history.gone.length > 0 ? true : undefined));
  await scenario.apply({ replicas: 3 });
  expect((await scenario.ready()).status).toMatchObject({ replicas: 3, readyReplicas: 3 });
  expect(history.leastServing).toBe(2);
  for (const { spec } of await pods(scenario)) expect(spec?.containers[0]?.resources).toEqual({});
});

test.concurrent("an operator that is killed in the middle goes on where it was", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-killed");
  await settled(scenario, { replicas: 3 });
  const volumes = await volumeUids(scenario);
  await using history = await watchPods(scenario);
  let operator = await scenario.start();
  await scenario.apply({ replicas: 3, ...more });
  for (const gone of [1, 2]) {
    await eventually(`${gone} went`, async () => (history.gone.length >= gone ? true : undefined));
    operator.kill();
    operator = await scenario.start();
  }
  expect((await scenario.ready()).status).toMatchObject({ replicas: 3, readyReplicas: 3 });
  expect(history.gone).toEqual(["orders-3-0", "orders-2-0", "orders-1-0"]);
  expect(history.leastServing).toBe(2);
  expect(await volumeUids(scenario)).toEqual(volumes);
});

test.concurrent("a newer operator with another catalogue restarts nothing", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-newer");
  await settled(scenario, { replicas: 2 });
  const before = await podUids(scenario);
  const operator = await scenario.start({ images: { "17": "holdfast/postgres:17-99" } });
  await untilIdle(operator);
  expect((await scenario.ready()).status?.readyReplicas).toBe(2);
  expect(await podUids(scenario)).toEqual(before);
});

const parameters = [
  {
    sentence: "raised, restart the replicas first",
    title: "raise",
    from: { max_connections: "100" },
    to: { max_connections: "200" },
    restarted: ["orders-3-0", "orders-2-0", "orders-1-0"],
    said: "Restarting PostgreSQL in orders-1-0: max_connections from 100 to 200",
  },
  {
    sentence: "lowered, restart the primary first",
    title: "lower",
    from: { max_connections: "200" },
    to: { max_connections: "100" },
    restarted: ["orders-1-0", "orders-3-0", "orders-2-0"],
    said: "Restarting PostgreSQL in orders-1-0: max_connections from 200 to 100",
  },
  {
    sentence: "raised and lowered at once, restart the replicas before and after the primary",
    title: "mixed",
    from: { max_connections: "100", max_worker_processes: "16" },
    to: { max_connections: "200", max_worker_processes: "8" },
    restarted: ["orders-3-0", "orders-2-0", "orders-1-0", "orders-3-0", "orders-2-0"],
    said: "Restarting PostgreSQL in orders-2-0: max_worker_processes from 16 to 8",
  },
] as const;

test.concurrent.for(parameters)(
  "parameters that replicas need, $sentence, in their Pods",
  async ({ title, from, to, restarted, said }, { expect }) => {
    await using scenario = await openScenario(await sharedControlPlane(), `roll-${title}`);
    await settled(scenario, { replicas: 3, parameters: from });
    await using history = await watchPods(scenario);
    await scenario.start();
    await scenario.apply({ replicas: 3, parameters: to });
    expect((await scenario.ready()).status?.primary).toBe("orders-1-0");
    expect(await restarts(scenario)).toEqual(restarted);
    expect(history.gone).toEqual([]);
    expect(await notes(scenario)).toContain(said);
  },
);

test.concurrent("a parameter that is taken back while it is under way ends where it was", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-unraised");
  await settled(scenario, { replicas: 3 });
  const cluster = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  const before = [...cluster.inForce.values()];
  await scenario.start();
  await scenario.apply({ replicas: 3, parameters: { max_connections: "200" } });
  await eventually("the first is restarted", async () => (cluster.restarts.length > 0 ? true : undefined));
  await scenario.apply({ replicas: 3 });
  await scenario.ready();
  expect([...cluster.inForce.values()]).toEqual(before);
});

test.concurrent("an answer of Patroni's that does not come is no failure", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-silent");
  await settled(scenario, { replicas: 2 });
  await using history = await watchPods(scenario);
  await scenario.start();
  scenario.postgres.answersLate = true;
  await scenario.apply({ replicas: 2, ...more, parameters: { max_connections: "200" } });
  expect((await scenario.ready()).status?.primary).toBe("orders-2-0");
  expect(history.gone).toEqual(["orders-2-0", "orders-1-0"]);
  const failures: readonly (string | undefined)[] = ["PatroniRefused", "Unreachable", "ReconcileFailed"];
  expect((await eventsOf(scenario)).filter(({ reason }) => failures.includes(reason))).toEqual([]);
});

/** The Pods whose PostgreSQL was restarted, in order. */
async function restarts(scenario: Scenario): Promise<readonly string[]> {
  const names = new Map((await pods(scenario)).map(({ metadata, status }) => [status?.podIP, metadata.name]));
  return scenario.postgres.cluster(`${scenario.namespace}/orders`).restarts.map((host) => names.get(host) ?? host);
}

test.concurrent("a parameter that PostgreSQL reloads restarts nothing", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-reload");
  await settled(scenario, { replicas: 2 });
  await using history = await watchPods(scenario);
  await scenario.start();
  await scenario.apply({ replicas: 2, parameters: { work_mem: "16MB" } });
  await scenario.ready();
  expect(await restarts(scenario)).toEqual([]);
  expect(history.gone).toEqual([]);
});

test.concurrent("what Patroni refuses is said with its words, tried again and never forced", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "roll-refused");
  await settled(scenario, { replicas: 2 });
  await using history = await watchPods(scenario);
  await scenario.start();
  scenario.postgres.refusal = "switchover is not possible: no good candidates have been found";
  const told = await timed(async () => {
    await scenario.apply({ replicas: 2, ...more });
    return notReady(scenario, "PatroniRefused");
  });
  expect(told.value.message).toContain(`switchover from orders-1-0 to orders-2-0: ${scenario.postgres.refusal}`);
  await eventually("it is told as an Event", async () =>
    (await notes(scenario)).some((note) => note.includes("no good candidates")) ? true : undefined,
  );
  expect(history.gone).toEqual(["orders-2-0"]);

  const mended = await timed(async () => {
    scenario.postgres.refusal = undefined;
    return scenario.ready();
  });
  expect(mended.value.status?.primary).toBe("orders-2-0");
  expect(history.gone).toEqual(["orders-2-0", "orders-1-0"]);
  printSeconds("PatroniRefused", "a switchover without a candidate", told, mended);
});
