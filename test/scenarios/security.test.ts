// What docs/security.md promises: with `watchNamespaces` a Role in each of them is enough for a whole life, and the Pods of
// instances are admitted where only the strictest are.
import { expect, test } from "vitest";
import { Database } from "../../src/database/api.ts";
import { Namespace, PersistentVolumeClaim, Pod } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { auditLogEnd, readCalls } from "../support/audit.ts";
import { instancesOf, untilIdle } from "../support/observations.ts";
import { gone, openScenario } from "../support/scenario.ts";

test.concurrent("an operator with Roles alone creates, scales and deletes, and asks for nothing that it may not", async () => {
  const controlPlane = await sharedControlPlane();
  await using scenario = await openScenario(controlPlane, "roles");
  const { admin, namespace, operatorUser } = scenario;
  const elsewhere = `${namespace}-elsewhere`;
  await admin.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: elsewhere } });
  const from = await auditLogEnd(controlPlane.auditLogPath);
  const operator = await scenario.start({ namespaced: true, lease: `holdfast-${namespace}` });
  const unseen = await admin.create(Database, {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "Database",
    metadata: { name: "orders", namespace: elsewhere },
    spec: { storage: { size: "1Gi" } },
  });

  await scenario.apply({ replicas: 3, deletionPolicy: "Delete" });
  await scenario.ready();
  await scenario.apply({ replicas: 1, deletionPolicy: "Delete" });
  await scenario.ready();
  expect(await instancesOf(scenario)).toHaveLength(1);
  await untilIdle(operator);
  await scenario.remove();
  await gone(admin, Database, { namespace, name: "orders" });
  expect((await admin.list(PersistentVolumeClaim, { namespace })).items).toEqual([]);

  const untouched = await admin.get(Database, { namespace: elsewhere, name: "orders" });
  expect(untouched?.metadata.resourceVersion).toBe(unseen.metadata.resourceVersion);
  const calls = await Promise.all(
    [namespace, elsewhere].map((name) => readCalls(controlPlane.auditLogPath, name, operatorUser, from)),
  );
  expect(calls.map((each) => each.filter(({ code }) => code === 403))).toEqual([[], []]);
  expect(calls.map((each) => each.length > 0)).toEqual([true, false]);
});

test.concurrent("the Pods of instances are admitted where Pod Security is restricted", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "restricted");
  const { admin, namespace } = scenario;
  const label = "pod-security.kubernetes.io/enforce";
  const path = `/metadata/labels/${label.replace("/", "~1")}`;
  await admin.patch(Namespace, { name: namespace }, [{ op: "add", path, value: "restricted" }]);
  await scenario.start();
  await scenario.apply({ replicas: 2 });
  await scenario.ready();
  const images = [{ name: "any", image: "registry.example/any:1" }];
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "any", namespace },
    spec: { containers: images },
  };
  await expect(admin.create(Pod, pod)).rejects.toThrow("violates PodSecurity");
});
