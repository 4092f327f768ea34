// Parameters from the spec to the servers, and back: what is not taken up yet, not known, and what must be corrected while
// nobody leads. The stand-in's servers make of them what the fake is told.
import { expect, test } from "vitest";
import { Pod } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { conditionOf, eventsOf, notReady, passes, pause, untilIdle } from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";

const open = async (title: string): Promise<Scenario> => openScenario(await sharedControlPlane(), title);
const clusterOf = ({ postgres, namespace }: Scenario) => postgres.cluster(`${namespace}/orders`);

function configured(scenario: Scenario): Record<string, unknown> {
  const { postgresql } = clusterOf(scenario).configuration as { postgresql: { parameters: Record<string, unknown> } };
  return postgresql.parameters;
}

/** The kubelet's part: PostgreSQL does not answer, or does again. */
async function answers({ admin, namespace }: Scenario, name: string, ready: boolean): Promise<void> {
  const pod = await admin.get(Pod, { namespace, name });
  const lastTransitionTime = "2026-11-21T10:00:00Z";
  const status = ready ? "True" : "False";
  const conditions = ["Ready", "ContainersReady"].map((type) => ({ type, status, lastTransitionTime }));
  const { apiVersion, kind } = pod!;
  await admin.applyStatus(
    Pod,
    { apiVersion, kind, metadata: { name, namespace }, status: { ...pod?.status, conditions } },
    { fieldManager: "stand-in" },
  );
}

test.concurrent("an unknown parameter is told by name, holds up nothing else, makes no noise, and goes with its correction", async () => {
  await using scenario = await open("unknown");
  const operator = await scenario.start();
  await scenario.apply();
  await scenario.ready();
  clusterOf(scenario).unknown.add("wrk_mem");

  await scenario.apply({ parameters: { wrk_mem: "16MB", jit: "off" }, replicas: 2 });
  const ready = await notReady(scenario, "ParameterRefused");
  expect(ready.message).toContain("parameter wrk_mem: PostgreSQL 17 has no parameter of this name that can be set");
  expect(configured(scenario)).toMatchObject({ jit: "off" });
  const { status } = await eventually("the second instance serves", async () => {
    const database = await scenario.database();
    return database?.status?.readyReplicas === 2 ? database : undefined;
  });
  expect(status?.conditions).toContainEqual(expect.objectContaining({ type: "Available", status: "True" }));
  expect(await eventsOf(scenario)).toContainEqual(
    expect.objectContaining({ reason: "ParameterRefused", type: "Warning", note: ready.message }),
  );

  const passed = await untilIdle(operator);
  const { observations } = clusterOf(scenario);
  await pause(2_000);
  expect([await passes(operator), clusterOf(scenario).observations]).toEqual([passed, observations]);

  await scenario.apply({ parameters: { work_mem: "16MB", jit: "off" }, replicas: 2 });
  await scenario.ready();
  expect(configured(scenario)).not.toHaveProperty("wrk_mem");
});

test.concurrent("Ready waits for the slowest server, and no longer", async () => {
  await using scenario = await open("slow");
  const operator = await scenario.start();
  await scenario.apply({ replicas: 2 });
  await scenario.ready();
  const cluster = clusterOf(scenario);
  const [replica] = [...scenario.postgres.replicas];
  cluster.lagging.set(replica!, cluster.configuration);

  const told = await timed(async () => {
    await scenario.apply({ replicas: 2, parameters: { work_mem: "16MB" } });
    return notReady(scenario, "Provisioning");
  });
  expect(told.value.message).toContain("not known to be as declared yet");
  await eventually(
    "the configuration is handed over",
    async () => configured(scenario)["work_mem"] === "16MB" || undefined,
  );
  await pause(1_500);
  expect(conditionOf(await scenario.database(), "Ready")?.status).toBe("False");
  const mended = await timed(async () => {
    cluster.lagging.clear();
    return scenario.ready();
  });
  printSeconds("Provisioning", "a server takes a parameter up late", told, mended);

  await untilIdle(operator);
  const { observations } = cluster;
  await pause(2_000);
  expect(cluster.observations).toBe(observations);
});

test.concurrent("while nobody leads a corrected parameter reaches Patroni through the member that answers", async () => {
  await using scenario = await open("leaderless");
  const { admin, namespace, postgres } = scenario;
  const operator = await scenario.start();
  await scenario.apply({ replicas: 2, parameters: { huge_pages: "on" } });
  await scenario.ready();
  const pods = (await admin.list(Pod, { namespace })).items;
  const [one, two] = pods.map(({ status }) => status?.podIP ?? "");
  postgres.unreachable.add(one!);
  postgres.unreachable.add(two!);
  for (const { metadata } of pods) await answers(scenario, metadata.name, false);
  await eventually("nobody leads", async () =>
    conditionOf(await scenario.database(), "Available")?.status === "False" ? true : undefined,
  );

  await scenario.apply({ replicas: 2, parameters: { huge_pages: "try" } });
  const { note } = await eventually("an Event says that no Patroni answers", async () =>
    (await eventsOf(scenario)).find(({ reason }) => reason === "Unreachable"),
  );
  expect(note).toContain("no Patroni takes the configuration");
  expect(conditionOf(await scenario.database(), "Ready")?.reason).not.toBe("Unreachable");
  expect(configured(scenario)["huge_pages"]).toBe("on");

  postgres.unreachable.delete(two!);
  await eventually("the correction has arrived", async () => configured(scenario)["huge_pages"] === "try" || undefined);
  await untilIdle(operator);
  const { observations } = clusterOf(scenario);
  await pause(2_000);
  expect(clusterOf(scenario).observations).toBe(observations);

  postgres.unreachable.clear();
  for (const { metadata } of pods) await answers(scenario, metadata.name, true);
  await scenario.ready();
});
