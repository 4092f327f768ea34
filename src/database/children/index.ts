// What a Database consists of, in the order in which it is applied: first what Pods refer to, last the Pods. This one list is
// also what is watched, pruned and counted, and what the chart's ClusterRole is asserted against.
import type { AppliedChildren, Children } from "../../runtime/index.ts";
import type { ResolvedDatabase } from "../resolve.ts";
import { configMap } from "./config-map.ts";
import { credentialsSecret } from "./credentials-secret.ts";
import { internalSecret } from "./internal-secret.ts";
import { persistentVolumeClaims } from "./persistent-volume-claim.ts";
import { podDisruptionBudget } from "./pod-disruption-budget.ts";
import { roleBinding } from "./role-binding.ts";
import { serviceAccount } from "./service-account.ts";
import { patroniServices, podServices } from "./services.ts";
import { statefulSets } from "./stateful-set.ts";

export const children = {
  // Passwords before everything that is built from them: what is generated counts only once it is stored.
  internalSecret,
  credentialsSecret,
  configMap,
  // Rights before the Pods that would be refused without them.
  serviceAccount,
  roleBinding,
  // Services before Patroni writes their Endpoints.
  patroniServices,
  podServices,
  persistentVolumeClaims,
  podDisruptionBudget,
  statefulSets,
} as const satisfies Children<ResolvedDatabase>;

export type AppliedDatabase = AppliedChildren<typeof children>;
