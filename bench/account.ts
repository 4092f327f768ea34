// The namespace of the Shops, and the user as which a contestant comes: it may do what the operator needs, and its calls are told by its name.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apiCall } from "../hack/cluster/api-request.ts";
import type { ApiServer } from "../testing/index.ts";

export const namespace = "bench";
/** As the audit log names it. */
export const user = `system:serviceaccount:${namespace}:operator`;

const role = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "shop-operator" },
  rules: [
    { apiGroups: ["apps.bench.dev"], resources: ["shops", "shops/status", "shops/finalizers"], verbs: ["*"] },
    { apiGroups: [""], resources: ["secrets", "services"], verbs: ["*"] },
    { apiGroups: ["apps"], resources: ["statefulsets"], verbs: ["*"] },
  ],
};

/** Makes both and answers the path of a kubeconfig with a token, once the token has all of its rights. */
export async function createAccount(server: ApiServer): Promise<string> {
  const { admin, directory } = server;
  const metadata = { name: "operator", namespace };
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  await apiCall(admin, "POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  await apiCall(admin, "POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata });
  await apiCall(admin, "POST", `${rbac}/clusterroles`, role);
  await apiCall(admin, "POST", `${rbac}/clusterrolebindings`, {
    metadata: role.metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
    subjects: [{ kind: "ServiceAccount", ...metadata }],
  });
  const question = { resourceAttributes: { group: "apps", resource: "statefulsets", verb: "list" }, user };
  // The authorizer learns of a binding by a watch.
  for (;;) {
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const answer = await apiCall<{ status: { allowed: boolean } }>(admin, "POST", path, { spec: question });
    if (answer.status.allowed) break;
    await sleep(10);
  }
  const path = join(directory, "operator.kubeconfig");
  await writeFile(path, await server.serviceAccountKubeconfig(metadata), { mode: 0o600 });
  return path;
}
