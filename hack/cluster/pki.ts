// The keys and certificates of one control plane, as files in <directory>/pki. Authority and signing keys last as long as the
// data; what they signed is made anew at each start.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createCertificateAuthority,
  createSigningKeys,
  issueClientCertificate,
  issueServerCertificate,
  type CertificateAuthority,
  type KeyPair,
} from "./certificates.ts";
import { formatKubeconfig, type KubeconfigServer } from "./kubeconfig.ts";

/** Where each file lies. */
export interface PkiPaths {
  readonly caCertificate: string;
  readonly caKey: string;
  readonly signingKey: string;
  readonly signingPublicKey: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  readonly kubeletClientCertificate: string;
  readonly kubeletClientKey: string;
  readonly controllerManagerKubeconfig: string;
  readonly schedulerKubeconfig: string;
  readonly adminKubeconfig: string;
  readonly adminCertificate: string;
  readonly adminKey: string;
}

export function pkiPaths(directory: string): PkiPaths {
  const pki = (name: string): string => join(directory, "pki", name);
  return {
    caCertificate: pki("ca.crt"),
    caKey: pki("ca.key"),
    signingKey: pki("service-account.key"),
    signingPublicKey: pki("service-account.pub"),
    serverCertificate: pki("kube-apiserver.crt"),
    serverKey: pki("kube-apiserver.key"),
    kubeletClientCertificate: pki("kubelet-client.crt"),
    kubeletClientKey: pki("kubelet-client.key"),
    controllerManagerKubeconfig: pki("controller-manager.kubeconfig"),
    schedulerKubeconfig: pki("scheduler.kubeconfig"),
    adminCertificate: pki("admin.crt"),
    adminKey: pki("admin.key"),
    adminKubeconfig: join(directory, "admin.kubeconfig"),
  };
}

/** Writes all files; keeps authority and signing keys that are there. */
export async function ensurePki(
  directory: string,
  server: { url: string; dnsNames: readonly string[]; ipAddresses: readonly string[] },
): Promise<void> {
  const paths = pkiPaths(directory);
  mkdirSync(join(directory, "pki"), { recursive: true, mode: 0o700 });
  if (!existsSync(paths.signingPublicKey)) {
    const authority = await createCertificateAuthority("holdfast");
    const keys = await createSigningKeys();
    writePair([paths.caCertificate, paths.caKey], authority);
    writeSecret(paths.signingKey, keys.privateKeyPem);
    writeSecret(paths.signingPublicKey, keys.publicKeyPem); // last: its presence says that the four are complete
  }
  const authority = readAuthority(directory);
  const { dnsNames, ipAddresses } = server;
  const serving = await issueServerCertificate(authority, { commonName: "kube-apiserver", dnsNames, ipAddresses });
  const asUser = (user: string, ...groups: string[]): Promise<KeyPair> =>
    issueClientCertificate(authority, { user, groups });
  const admin = await asUser("admin", "system:masters");
  writePair([paths.serverCertificate, paths.serverKey], serving);
  writePair(
    [paths.kubeletClientCertificate, paths.kubeletClientKey],
    await asUser("kube-apiserver-kubelet-client", "system:masters"),
  );
  writePair([paths.adminCertificate, paths.adminKey], admin);
  const target: KubeconfigServer = { url: server.url, caPem: authority.certificatePem };
  const components = [
    [paths.controllerManagerKubeconfig, "system:kube-controller-manager"],
    [paths.schedulerKubeconfig, "system:kube-scheduler"],
  ] as const;
  for (const [path, user] of components) writeSecret(path, formatKubeconfig(target, user, await asUser(user)));
  writeSecret(paths.adminKubeconfig, formatKubeconfig(target, "admin", admin));
}

export function readAuthority(directory: string): CertificateAuthority {
  const paths = pkiPaths(directory);
  return readPair([paths.caCertificate, paths.caKey]);
}

/** The certificate of kubectl's user, a member of system:masters. */
export function readAdmin(directory: string): KeyPair {
  const paths = pkiPaths(directory);
  return readPair([paths.adminCertificate, paths.adminKey]);
}

function readPair([certificate, key]: readonly [string, string]): KeyPair {
  return { certificatePem: readFileSync(certificate, "utf8"), privateKeyPem: readFileSync(key, "utf8") };
}

function writePair([certificate, key]: readonly [string, string], pair: KeyPair): void {
  writeSecret(certificate, pair.certificatePem);
  writeSecret(key, pair.privateKeyPem);
}

function writeSecret(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}
