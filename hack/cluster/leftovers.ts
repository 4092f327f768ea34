// Removes all that a local cluster leaves on a machine, also one that was killed at any moment: processes, cgroups, mounts, loop
// devices, network. It finds them by our directory and names alone, and touches nothing that does not carry them.
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, rmSync, rmdirSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "./command.ts";
import { removeHostNetwork } from "./host-network.ts";
import { cgroupName, network, paths, stateDirectory } from "./node-settings.ts";

/** What we start of others' programs. An editor or a kubectl may well have our paths in its command line. */
const programs = new Set([
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "containerd",
  "containerd-shim",
  "containerd-shim-runc-v2",
  "runc",
  "ctr",
]);

export async function removeLeftovers(): Promise<void> {
  const withProxy = existsSync(join(paths.kubelet, "kube-proxy.json"));
  removeShimSockets(); // while the files that name them exist
  await killProcesses();
  await unmountAll();
  await detachLoopDevices();
  removeCgroups();
  removeLinksInto("/var/log/containers");
  removeCniResults();
  await removeHostNetwork({ withProxy });
  if (mountsBelow(stateDirectory).length > 0)
    throw new Error(`Something below ${stateDirectory} stays mounted: see findmnt`);
  rmSync(stateDirectory, { recursive: true, force: true, maxRetries: 3 });
}

/** Kills until none is left: a process may start another while it is being killed. */
async function killProcesses(): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const pids = ourProcesses();
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // gone meanwhile
      }
    }
    await sleep(50);
  }
  throw new Error(`These processes of the local cluster do not end: ${ourProcesses().join(", ")}`);
}

/** Processes of Pods (by their cgroup), and our programs whose command line or working directory lies in our directory. */
function ourProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => isOurs(`/proc/${pid}`))
    .map(Number);
}

function isOurs(proc: string): boolean {
  try {
    // The state in stat: a zombie has ended, only its parent has not asked yet.
    if (/\) [ZX] /.test(readFileSync(`${proc}/stat`, "utf8"))) return false;
    if (readFileSync(`${proc}/cgroup`, "utf8").includes(`:/${cgroupName}/`)) return true;
    const name = basename(readlinkSync(`${proc}/exe`)).replace(" (deleted)", "");
    const commandLine = readFileSync(`${proc}/cmdline`, "utf8");
    // Only the provisioner of volumes: a test or an operator from source is told our kubeconfig, too.
    if (name === "node") return commandLine.includes(`\0${paths.volumes}\0`);
    const below = `${stateDirectory}/`;
    return programs.has(name) && (`${readlinkSync(`${proc}/cwd`)}/`.startsWith(below) || commandLine.includes(below));
  } catch {
    return false; // gone meanwhile, or a thread of the kernel
  }
}

function mountsBelow(directory: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
    )
    .filter((path) => path.startsWith(`${directory}/`));
}

async function unmountAll(): Promise<void> {
  // The last mounted first. What is still busy is detached, and goes when its last user has gone.
  for (const flags of [[], [], ["--lazy"]]) {
    const mounts = mountsBelow(stateDirectory).toReversed();
    if (mounts.length === 0) return;
    await ask("umount", [...flags, ...mounts], { timeoutMs: 60_000 });
  }
}

async function detachLoopDevices(): Promise<void> {
  const list = await ask("losetup", ["--list", "--noheadings", "--output", "NAME,BACK-FILE"]);
  for (const line of (list ?? "").split("\n")) {
    const [device, file] = line.trim().split(/\s+/);
    if (device !== undefined && file?.startsWith(`${stateDirectory}/`) === true) await ask("losetup", ["-d", device]);
  }
}

function removeCgroups(): void {
  const mount = "/sys/fs/cgroup";
  if (!existsSync(mount)) return;
  const roots = [mount, ...readdirSync(mount).map((name) => join(mount, name))];
  for (const root of roots.map((root) => join(root, cgroupName)).filter((path) => existsSync(path))) {
    const below = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
    const deepestFirst = below
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted((a, b) => b.length - a.length);
    for (const path of [...deepestFirst, root]) rmdirSync(path);
  }
}

/** Shims listen below /run, whatever containerd is told; each writes the address into its bundle. */
function removeShimSockets(): void {
  const bundles = join(paths.containerd, "state/io.containerd.runtime.v2.task/k8s.io");
  if (!existsSync(bundles)) return;
  for (const file of readdirSync(bundles)
    .map((id) => join(bundles, id, "address"))
    .filter((path) => existsSync(path))) {
    const socket = /^unix:\/\/(\/run\/containerd\/s\/[0-9a-f]+)$/.exec(readFileSync(file, "utf8").trim())?.[1];
    if (socket !== undefined) rmSync(socket, { force: true });
  }
}

/** The kubelet links each container's log into /var/log/containers. */
function removeLinksInto(directory: string): void {
  if (!existsSync(directory)) return;
  for (const path of readdirSync(directory).map((name) => join(directory, name))) {
    if (lstatSync(path).isSymbolicLink() && readlinkSync(path).startsWith(`${stateDirectory}/`)) rmSync(path);
  }
}

/** CNI keeps the result of each attachment in a directory that all its users share; the names begin with the network's. */
function removeCniResults(): void {
  const directory = "/var/lib/cni/results";
  if (!existsSync(directory)) return;
  const names = readdirSync(directory);
  const ids = names.flatMap((name) => new RegExp(`^${network.cniName}-([0-9a-f]{64})-`).exec(name)?.[1] ?? []);
  for (const name of names.filter((name) => ids.some((id) => name.includes(id)))) rmSync(join(directory, name));
}
