// Runs etcd, kube-apiserver and, where asked for, controller manager and scheduler, in one directory and without root.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiCall, type ApiConnection } from "./api-request.ts";
import { ensureBinaries } from "./binaries.ts";
import { issueClientCertificate, type CertificateAuthority } from "./certificates.ts";
import {
  etcdDirectory,
  etcdSocket,
  planLaunches,
  processNames,
  type Component,
  type ProcessName,
} from "./component-flags.ts";
import { formatKubeconfig } from "./kubeconfig.ts";
import { ensurePki, pkiPaths, readAdmin, readAuthority } from "./pki.ts";
import { pickPort } from "./ports.ts";
import { endProcess, endRecorded, isRunning, readRecorded, startRecorded, type Launch } from "./processes.ts";
import type { Progress } from "./progress.ts";
import { controllerManagerWorks, isReady, rolesAreInForce, waitUntil } from "./readiness.ts";

export type { Component, ProcessName } from "./component-flags.ts";

export interface ControlPlaneOptions {
  /**
   * Holds everything: pki/, etcd/, log/, processes.json, control-plane.json, admin.kubeconfig. Started again over the same
   * directory, data, authority and port are kept.
   */
  readonly directory: string;
  readonly components: readonly Component[];
  readonly progress: Progress;
  /** The API server's port. The directory's earlier one or a free one when absent. */
  readonly port?: number;
  /** The IPv4 address that the API server binds to, advertises and is reached at. Default 127.0.0.1. */
  readonly hostAddress?: string;
  /** Further addresses for the API server's certificate. */
  readonly serverAddresses?: readonly string[];
  /** Default 10.96.0.0/16. The API server's own Service gets its first address. */
  readonly serviceCidr?: string;
  /** Given: the controller manager hands each node a /24 of it. */
  readonly podCidr?: string;
  /** Write the metadata of every request to `auditLogPath`. */
  readonly auditLog?: boolean;
  /** For tests: etcd never waits for the disk. Data outlives a killed process, not a power cut. `stop` is then at once. */
  readonly unsafeNoFsync?: boolean;
  /** Outlive this process (`cluster up`). Default false: they die with the thread that started them, even if it is killed. */
  readonly detached?: boolean;
  /** Appended to the command lines; a later flag wins over ours. */
  readonly extraFlags?: Partial<Record<ProcessName, readonly string[]>>;
  /**
   * What the API server must know before the others start, such as CRDs: the garbage collector looks for new kinds only every
   * 30 s (https://github.com/kubernetes/kubernetes/blob/v1.36.0/cmd/kube-controller-manager/app/core.go).
   */
  readonly beforeControllers?: (admin: ApiConnection) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface ControlPlane {
  /** "https://127.0.0.1:23456", without a slash at the end. */
  readonly url: string;
  readonly caPem: string;
  /** The cluster's authority, for certificates of kubelets and the like. */
  readonly authority: CertificateAuthority;
  readonly directory: string;
  /** For one-off requests by the cluster's own tools (api-request.ts), as a member of system:masters. */
  readonly admin: ApiConnection;
  /** kubectl's, with the same rights. */
  readonly adminKubeconfigPath: string;
  /** Exists only with `auditLog`: one JSON event a line, complete up to the last answered request. */
  readonly auditLogPath: string;
  /** A kubeconfig (JSON, hence YAML) with a client certificate of its own for this user: one actor each. */
  kubeconfig(user: string, groups?: readonly string[]): Promise<string>;
  /** A kubeconfig with a token for this ServiceAccount, which must exist. The token lasts an hour when nothing is said. */
  serviceAccountKubeconfig(account: { namespace: string; name: string; expirationSeconds?: number }): Promise<string>;
  /** SIGKILL, at once: connections break as in a crash. */
  killApiServer(): Promise<void>;
  /** Starts it again on the same port and waits until it is ready. It dies with the thread that calls this, unless `detached`. */
  startApiServer(): Promise<void>;
  /** Killed and started. */
  restartApiServer(): Promise<void>;
  /** Ends all processes. The directory stays. */
  stop(): Promise<void>;
}

/** What a later process must know to take over: <directory>/control-plane.json. */
interface State {
  readonly url: string;
  readonly port: number;
  readonly unsafeNoFsync: boolean;
  readonly detached: boolean;
  readonly launches: readonly Launch[];
}

/**
 * Ends what an earlier run left in the directory, then starts; resolves when the API server is ready and the controller manager
 * is at work. Rejects with the last lines of its log when a process exits early, and has then stopped the others.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { directory, components, progress } = options;
  await stopControlPlane(directory);
  const binaries = await ensureBinaries(processNames(components), progress, { signal: options.signal });
  return progress.stage("control plane", async (stage) => {
    const state = await prepare(options, binaries);
    const api = connection(directory, state.url);
    try {
      for (const launch of state.launches) {
        stage.update(`starting ${launch.name}`);
        startRecorded(directory, launch, state);
        if (launch.name === "etcd") {
          await waitUntil(directory, async () => existsSync(socketPath(directory)), options.signal);
        }
        if (launch.name === "kube-apiserver") {
          await waitUntil(directory, () => isReady(api), options.signal);
          await waitUntil(directory, () => rolesAreInForce(api), options.signal);
          await options.beforeControllers?.(api);
        }
      }
      if (components.includes("controller-manager")) {
        stage.update("waiting for the controller manager");
        await waitUntil(directory, () => controllerManagerWorks(api), options.signal);
      }
      return controlPlane(directory, state);
    } catch (error) {
      await endRecorded(directory, "SIGKILL");
      throw error;
    }
  });
}

/** The control plane that runs in this directory, whoever started it; undefined unless all of it lives and answers. */
export async function attachControlPlane(directory: string): Promise<ControlPlane | undefined> {
  const state = readState(directory);
  if (state === undefined) return undefined;
  const running = readRecorded(directory).filter(isRunning);
  const complete = state.launches.every((launch) => running.some(({ name }) => name === launch.name));
  return complete && (await isReady(connection(directory, state.url))) ? controlPlane(directory, state) : undefined;
}

/** Ends what runs in this directory, whoever started it. The directory stays. */
export async function stopControlPlane(directory: string): Promise<void> {
  await endRecorded(directory, readState(directory)?.unsafeNoFsync === true ? "SIGKILL" : "SIGTERM");
}

async function prepare(
  options: ControlPlaneOptions,
  binaries: Readonly<Partial<Record<ProcessName, string>>>,
): Promise<State> {
  const { directory } = options;
  const hostAddress = options.hostAddress ?? "127.0.0.1";
  const serviceCidr = options.serviceCidr ?? "10.96.0.0/16";
  const port = options.port ?? readState(directory)?.port ?? (await pickPort(hostAddress));
  const url = `https://${hostAddress}:${port}`;
  for (const folder of [directory, etcdDirectory(directory)]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  rmSync(socketPath(directory), { force: true });
  await ensurePki(directory, {
    url,
    dnsNames: [
      "localhost",
      "kubernetes",
      "kubernetes.default",
      "kubernetes.default.svc",
      "kubernetes.default.svc.cluster.local",
    ],
    ipAddresses: [
      ...new Set(["127.0.0.1", hostAddress, firstAddress(serviceCidr), ...(options.serverAddresses ?? [])]),
    ],
  });
  const auditPolicyPath = join(directory, "audit-policy.json");
  writeFileSync(auditPolicyPath, JSON.stringify(auditPolicy));
  const settings = {
    directory,
    pki: pkiPaths(directory),
    hostAddress,
    port,
    serviceCidr,
    podCidr: options.podCidr,
    auditLogPath: options.auditLog === true ? auditLogPath(directory) : undefined,
    auditPolicyPath,
    unsafeNoFsync: options.unsafeNoFsync === true,
    extraFlags: options.extraFlags ?? {},
  };
  const state: State = {
    url,
    port,
    unsafeNoFsync: settings.unsafeNoFsync,
    detached: options.detached === true,
    launches: planLaunches(settings, options.components, binaries),
  };
  writeFileSync(statePath(directory), JSON.stringify(state, undefined, 2));
  return state;
}

function controlPlane(directory: string, state: State): ControlPlane {
  const authority = readAuthority(directory);
  const admin = connection(directory, state.url);
  const killApiServer = async (): Promise<void> => {
    for (const recorded of readRecorded(directory)) {
      if (recorded.name === "kube-apiserver") await endProcess(recorded, "SIGKILL");
    }
  };
  const startApiServer = async (): Promise<void> => {
    const launch = state.launches.find(({ name }) => name === "kube-apiserver")!;
    startRecorded(directory, launch, state);
    await waitUntil(directory, () => isReady(admin));
  };
  return {
    url: state.url,
    caPem: authority.certificatePem,
    authority,
    directory,
    admin,
    adminKubeconfigPath: pkiPaths(directory).adminKubeconfig,
    auditLogPath: auditLogPath(directory),
    async kubeconfig(user, groups) {
      return formatKubeconfig(admin, user, await issueClientCertificate(authority, { user, groups: groups ?? [] }));
    },
    async serviceAccountKubeconfig({ namespace, name, expirationSeconds = 3600 }) {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
      const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds } };
      const answer = await apiCall<{ status: { token: string } }>(admin, "POST", path, request);
      return formatKubeconfig(admin, `system:serviceaccount:${namespace}:${name}`, answer.status);
    },
    killApiServer,
    startApiServer,
    async restartApiServer() {
      await killApiServer();
      await startApiServer();
    },
    stop: () => stopControlPlane(directory),
  };
}

/** Every request once, when it has been answered; watches, which last, when they begin as well. */
const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata" }],
};

function connection(directory: string, url: string): ApiConnection {
  return { url, caPem: readAuthority(directory).certificatePem, credential: readAdmin(directory) };
}

function readState(directory: string): State | undefined {
  try {
    return JSON.parse(readFileSync(statePath(directory), "utf8")) as State;
  } catch {
    return undefined; // never started here
  }
}

function statePath(directory: string): string {
  return join(directory, "control-plane.json");
}

function socketPath(directory: string): string {
  return join(etcdDirectory(directory), etcdSocket);
}

function auditLogPath(directory: string): string {
  return join(directory, "log", "audit.log");
}

/** 10.96.0.1 of 10.96.0.0/16. */
function firstAddress(cidr: string): string {
  return cidr.replace(/\.(\d+)\/.*$/, (_, last: string) => `.${Number(last) + 1}`);
}
