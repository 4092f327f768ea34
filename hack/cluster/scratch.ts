// Directories for short-lived control planes of tests, which may be killed at any point: each says whose it is, and the next
// run ends and removes what a dead one left.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endRecorded, identify, type ProcessIdentity } from "./processes.ts";

const prefix = "holdfast-test-";
const ownerFile = "owner.json";
/** A directory without an owner is being made, unless it has been so for this long. */
const graceMs = 60_000;

/** A new directory that belongs to this process. */
export async function createScratchDirectory(parent: string = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, prefix));
  await writeFile(join(directory, ownerFile), JSON.stringify(identify(process.pid)));
  return directory;
}

/** Ends what runs there and removes it. */
export async function removeScratchDirectory(directory: string): Promise<void> {
  await endRecorded(directory, "SIGKILL");
  // A process that has been killed may still have a file in the making.
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Removes those whose process is gone, with what still runs in them. Leaves alone what belongs to other users. */
export async function sweepScratchDirectories(parent: string = tmpdir()): Promise<void> {
  for (const entry of await readdir(parent)) {
    const directory = join(parent, entry);
    if (entry.startsWith(prefix) && (await isMine(directory)) && (await isAbandoned(directory))) {
      await removeScratchDirectory(directory);
    }
  }
}

async function isMine(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined);
  return found !== undefined && found.isDirectory() && found.uid === process.getuid?.();
}

async function isAbandoned(directory: string): Promise<boolean> {
  try {
    const owner = JSON.parse(await readFile(join(directory, ownerFile), "utf8")) as ProcessIdentity;
    return identify(owner.pid)?.startTime !== owner.startTime;
  } catch {
    const found = await stat(directory).catch(() => undefined);
    return found !== undefined && Date.now() - found.mtimeMs > graceMs;
  }
}
