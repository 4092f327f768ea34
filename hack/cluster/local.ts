// A whole cluster on this Linux machine, as root: control plane, one node, DNS, volumes. It either runs completely or is made anew.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { apiRequest } from "./api-request.ts";
import { ensureBinaries } from "./binaries.ts";
import { run } from "./command.ts";
import { attachControlPlane, startControlPlane, type ControlPlane } from "./control-plane.ts";
import { dnsManifest } from "./dns.ts";
import { addHostNetwork } from "./host-network.ts";
import { corednsImage, pauseImage } from "./images.ts";
import { removeLeftovers } from "./leftovers.ts";
import { withLock } from "./lock.ts";
import {
  importImage,
  isNodeReady,
  nodeReady,
  nodeRuns,
  startContainerd,
  startKubelet,
  startKubeProxy,
  startOnNode,
  until,
} from "./node.ts";
import { network, paths, stateDirectory } from "./node-settings.ts";
import { ensurePrograms } from "./packages.ts";
import { isRunning, readRecorded } from "./processes.ts";
import type { Progress } from "./progress.ts";
import type { Cluster } from "./provider.ts";
import { corednsVersion } from "./versions.ts";

const lock = "/run/holdfast-cluster.lock";
const storageManifest = fileURLToPath(new URL("manifests/storage.yaml", import.meta.url));
const volumesProgram = fileURLToPath(new URL("volumes.ts", import.meta.url));

/** The running cluster; else a new one, after removing what an earlier one may have left. */
export async function openLocal(progress: Progress): Promise<Cluster> {
  return withLock(
    lock,
    { onWait: (pid) => progress.note(`Waiting for process ${pid}, which is changing the cluster`) },
    async () => {
      if (!processesRun()) await start(progress);
      // Someone's Databases may be in it, so one that is merely slow is waited for, never made anew.
      else if (!(await isHealthy()))
        await progress.stage("The cluster that runs here", () => until("It", 120, isHealthy));
      const { kubectl, helm } = await ensureBinaries(["kubectl", "helm"], progress);
      return {
        provider: "local",
        kubeconfig: paths.kubeconfig,
        kubectl,
        helm,
        loadImage: (image) => progress.stage(`Load ${image.name}`, () => importImage(image.archive)),
        down: () => removeLocal(progress),
      };
    },
  );
}

/** True when there is anything to remove, running or not. */
export function localExists(): boolean {
  return existsSync(stateDirectory);
}

export async function removeLocal(progress: Progress): Promise<void> {
  await withLock(lock, {}, () => progress.stage("Remove the local cluster", removeLeftovers));
}

/** What a person would look for, in sentences. */
export async function localStatus(): Promise<readonly string[]> {
  if (!localExists()) return ["There is no local cluster."];
  const running = (await isHealthy()) ? "runs" : "runs, but does not answer as it should";
  return [
    `The local cluster ${processesRun() ? running : "is incomplete: `npm run cluster -- up` makes it anew"}.`,
    `Kubeconfig: ${paths.kubeconfig}`,
    `Logs: ${paths.log}, ${join(paths.controlPlane, "log")}`,
  ];
}

/** True while all processes live of a cluster whose start came to its end. */
function processesRun(): boolean {
  const controlPlane = readRecorded(paths.controlPlane);
  return existsSync(paths.kubeconfig) && nodeRuns() && controlPlane.length > 0 && controlPlane.every(isRunning);
}

async function isHealthy(): Promise<boolean> {
  const controlPlane = await attachControlPlane(paths.controlPlane);
  return controlPlane !== undefined && (await isNodeReady(controlPlane)) && (await dnsIsReady(controlPlane));
}

async function start(progress: Progress): Promise<void> {
  await ensurePrograms(
    [
      "containerd",
      "ctr",
      "runc",
      "nft",
      "conntrack",
      "ip",
      "mkfs.xfs",
      "xfs_growfs",
      "mount",
      "losetup",
      "tar",
      "unshare",
    ],
    progress,
    { cni: true },
  );
  const binaries = await ensureBinaries(
    [
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubelet",
      "kube-proxy",
      "kubectl",
      "coredns",
      "helm",
    ],
    progress,
  );
  await progress.stage("Clear what an earlier run left", removeLeftovers);
  mkdirSync(paths.node, { recursive: true, mode: 0o755 });
  mkdirSync(paths.volumes, { mode: 0o700 });
  await addHostNetwork();

  // The two halves do not need each other until the kubelet starts.
  const [controlPlane, coredns] = await Promise.all([
    startControlPlane({
      directory: paths.controlPlane,
      components: ["controller-manager", "scheduler"],
      hostAddress: network.nodeAddress,
      serviceCidr: network.serviceCidr,
      podCidr: network.podCidr,
      auditLog: true,
      progress,
      detached: true,
    }),
    progress.stage("containerd", async (stage) => {
      await startContainerd();
      stage.update("images of the node");
      const coredns = await corednsImage(corednsVersion, binaries.coredns);
      for (const image of [await pauseImage(), coredns]) await importImage(image.archive);
      return coredns;
    }),
  ]);

  await progress.stage("Node", async () => {
    await startKubelet(binaries.kubelet, controlPlane);
    await startKubeProxy(binaries["kube-proxy"], controlPlane);
    const volumesKubeconfig = join(paths.node, "volumes.kubeconfig");
    writeFileSync(volumesKubeconfig, await controlPlane.kubeconfig("holdfast-volumes"), { mode: 0o600 });
    const kubectl = (...args: string[]) => ["--kubeconfig", controlPlane.adminKubeconfigPath, ...args];
    await run(binaries.kubectl, kubectl("apply", "-f", storageManifest));
    await run(binaries.kubectl, kubectl("apply", "-f", "-"), { input: dnsManifest(coredns.name) });
    startOnNode("volumes", process.execPath, [volumesProgram, volumesKubeconfig, paths.volumes]);
    await nodeReady(controlPlane);
  });
  await progress.stage("Cluster DNS", () => until("Cluster DNS", 120, () => dnsIsReady(controlPlane)));
  // Last of all: a cluster without it is one whose start did not come to its end.
  copyFileSync(controlPlane.adminKubeconfigPath, paths.kubeconfig);
}

async function dnsIsReady(controlPlane: ControlPlane): Promise<boolean> {
  const path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns";
  const { body } = await apiRequest(controlPlane.admin, "GET", path);
  return ((body as { status?: { readyReplicas?: number } }).status?.readyReplicas ?? 0) > 0;
}
