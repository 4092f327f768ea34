// Writes kubeconfigs as JSON, which is YAML too, with everything embedded. Pure.
import type { KeyPair } from "./certificates.ts";

export interface KubeconfigServer {
  readonly url: string;
  readonly caPem: string;
}

/** A kubeconfig with one cluster, one user and the context `holdfast` that joins them. */
export function formatKubeconfig(
  server: KubeconfigServer,
  user: string,
  credential: KeyPair | { token: string },
): string {
  const name = "holdfast";
  const secret =
    "token" in credential
      ? { token: credential.token }
      : {
          "client-certificate-data": base64(credential.certificatePem),
          "client-key-data": base64(credential.privateKeyPem),
        };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: server.url, "certificate-authority-data": base64(server.caPem) } }],
    users: [{ name: user, user: secret }],
    contexts: [{ name, context: { cluster: name, user } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
