// Where the API server is when nobody says so: the order in which kubectl and controllers in Go look for it.
import { delimiter } from "node:path";
import type { Connection } from "./connection.ts";
import { inClusterConnection } from "./in-cluster.ts";
import { kubeconfigConnection } from "./kubeconfig.ts";

/**
 * The kubeconfig where KUBECONFIG names one, else the ServiceAccount where this is a Pod, else ~/.kube/config.
 * @param environment `process.env`
 * @throws Error when there is none of them, or it cannot be read.
 */
export function findConnection(environment: Readonly<Record<string, string | undefined>>): Promise<Connection> {
  const { KUBECONFIG: kubeconfig, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!kubeconfig && host) return inClusterConnection({ host, port: port || "443" });
  // A single file is named here, so that it must exist; a list of them is merged by client-node.
  return kubeconfigConnection(kubeconfig && !kubeconfig.includes(delimiter) ? { path: kubeconfig } : {});
}
