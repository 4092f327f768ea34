// A node of which only the logs of its containers can be had: the one endpoint of a kubelet that the API server asks for them.
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { apiCall } from "../../hack/cluster/api-request.ts";
import { issueServerCertificate } from "../../hack/cluster/certificates.ts";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";

export interface LogNode extends AsyncDisposable {
  /** "namespace/pod" → what its container has written; edit at will. */
  readonly logs: Map<string, string>;
  /** What was asked for, e.g. "/containerLogs/shop/orders-1-0/postgres?tailLines=200". */
  readonly asked: readonly string[];
  /** As the scheduler does. The Pod must not have a node yet. */
  bind(pod: { readonly namespace: string; readonly name: string }): Promise<void>;
}

export async function startLogNode({ admin, authority }: ControlPlane, name: string): Promise<LogNode> {
  const logs = new Map<string, string>();
  const asked: string[] = [];
  const address = "127.0.0.1";
  const { certificatePem: cert, privateKeyPem: key } = await issueServerCertificate(authority, {
    commonName: `system:node:${name}`,
    ipAddresses: [address],
  });
  const server = createServer({ cert, key }, ({ url = "" }, response) => {
    asked.push(url);
    const [, , namespace, pod] = url.split("?")[0]!.split("/");
    const log = logs.get(`${namespace}/${pod}`);
    response.writeHead(log === undefined ? 404 : 200, { "Content-Type": "text/plain" });
    response.end(log ?? "no such container");
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port: Port } = server.address() as AddressInfo;
  await apiCall(admin, "POST", "/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
  const status = {
    addresses: [{ type: "InternalIP", address }],
    daemonEndpoints: { kubeletEndpoint: { Port } },
  };
  const contentType = "application/merge-patch+json";
  await apiCall(admin, "PATCH", `/api/v1/nodes/${name}/status`, { status }, { contentType });
  return {
    logs,
    asked,
    bind: async (pod) => {
      const binding = {
        apiVersion: "v1",
        kind: "Binding",
        metadata: pod,
        target: { apiVersion: "v1", kind: "Node", name },
      };
      await apiCall(admin, "POST", `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/binding`, binding);
    },
    [Symbol.asyncDispose]: async () => {
      await apiCall(admin, "DELETE", `/api/v1/nodes/${name}`);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
