// One volume: a sparse file with an XFS of the size asked for, mounted through a loop device. A full volume is really full.
// XFS, because growing a mounted ext4 needs CAP_SYS_RESOURCE, which root in a sandbox may lack.
// Each function can be repeated after having been killed in the middle of it.
import { existsSync, mkdirSync, readFileSync, rmSync, rmdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, run } from "./command.ts";
import { program } from "./packages.ts";

/** mkfs.xfs refuses less: smaller claims get a volume of this size, which the API allows. */
export const smallestVolume = "300Mi";

/** Makes and mounts the volume; the path of its file system. */
export async function createVolume(directory: string, name: string, bytes: number): Promise<string> {
  const { file, mountPoint, made } = places(directory, name);
  mkdirSync(mountPoint, { recursive: true });
  if (isMounted(mountPoint)) return mountPoint;
  if (!existsSync(made)) {
    writeFileSync(file, "", { mode: 0o600 });
    truncateSync(file, bytes);
    await run(program("mkfs.xfs"), ["-f", "-q", file]);
    writeFileSync(made, "");
  }
  // With discard, what is deleted inside gives its space back to the disk outside.
  await run(program("mount"), ["-t", "xfs", "-o", "loop,discard", file, mountPoint]);
  return mountPoint;
}

/** Makes the file system larger while it is in use. A smaller size is ignored. */
export async function growVolume(directory: string, name: string, bytes: number): Promise<void> {
  const { file, mountPoint } = places(directory, name);
  if (statSync(file).size < bytes) truncateSync(file, bytes);
  const devices = await run(program("losetup"), ["--noheadings", "--output", "NAME", "--associated", file]);
  const device = devices.trim().split("\n")[0];
  if (device === undefined || device === "") throw new Error(`${file} is not attached to a loop device`);
  await run(program("losetup"), ["--set-capacity", device]);
  await run(program("xfs_growfs"), ["-d", mountPoint]);
}

export async function removeVolume(directory: string, name: string): Promise<void> {
  const { file, mountPoint, made } = places(directory, name);
  // A Pod that is just ending may still use it: detached, it goes when its last user has gone.
  if (isMounted(mountPoint)) {
    if ((await ask("umount", [mountPoint])) === undefined) await run("umount", ["--lazy", mountPoint]);
  }
  // rmdir refuses while anything is mounted, so that no data is deleted through a mount.
  if (existsSync(mountPoint)) rmdirSync(mountPoint);
  rmSync(file, { force: true });
  rmSync(made, { force: true });
}

function places(directory: string, name: string): { file: string; mountPoint: string; made: string } {
  return {
    file: join(directory, `${name}.img`),
    mountPoint: join(directory, name),
    made: join(directory, `${name}.made`),
  };
}

function isMounted(path: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").includes(` ${path} `);
}

/** The bytes of a quantity of storage ("10Gi", "500M", "1.5Gi", "1e9"), rounded up. @throws Error when it is none. */
export function bytesOf(quantity: string): number {
  const match = /^(\d+(?:\.\d+)?(?:[eE]\d+)?)(m|k|[KMGTPE]i?)?$/.exec(quantity);
  if (match === null) throw new Error(`This is not a size: ${quantity}`);
  const [, amount, suffix = ""] = match;
  if (suffix === "m") return Math.ceil(Number(amount) / 1000);
  const power = suffix === "" ? 0 : "KMGTPE".indexOf(suffix[0]!.toUpperCase()) + 1;
  return Math.ceil(Number(amount) * (suffix.endsWith("i") ? 1024 : 1000) ** power);
}
