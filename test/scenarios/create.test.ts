// A Database is created: what it becomes, what it costs, and that it then rests.
import { expect, test } from "vitest";
import { annotations } from "../../src/database/names.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { isEvent, isWrite, type Call } from "../support/audit.ts";
import { notReady, passes, pause, titlesOf, untilIdle, volumesOf } from "../support/observations.ts";
import { openScenario, type Scenario } from "../support/scenario.ts";

const operatorCalls = (scenario: Scenario): Promise<Call[]> => scenario.calls(scenario.operatorUser);

test.concurrent("three instances become Ready, with role and database, and each object was written once", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "create");
  await scenario.start();
  await scenario.apply({ replicas: 3 });
  const { status } = await scenario.ready();

  expect(status).toMatchObject({ phase: "Ready", ready: true, replicas: 3, readyReplicas: 3, version: "17.11" });
  expect(status?.instances?.map(({ name }) => name)).toEqual(["orders-1", "orders-2", "orders-3"]);
  expect(status?.instances?.filter(({ role, streaming }) => role === "replica" && streaming)).toHaveLength(2);
  const postgres = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  expect(postgres.roles.has("orders")).toBe(true);
  expect(postgres.databases.get("orders")).toEqual({ owner: "orders", openToPublic: false });

  const expected = [
    "configmaps orders-patroni",
    "persistentvolumeclaims orders-1",
    "persistentvolumeclaims orders-2",
    "persistentvolumeclaims orders-3",
    "poddisruptionbudgets.policy orders",
    "rolebindings.rbac.authorization.k8s.io orders",
    "secrets orders-credentials",
    "secrets orders-internal",
    "serviceaccounts orders",
    "services orders",
    "services orders-config",
    "services orders-failover",
    "services orders-pods",
    "services orders-replicas",
    "services orders-sync",
    "statefulsets.apps orders-1",
    "statefulsets.apps orders-2",
    "statefulsets.apps orders-3",
  ];
  expect(await titlesOf(scenario)).toEqual(expected);
  const writes = (await operatorCalls(scenario)).filter(
    (call) => isWrite(call) && !isEvent(call) && call.resource !== "databases.holdfast.dev/status",
  );
  // Who leads is known only when somebody does: the one object that is written twice.
  const primary = `persistentvolumeclaims ${status?.primary?.replace(/-0$/, "")}`;
  const finalizer = "databases.holdfast.dev orders";
  expect(writes.filter(({ code }) => code >= 400)).toEqual([]);
  expect(writes.map(({ resource, name }) => `${resource} ${name}`).toSorted()).toEqual(
    [...expected, primary, finalizer].toSorted(),
  );
  const marked = (await volumesOf(scenario)).filter(
    ({ metadata }) => metadata.annotations?.[annotations.lastPrimary] === "true",
  );
  expect(marked.map(({ metadata }) => `${metadata.name}-0`)).toEqual([status?.primary]);
});

test.concurrent("at rest the operator makes no call but its watches, and after a restart it writes nothing", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "rest");
  const first = await scenario.start();
  await scenario.apply({ replicas: 3 });
  await scenario.ready();
  const postgres = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  await untilIdle(first);
  const before = await operatorCalls(scenario);
  await pause(5_000);
  const since = (await operatorCalls(scenario)).slice(before.length);
  expect(since.filter(({ verb }) => verb !== "watch")).toEqual([]);

  await first.stop();
  const { writes, observations } = postgres;
  const untilRestart = (await operatorCalls(scenario)).length;
  const second = await scenario.start();
  await untilIdle(second);
  const afterwards = (await operatorCalls(scenario)).slice(untilRestart);
  expect(afterwards.filter(isWrite)).toEqual([]);
  // It looked, once, at what it cannot watch: role and database, the configuration, and what each server made of it.
  expect(postgres).toMatchObject({ writes, observations: observations + 5 });
});

test.concurrent("its own status write wakes nobody", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "wakes");
  const operator = await scenario.start();
  await scenario.apply();
  await scenario.ready();
  const before = await untilIdle(operator);

  await scenario.apply({ parameters: { port: "5433" } });
  await notReady(scenario, "ParameterRefused");
  await untilIdle(operator);
  await pause(1_000);
  expect(await passes(operator)).toBe(before + 1);
});
