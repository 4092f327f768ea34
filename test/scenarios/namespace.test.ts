// The namespace is deleted under a Database: the real namespace controller takes everything in whatever order, and nothing new may
// be made. It must end, without a storm of attempts.
import { expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { Namespace, PersistentVolume } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { isEvent, isWrite } from "../support/audit.ts";
import { eventually, gone, openScenario, type Scenario } from "../support/scenario.ts";

async function removeNamespace({ admin, namespace }: Scenario): Promise<void> {
  const uid = (await admin.get(Namespace, { name: namespace }))?.metadata.uid ?? "";
  await admin.delete(Namespace, { name: namespace }, { uid });
}

/** What the operator asked for in vain, Events aside. */
async function refusals(scenario: Scenario): Promise<readonly string[]> {
  const calls = await scenario.calls(`system:serviceaccount:${scenario.namespace}-operator:holdfast`);
  const refused = calls.filter((call) => isWrite(call) && !isEvent(call) && call.code === 403);
  return refused.map(({ verb, resource, name }) => `${verb} ${resource} ${name}`);
}

const states: readonly { because: string; spec: Partial<DatabaseSpec>; meanwhile?: Partial<DatabaseSpec> }[] = [
  { because: "the volumes that Retain keeps go with their namespace", spec: { replicas: 3 } },
  { because: "Delete asks for what is gone already", spec: { replicas: 3, deletionPolicy: "Delete" } },
  { because: "a paused one is still cleaned up after", spec: { replicas: 2 }, meanwhile: { paused: true } },
  { because: "an invalid spec is no obstacle", spec: { replicas: 2 }, meanwhile: { parameters: { port: "1" } } },
];

test.concurrent.for(states)("it ends: $because", async ({ spec, meanwhile }, { expect }) => {
  await using scenario = await openScenario(await sharedControlPlane(), "namespace");
  const { admin, namespace } = scenario;
  await scenario.start({ apart: true });
  await scenario.apply(spec);
  await scenario.ready();
  if (meanwhile !== undefined) await scenario.apply({ ...spec, ...meanwhile });

  await removeNamespace(scenario);
  await gone(admin, Namespace, { name: namespace });
  // A pass makes a dozen attempts at most, and few passes fall between the first thing that goes and the Database itself.
  expect((await refusals(scenario)).length).toBeLessThan(100);
  const { items } = await admin.list(PersistentVolume, { labels: `stand-in=${namespace}` });
  expect(items.filter(({ status }) => status?.phase === "Bound")).toEqual([]);
});

test.concurrent("an operator that was away finds it being deleted, with nothing left of it, and lets it go", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "namespace-late");
  const { admin, namespace } = scenario;
  const operator = await scenario.start({ apart: true });
  await scenario.apply();
  await scenario.ready();
  await operator.stop();
  await removeNamespace(scenario);
  // The content goes; the Database, and with it the namespace, wait for the cleanup.
  await eventually("the Database waits", async () => {
    const database = await scenario.database();
    return database?.metadata.deletionTimestamp === undefined ? undefined : true;
  });
  expect(await admin.get(Namespace, { name: namespace })).toBeDefined();
  await scenario.start({ apart: true });
  await gone(admin, Namespace, { name: namespace });
  expect(await refusals(scenario)).toEqual([]);
});
