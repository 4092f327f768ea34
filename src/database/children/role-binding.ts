// RoleBinding `orders`: gives the instances what Patroni needs, in their namespace, by one static ClusterRole of the chart.
import { RoleBinding, type Child } from "../../runtime/index.ts";
import { commonLabels, namesOf } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const roleBinding = {
  kind: RoleBinding,
  // roleRef cannot be changed: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#clusterrolebinding-example
  onImmutable: "recreate",
  desired: ({ name, namespace, instanceClusterRole }) => [
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: namesOf(name).roleBinding, namespace, labels: commonLabels(name) },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: instanceClusterRole },
      subjects: [{ kind: "ServiceAccount", name: namesOf(name).serviceAccount, namespace }],
    },
  ],
} as const satisfies Child<ResolvedDatabase, RoleBinding>;
