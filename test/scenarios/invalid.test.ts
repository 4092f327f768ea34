// A Database that cannot be: it says why, leaves everything as it is, waits without a storm, and goes on when it is mended.
// What the API server itself refuses is in crd.test.ts.
import { expect, test } from "vitest";
import { Database } from "../../src/database/api.ts";
import { Secret, Service } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import {
  conditionOf,
  contentOf,
  eventsOf,
  instancesOf,
  notReady,
  passes,
  pause,
  untilIdle,
} from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";

/** Every Warning about the Database, with how often it was told: undefined of one that was told once. */
const warningsOf = async (scenario: Scenario) =>
  (await eventsOf(scenario))
    .filter(({ type }) => type === "Warning")
    .map(({ reason, note, series }) => [reason, note, series?.count]);

const open = async (title: string): Promise<Scenario> => openScenario(await sharedControlPlane(), title);

test.concurrent("a refused parameter is named, changes nothing, is not tried again, and can be taken back", async () => {
  await using scenario = await open("parameter");
  const operator = await scenario.start();
  await scenario.apply({ parameters: { work_mem: "8MB" } });
  await scenario.ready();
  const cluster = scenario.postgres.cluster(`${scenario.namespace}/orders`);
  const { configuration } = cluster;
  const before = await untilIdle(operator);

  await scenario.apply({ parameters: { work_mem: "16MB", listen_addresses: "*" } });
  const ready = await notReady(scenario, "ParameterRefused");
  expect(ready.message).toContain("spec.parameters.listen_addresses");
  const database = await scenario.database();
  expect(database?.status).toMatchObject({ phase: "Failed", readyReplicas: 1 });
  expect(conditionOf(database, "Available")?.status).toBe("True");
  await pause(2_500);
  // Backoff would have tried again after one second, and after two more.
  expect(await passes(operator)).toBe(before + 1);
  expect(cluster.configuration).toEqual(configuration);
  expect(await warningsOf(scenario)).toEqual([["ParameterRefused", ready.message, undefined]]);

  await scenario.apply({ parameters: { work_mem: "8MB" } });
  await scenario.ready();
});

test.concurrent("a password's Secret that is missing is named; made with our label it is followed", async () => {
  await using scenario = await open("password");
  const { admin, namespace } = scenario;
  const secret = (password: string): Secret => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "mine", namespace, labels: { "app.kubernetes.io/managed-by": "holdfast" } },
    data: { password: Buffer.from(password).toString("base64") },
  });
  const password = (): string | undefined =>
    scenario.postgres.cluster(`${namespace}/orders`).roles.get("orders")?.password;
  const operator = await scenario.start();
  await scenario.apply({ passwordSecretRef: { name: "mine", key: "password" } });
  const ready = await notReady(scenario, "PasswordSecretMissing");
  expect(ready.message).toContain("there is no Secret mine");
  expect(ready.message).toContain("app.kubernetes.io/managed-by=holdfast");
  expect(await instancesOf(scenario)).toEqual([]);
  await untilIdle(operator);
  expect(await warningsOf(scenario)).toEqual([["PasswordSecretMissing", ready.message, undefined]]);

  await admin.apply(Secret, secret("first"), { fieldManager: "user" });
  await scenario.ready();
  expect(password()).toBe("first");

  await admin.apply(Secret, secret("second"), { fieldManager: "user" });
  await eventually("the new password", async () => (password() === "second" ? true : undefined));
  const credentials = await eventually("the new credentials", async () => {
    const { data } = (await admin.get(Secret, { namespace, name: "orders-credentials" })) ?? {};
    const text = Buffer.from(data?.["password"] ?? "", "base64").toString();
    return text === "second" ? text : undefined;
  });
  expect(credentials).toBe("second");
  await scenario.ready();
});

test.concurrent("what waits for an edit is told also while a Secret that nobody follows is looked at again", async () => {
  await using scenario = await open("unfollowed");
  const { admin, namespace } = scenario;
  const secret = (password: string): Secret => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "mine", namespace },
    data: { password: Buffer.from(password).toString("base64") },
  });
  const passwordSecretRef = { name: "mine", key: "password" };
  await admin.apply(Secret, secret("two\nlines"), { fieldManager: "user" });
  const operator = await scenario.start();
  await scenario.apply({ passwordSecretRef });
  const unusable = await notReady(scenario, "PasswordUnusable");
  await untilIdle(operator);
  const first = ["PasswordUnusable", unusable.message, undefined];
  expect(await warningsOf(scenario)).toEqual([first]);

  await admin.apply(Secret, secret("first"), { fieldManager: "user" });
  await scenario.apply({ passwordSecretRef, parameters: { listen_addresses: "*" } });
  const refused = await notReady(scenario, "ParameterRefused");
  await untilIdle(operator);
  const told = await warningsOf(scenario);
  expect(told).toHaveLength(2);
  expect(told).toEqual(expect.arrayContaining([first, ["ParameterRefused", refused.message, undefined]]));

  await scenario.apply({ passwordSecretRef });
  await scenario.ready();
});

test.concurrent("a name that is taken is named, its object left untouched; without it the Database becomes Ready", async () => {
  await using scenario = await open("taken");
  const { admin, namespace } = scenario;
  const metadata = { name: "orders", namespace, labels: { app: "shop" } };
  const foreign = await admin.create(Service, {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: { selector: { app: "shop" }, ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }] },
  });
  const operator = await scenario.start();
  await scenario.apply({ replicas: 2 });
  const ready = await notReady(scenario, "NameTaken");
  expect(ready.message).toContain(`Service ${namespace}/orders exists already and is not ours`);
  await untilIdle(operator);
  const now = await admin.get(Service, { namespace, name: "orders" });
  expect(contentOf(now!)).toEqual(contentOf(foreign));
  expect(now?.metadata.managedFields).toEqual(foreign.metadata.managedFields);
  expect(await warningsOf(scenario)).toEqual([["NameTaken", ready.message, undefined]]);
  // Without the leader key's Service no instance may start.
  expect(await instancesOf(scenario)).toEqual([]);

  await admin.delete(Service, { namespace, name: "orders" }, { uid: foreign.metadata.uid ?? "" });
  // It would look again by itself, after half a minute.
  const path = "/metadata/annotations";
  await admin.patch(Database, { namespace, name: "orders" }, [
    { op: "add", path, value: { "holdfast.dev/look": "again" } },
  ]);
  await scenario.ready();
});
