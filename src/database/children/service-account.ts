// ServiceAccount `orders`: as whom Patroni speaks to the API server. Only Pods that ask for its token get it.
import { ServiceAccount, type Child } from "../../runtime/index.ts";
import { commonLabels, namesOf } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const serviceAccount = {
  kind: ServiceAccount,
  desired: ({ name, namespace }) => [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: namesOf(name).serviceAccount, namespace, labels: commonLabels(name) },
      automountServiceAccountToken: false,
    },
  ],
} as const satisfies Child<ResolvedDatabase, ServiceAccount>;
