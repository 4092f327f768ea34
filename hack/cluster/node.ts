// The one node of the local cluster, in the root network: containerd, kubelet and kube-proxy as processes that outlive us.
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apiRequest } from "./api-request.ts";
import { issueServerCertificate } from "./certificates.ts";
import { ask, run } from "./command.ts";
import type { ControlPlane } from "./control-plane.ts";
import { isImported } from "./oci-archive.ts";
import {
  cniConfig,
  containerdConfig,
  kubeletConfig,
  kubeProxyConfig,
  network,
  paths,
  cgroupName,
} from "./node-settings.ts";
import { cniDirectory, program, searchPath } from "./packages.ts";
import { isRunning, readRecorded, startRecorded } from "./processes.ts";

export const nodeProcesses = ["containerd", "kubelet", "kube-proxy", "volumes"] as const;

/** Starts a process of the node. It is recorded in the node's directory and outlives us. */
export function startOnNode(name: (typeof nodeProcesses)[number], binary: string, args: readonly string[]): void {
  mkdirSync(paths.log, { recursive: true });
  startRecorded(
    paths.node,
    {
      name,
      binary,
      args,
      workingDirectory: paths.node,
      logPath: join(paths.log, `${name}.log`),
      environment: { PATH: searchPath },
    },
    { detached: true },
  );
}

/** True while all processes of the node live. */
export function nodeRuns(): boolean {
  const running = new Set(
    readRecorded(paths.node)
      .filter(isRunning)
      .map(({ name }) => name),
  );
  return nodeProcesses.every((name) => running.has(name));
}

export async function startContainerd(): Promise<void> {
  for (const directory of [paths.containerd, paths.cni]) mkdirSync(directory, { recursive: true });
  const config = join(paths.containerd, "config.toml");
  const plugins = cniDirectory();
  if (plugins === undefined)
    throw new Error("The CNI plugins are missing: install the package containernetworking-plugins");
  writeFileSync(config, containerdConfig(plugins));
  writeJson(join(paths.cni, "10-holdfast.conflist"), cniConfig());
  startOnNode("containerd", program("containerd"), ["--config", config]);
  await until("containerd", 60, async () => (await ask(program("ctr"), ctr("version"))) !== undefined);
}

/** Imports an archive unless the same image is there already. */
export async function importImage(archive: string): Promise<void> {
  const listing = await run(program("ctr"), ctr("images", "list"));
  if (await isImported(archive, listing)) return;
  const importOnce = (): Promise<string> => run(program("ctr"), ctr("images", "import", archive));
  // Where the name meant another image before, containerd may collect layers that both share while ctr unpacks the new one.
  await importOnce().catch(importOnce);
}

export async function startKubelet(binary: string, controlPlane: ControlPlane): Promise<void> {
  mkdirSync(paths.kubelet, { recursive: true, mode: 0o700 });
  addCgroup();
  const { nodeName, nodeAddress } = network;
  const server = await issueServerCertificate(controlPlane.authority, {
    commonName: `system:node:${nodeName}`,
    dnsNames: [nodeName],
    ipAddresses: [nodeAddress],
  });
  const pki = {
    ca: write("ca.crt", controlPlane.caPem),
    certificate: write("server.crt", server.certificatePem),
    key: write("server.key", server.privateKeyPem),
  };
  const kubeconfig = write("kubeconfig", await controlPlane.kubeconfig(`system:node:${nodeName}`, ["system:nodes"]));
  const config = join(paths.kubelet, "config.json");
  writeJson(config, kubeletConfig(pki, resolvConf()));
  startOnNode("kubelet", binary, [
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--root-dir=${paths.kubelet}`,
    `--cert-dir=${join(paths.kubelet, "pki")}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${nodeAddress}`,
  ]);
}

export async function startKubeProxy(binary: string, controlPlane: ControlPlane): Promise<void> {
  const kubeconfig = write("kube-proxy.kubeconfig", await controlPlane.kubeconfig("system:kube-proxy"));
  const config = join(paths.kubelet, "kube-proxy.json");
  writeJson(config, kubeProxyConfig(kubeconfig));
  startOnNode("kube-proxy", binary, [`--config=${config}`]);
}

/** Waits until the node says Ready. @throws Error with the end of a log when a process of it ends. */
export async function nodeReady(controlPlane: ControlPlane, timeoutSeconds = 180): Promise<void> {
  await until("The node", timeoutSeconds, () => isNodeReady(controlPlane));
}

export async function isNodeReady(controlPlane: ControlPlane): Promise<boolean> {
  const answer = await apiRequest(controlPlane.admin, "GET", `/api/v1/nodes/${network.nodeName}`);
  if (answer.status !== 200) return false;
  const node = answer.body as { status?: { conditions?: { type: string; status: string }[] } };
  return node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** Asks until `check` says yes; a process of the node that ends meanwhile ends the waiting. */
export async function until(what: string, timeoutSeconds: number, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutSeconds * 1000;
  while (!(await check())) {
    const ended = readRecorded(paths.node).find((recorded) => !isRunning(recorded));
    if (ended !== undefined) throw new Error(`${ended.name} ended. ${endOfLog(ended.name)}`);
    if (performance.now() > deadline) {
      const logs = readRecorded(paths.node).map(({ name }) => endOfLog(name));
      throw new Error(`${what} was not ready after ${timeoutSeconds} s. ${logs.join("\n")}`);
    }
    await sleep(100);
  }
}

function endOfLog(name: string): string {
  const path = join(paths.log, `${name}.log`);
  return `The end of ${path}:\n${readFileSync(path, "utf8").trimEnd().split("\n").slice(-10).join("\n")}`;
}

/** The words with which `ctr` talks to our containerd, in the namespace where the kubelet's images are. */
function ctr(...args: readonly string[]): string[] {
  return ["--address", paths.containerdSocket, "--namespace", "k8s.io", ...args];
}

/** The kubelet wants its cgroup to exist: in each hierarchy of version 1, or with its controllers enabled in version 2. */
function addCgroup(): void {
  const mount = "/sys/fs/cgroup";
  if (existsSync(join(mount, "cgroup.controllers"))) {
    mkdirSync(join(mount, cgroupName), { recursive: true });
    for (const directory of [mount, join(mount, cgroupName)]) {
      for (const controller of readFileSync(join(mount, "cgroup.controllers"), "utf8").trim().split(" ")) {
        try {
          writeFileSync(join(directory, "cgroup.subtree_control"), `+${controller}`);
        } catch {
          // One that cannot be handed down, or not here: the kubelet names those that it misses.
        }
      }
    }
  } else {
    for (const hierarchy of readdirSync(mount).map((name) => join(mount, name))) {
      if (statSync(hierarchy).isDirectory() && existsSync(join(hierarchy, "cgroup.procs"))) {
        mkdirSync(join(hierarchy, cgroupName), { recursive: true });
      }
    }
  }
}

/** The name servers that Pods may ask through cluster DNS: systemd-resolved's stub listens on the host's loopback only. */
function resolvConf(): string {
  const behindStub = "/run/systemd/resolve/resolv.conf";
  return existsSync(behindStub) ? behindStub : "/etc/resolv.conf";
}

function write(name: string, content: string): string {
  const path = join(paths.kubelet, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value, undefined, 2));
}
