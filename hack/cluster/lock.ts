// A lock file for work that need not be done twice at once. It holds the pid and start time of its holder, so that the lock of
// a dead process is taken over. Two takers of a dead lock may in rare cases both get it: guard only work that survives that.
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import { identify, type ProcessIdentity } from "./processes.ts";

export interface LockOptions {
  /** Called once with the holder's pid if another live process has it. */
  readonly onWait?: (pid: number) => void;
  readonly signal?: AbortSignal;
}

/** Runs `work` while `path` is ours. Waits for as long as the holder lives. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  for (let waited = false; !take(path); waited = true) {
    options.signal?.throwIfAborted();
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder)) {
      if (!waited) options.onWait?.(holder.pid);
      await sleep(200);
    } else {
      rmSync(path, { force: true });
    }
  }
  try {
    return await work();
  } finally {
    if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
  }
}

function take(path: string): boolean {
  // A link appears with its content, a file that is created does not: nobody must see an empty lock and think it dead.
  const draft = `${path}.${process.pid}.${threadId}`;
  writeFileSync(draft, JSON.stringify(identify(process.pid)));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/** undefined when there is none. */
function readHolder(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

function isAlive(holder: ProcessIdentity): boolean {
  return identify(holder.pid)?.startTime === holder.startTime;
}
