// Where the API server is when nobody says so. The order is that of controller-runtime's GetConfig: a Pod's own account goes before
// ~/.kube/config, so that a controller has the rights which its RBAC gives it, whatever its image or a volume has in that place.
// kubectl has it the other way around. https://pkg.go.dev/sigs.k8s.io/controller-runtime/pkg/client/config#GetConfig
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { Connection } from "./connection.ts";
import { inClusterConnection } from "./in-cluster.ts";
import { kubeconfigConnection } from "./kubeconfig.ts";

/** What is asked for explicitly, by flags as a rule. */
export interface FindConnectionOptions {
  /** A kubeconfig, in place of what KUBECONFIG names. */
  readonly kubeconfig?: string | undefined;
  /** A context of the kubeconfig, which is then looked for in a Pod too. Default: its current one. */
  readonly context?: string | undefined;
}

/**
 * The kubeconfig that is asked for, here or by KUBECONFIG (a file, or a list of them); else the ServiceAccount where this is a Pod; else
 * ~/.kube/config. The first of these that applies must be readable: no other is taken in its place.
 * @param environment `process.env`
 * @throws Error when none applies, which says what was looked for, or when what applies cannot be read.
 */
export async function findConnection(
  environment: Readonly<Record<string, string | undefined>>,
  { kubeconfig, context }: FindConnectionOptions = {},
): Promise<Connection> {
  const {
    KUBECONFIG: list = "",
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: port,
    HOME: home,
  } = environment;
  const listed = [...new Set(list.split(delimiter))].filter((path) => path !== "");
  const [first, ...others] = kubeconfig === undefined ? listed : [kubeconfig];
  if (first !== undefined) return kubeconfigConnection({ path: [first, ...others], context });
  if (host && context === undefined) return inClusterConnection({ host, port: port || "443" });

  const usersOwn = join(home || homedir(), ".kube", "config");
  try {
    return await kubeconfigConnection({ path: usersOwn, context });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    const pod = host ? "" : ", this is no Pod (KUBERNETES_SERVICE_HOST)";
    throw new Error(`no cluster is named: KUBECONFIG is not set${pod}, and there is no ${usersOwn}`, { cause });
  }
}
