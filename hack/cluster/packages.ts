// The programs of the system that a local cluster needs, installed by apt-get where they are missing.
import { findExecutable, isExecutable } from "./executables.ts";
import { ask, run } from "./command.ts";
import type { Progress } from "./progress.ts";

/** Each program that we call, and the Debian package that brings it. Where Docker is installed, containerd and runc are there. */
const packageOf = {
  containerd: "containerd",
  ctr: "containerd",
  runc: "runc",
  nft: "nftables",
  conntrack: "conntrack",
  debootstrap: "debootstrap",
  ip: "iproute2",
  "mkfs.xfs": "xfsprogs",
  xfs_growfs: "xfsprogs",
  mount: "mount",
  losetup: "mount",
  unshare: "util-linux",
  tar: "tar",
} as const;

export type SystemProgram = keyof typeof packageOf;

// Users' PATHs often lack the sbin directories, where half of these live.
export const searchPath = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`;
const pluginDirectories = ["/usr/lib/cni", "/opt/cni/bin"];

/** Where the CNI plugins `ptp`, `host-local` and `loopback` are; undefined when they are missing. */
export function cniDirectory(): string | undefined {
  return pluginDirectories.find((directory) =>
    ["ptp", "host-local", "loopback"].every((plugin) => isExecutable(`${directory}/${plugin}`)),
  );
}

export function findProgram(program: SystemProgram): string | undefined {
  return findExecutable(program, searchPath);
}

/** The absolute path. @throws Error naming the package when it is missing. */
export function program(name: SystemProgram): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is missing: install the package ${packageOf[name]}`);
  return path;
}

/**
 * Installs what is missing of `programs` (and of the CNI plugins, if asked for), as root.
 * @throws Error naming the packages where there is no apt-get.
 */
export async function ensurePrograms(
  programs: readonly SystemProgram[],
  progress: Progress,
  options: { cni?: boolean } = {},
): Promise<void> {
  const missing = () =>
    new Set([
      ...programs.filter((name) => findProgram(name) === undefined).map((name) => packageOf[name]),
      ...(options.cni === true && cniDirectory() === undefined ? ["containernetworking-plugins"] : []),
    ]);
  const packages = [...missing()].toSorted();
  if (packages.length === 0) return;
  const apt = findExecutable("apt-get", searchPath);
  if (apt === undefined) {
    throw new Error(
      `These Debian packages, or what they are called here, have to be installed: ${packages.join(", ")}`,
    );
  }
  await progress.stage(`System packages: ${packages.join(", ")}`, async (stage) => {
    const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, onLine: (line: string) => stage.update(line) };
    // Another apt (unattended upgrades) may hold the lock for minutes.
    const aptGet = (...args: string[]) => run(apt, ["-o", "DPkg::Lock::Timeout=300", "-q", ...args], options);
    // A run that was killed in the middle of dpkg leaves packages half-configured, and apt-get then refuses everything.
    await ask("dpkg", ["--configure", "-a"], { ...options, timeoutMs: 300_000 });
    const install = () => aptGet("install", "-y", "--no-install-recommends", ...packages);
    // Package lists may be old or absent; refreshing them costs seconds, so only where needed.
    await install().catch(async () => {
      await aptGet("update");
      await install();
    });
  });
  const still = [...missing()];
  if (still.length > 0) throw new Error(`Installed, and still not found: ${still.join(", ")}`);
}

/** Extracts one file of a Debian package without installing the package. */
export async function extractFromPackage(name: string, path: string, directory: string): Promise<string> {
  const download = () => run("apt-get", ["-q", "download", name], { cwd: directory });
  await download().catch(async () => {
    await run("apt-get", ["-q", "update"]);
    await download();
  });
  await run("sh", ["-c", 'dpkg -x "$1"_*.deb root', "sh", name], { cwd: directory });
  return `${directory}/root/${path}`;
}
