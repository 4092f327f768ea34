// What all other scenarios stand on: the API server and the controller manager are real, and data outlives a crash.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { apiCall, apiRequest, type ApiConnection } from "../../hack/cluster/api-request.ts";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { sharedControlPlane, startOwnControlPlane } from "../support/api-server.ts";

interface Pod {
  metadata: { name: string; uid: string; ownerReferences: { kind: string; uid: string }[] };
}

async function createNamespace(api: ApiConnection): Promise<string> {
  const name = `shop-${randomUUID().slice(0, 8)}`;
  await apiCall(api, "POST", "/api/v1/namespaces", { metadata: { name } });
  return name;
}

function createStatefulSet(api: ApiConnection, namespace: string): Promise<{ metadata: { uid: string } }> {
  const labels = { app: "orders" };
  return apiCall(api, "POST", `/apis/apps/v1/namespaces/${namespace}/statefulsets`, {
    metadata: { name: "orders" },
    spec: {
      serviceName: "orders",
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "postgres", image: "example.org/none:1" }] } },
    },
  });
}

async function waitForPod(api: ApiConnection, namespace: string, name: string): Promise<Pod> {
  for (;;) {
    const { status, body } = await apiRequest(api, "GET", `/api/v1/namespaces/${namespace}/pods/${name}`);
    if (status === 200) return body as Pod;
    await sleep(50);
  }
}

test("a StatefulSet gets its Pod from the real controller manager", async () => {
  const { admin } = await sharedControlPlane();
  const namespace = await createNamespace(admin);

  const statefulSet = await createStatefulSet(admin, namespace);
  const pod = await waitForPod(admin, namespace, "orders-0");

  expect(pod.metadata.ownerReferences).toMatchObject([{ kind: "StatefulSet", uid: statefulSet.metadata.uid }]);
});

test("an API server that was killed comes back at the same place with its data, and the controllers go on", async () => {
  await using controlPlane = await startOwnControlPlane();
  const { admin } = controlPlane;
  const namespace = await createNamespace(admin);
  await createStatefulSet(admin, namespace);
  const before = await waitForPod(admin, namespace, "orders-0");

  await controlPlane.killApiServer();
  await expect(apiRequest(admin, "GET", "/readyz")).rejects.toThrow("ECONNREFUSED");
  await controlPlane.startApiServer();

  expect((await waitForPod(admin, namespace, "orders-0")).metadata.uid).toBe(before.metadata.uid);
  await apiCall(admin, "DELETE", `/api/v1/namespaces/${namespace}/pods/orders-0?gracePeriodSeconds=0`);
  let after = before;
  while (after.metadata.uid === before.metadata.uid) after = await waitForPod(admin, namespace, "orders-0");
  expect(after.metadata.uid).not.toBe(before.metadata.uid);
});

test("each actor has a name of its own and only the rights that it was given", async () => {
  const controlPlane = await sharedControlPlane();
  const namespace = await createNamespace(controlPlane.admin);
  const account = { namespace, name: "operator" };
  await apiCall(controlPlane.admin, "POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: account });

  await expect(whoAmI(controlPlane, await controlPlane.kubeconfig("jane", ["clerks"]))).resolves.toMatchObject({
    username: "jane",
    groups: expect.arrayContaining(["clerks"]) as unknown,
  });
  const kubeconfig = await controlPlane.serviceAccountKubeconfig(account);
  await expect(whoAmI(controlPlane, kubeconfig)).resolves.toMatchObject({
    username: `system:serviceaccount:${namespace}:operator`,
  });
});

async function whoAmI(controlPlane: ControlPlane, kubeconfig: string): Promise<unknown> {
  const { user } = (JSON.parse(kubeconfig) as { users: [{ user: Record<string, string> }] }).users[0];
  const decode = (field: string): string => Buffer.from(user[field] ?? "", "base64").toString();
  const credential = {
    certificatePem: decode("client-certificate-data"),
    privateKeyPem: decode("client-key-data"),
  };
  const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const answer = await apiCall<{ status: { userInfo: unknown } }>(
    { ...controlPlane.admin, credential: user["token"] === undefined ? credential : { token: user["token"] } },
    "POST",
    path,
    body,
  );
  return answer.status.userInfo;
}
