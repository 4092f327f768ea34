// The command lines of a control plane's processes. Pure: settings in, flags out.
import { join } from "node:path";
import type { Launch } from "./processes.ts";
import type { PkiPaths } from "./pki.ts";

export type Component = "controller-manager" | "scheduler";
export type ProcessName = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";

export interface FlagSettings {
  readonly directory: string;
  readonly pki: PkiPaths;
  readonly hostAddress: string;
  readonly port: number;
  readonly serviceCidr: string;
  readonly podCidr: string | undefined;
  readonly auditLogPath: string | undefined;
  readonly auditPolicyPath: string;
  readonly unsafeNoFsync: boolean;
  readonly extraFlags: Partial<Record<ProcessName, readonly string[]>>;
}

/** etcd listens on a socket in this folder instead of a port: no port to find, and no one but its owner reaches the data. */
export function etcdDirectory(directory: string): string {
  return join(directory, "etcd");
}

/** Both etcd and API server must run in `etcdDirectory`: the socket is a file of this name in the working directory. */
export const etcdSocket = "client:0";

export function etcdFlags(settings: FlagSettings): readonly string[] {
  const [client, peer] = [`unix://${etcdSocket}`, "unix://peer:0"];
  return [
    "--name=holdfast",
    "--data-dir=data",
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=holdfast=${peer}`,
    ...(settings.unsafeNoFsync ? ["--unsafe-no-fsync"] : []),
    ...(settings.extraFlags.etcd ?? []),
  ];
}

export function apiServerFlags(settings: FlagSettings): readonly string[] {
  const { pki } = settings;
  const loopback = settings.hostAddress.startsWith("127.");
  const audit =
    settings.auditLogPath === undefined
      ? []
      : [`--audit-policy-file=${settings.auditPolicyPath}`, `--audit-log-path=${settings.auditLogPath}`];
  return [
    `--etcd-servers=unix://${etcdSocket}`,
    `--bind-address=${settings.hostAddress}`,
    `--advertise-address=${settings.hostAddress}`,
    `--secure-port=${settings.port}`,
    // The Endpoints of the Service `kubernetes` may not hold a loopback address.
    ...(loopback ? ["--endpoint-reconciler-type=none"] : []),
    `--service-cluster-ip-range=${settings.serviceCidr}`,
    `--tls-cert-file=${pki.serverCertificate}`,
    `--tls-private-key-file=${pki.serverKey}`,
    `--client-ca-file=${pki.caCertificate}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${pki.signingPublicKey}`,
    `--service-account-signing-key-file=${pki.signingKey}`,
    `--kubelet-client-certificate=${pki.kubeletClientCertificate}`,
    `--kubelet-client-key=${pki.kubeletClientKey}`,
    // Node names need not resolve: exec, logs and port-forward would look them up.
    "--kubelet-preferred-address-types=InternalIP",
    "--profiling=false",
    ...audit,
    ...(settings.extraFlags["kube-apiserver"] ?? []),
  ];
}

export function controllerManagerFlags(settings: FlagSettings): readonly string[] {
  const { pki } = settings;
  const nodeCidrs =
    settings.podCidr === undefined
      ? []
      : [
          "--allocate-node-cidrs=true",
          `--cluster-cidr=${settings.podCidr}`,
          `--service-cluster-ip-range=${settings.serviceCidr}`,
        ];
  return [
    ...clientFlags(pki.controllerManagerKubeconfig),
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${pki.signingKey}`,
    `--root-ca-file=${pki.caCertificate}`,
    `--cluster-signing-cert-file=${pki.caCertificate}`,
    `--cluster-signing-key-file=${pki.caKey}`,
    // Its default of 20 requests a second makes tests wait for it.
    "--kube-api-qps=400",
    "--kube-api-burst=800",
    ...nodeCidrs,
    ...(settings.extraFlags["kube-controller-manager"] ?? []),
  ];
}

export function schedulerFlags(settings: FlagSettings): readonly string[] {
  return [...clientFlags(settings.pki.schedulerKubeconfig), ...(settings.extraFlags["kube-scheduler"] ?? [])];
}

/** One of each runs, so there is nobody to elect a leader against; and nothing asks for their own port. */
function clientFlags(kubeconfig: string): readonly string[] {
  return [`--kubeconfig=${kubeconfig}`, "--leader-elect=false", "--secure-port=0", "--profiling=false"];
}

/** The processes in the order of their start. */
export function planLaunches(
  settings: FlagSettings,
  components: readonly Component[],
  binaries: Readonly<Partial<Record<ProcessName, string>>>,
): readonly Launch[] {
  const flags: Readonly<Record<ProcessName, readonly string[]>> = {
    etcd: etcdFlags(settings),
    "kube-apiserver": apiServerFlags(settings),
    "kube-controller-manager": controllerManagerFlags(settings),
    "kube-scheduler": schedulerFlags(settings),
  };
  return processNames(components).map((name) => ({
    name,
    binary: binaries[name] ?? name,
    args: flags[name],
    workingDirectory: etcdDirectory(settings.directory),
    logPath: join(settings.directory, "log", `${name}.log`),
  }));
}

export function processNames(components: readonly Component[]): readonly ProcessName[] {
  return [
    "etcd",
    "kube-apiserver",
    ...(components.includes("controller-manager") ? ["kube-controller-manager" as const] : []),
    ...(components.includes("scheduler") ? ["kube-scheduler" as const] : []),
  ];
}
