// ConfigMap `orders-patroni`: Patroni's static file. Passwords are not in it, and of the parameters only what a new cluster
// begins with.
import { ConfigMap, type Child } from "../../runtime/index.ts";
import { patroniConfig, renderPatroniConfig } from "../../postgres/patroni-config.ts";
import { commonLabels, labels, namesOf, patroniConfigKey, ports } from "../names.ts";
import type { ResolvedDatabase } from "../resolve.ts";

export const configMap = {
  kind: ConfigMap,
  desired: ({ name, namespace, version, parameters }) => {
    const cluster = {
      name,
      version,
      labels: commonLabels(name),
      scopeLabel: labels.database,
      roleLabel: labels.role,
      ports,
    };
    return [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: namesOf(name).configMap, namespace, labels: commonLabels(name) },
        data: { [patroniConfigKey]: renderPatroniConfig(patroniConfig(cluster, parameters)) },
      },
    ];
  },
} as const satisfies Child<ResolvedDatabase, ConfigMap>;
