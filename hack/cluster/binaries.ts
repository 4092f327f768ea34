// Finds the binaries of a cluster, in KUBEBUILDER_ASSETS, PATH and the cache, and builds with Go what is in none of them.
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildBinary, buildSeconds, requireGo } from "./binary-build.ts";
import { versionArguments, versionFits, type BinaryName, type Origin } from "./binary-versions.ts";
import { binaryDirectory, cacheDirectory } from "./cache.ts";
import { findExecutable, isExecutable, outputOf } from "./executables.ts";
import { withLock } from "./lock.ts";
import type { Progress } from "./progress.ts";

export type { BinaryName } from "./binary-versions.ts";

export interface BinariesOptions {
  /** KUBEBUILDER_ASSETS, PATH, XDG_CACHE_HOME are read from it. Default: this process's. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

const draftPrefix = ".build-";

/**
 * Absolute paths of runnable binaries. Builds what is missing, showing how far it is; one process builds at a time, and a build
 * that is killed leaves nothing that looks complete.
 * @throws Error with one sentence that names what to install when something must be built and there is no fitting Go.
 */
export async function ensureBinaries<Name extends BinaryName>(
  names: readonly Name[],
  progress: Progress,
  options: BinariesOptions = {},
): Promise<Readonly<Record<Name, string>>> {
  const environment = options.environment ?? process.env;
  const found = new Map<Name, string>();
  const missing: Name[] = [];
  for (const name of names) {
    const path = await findBinary(name, progress, environment);
    if (path === undefined) missing.push(name);
    else found.set(name, path);
  }
  if (missing.length > 0) {
    await progress.stage(title(missing), async (stage) => {
      const lock = join(cacheDirectory(environment), "build.lock");
      const onWait = (pid: number): void => stage.update(`waiting for process ${pid}, which builds them too`);
      await withLock(lock, { onWait, signal: options.signal }, async () => {
        await buildMissing(missing, progress, { environment, signal: options.signal });
      });
    });
  }
  for (const name of missing) found.set(name, cachedPath(name, environment));
  return Object.fromEntries(found) as Record<Name, string>;
}

async function findBinary(
  name: BinaryName,
  progress: Progress,
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const searched: readonly [Origin, string | undefined][] = [
    ["KUBEBUILDER_ASSETS", environment["KUBEBUILDER_ASSETS"]],
    ["PATH", environment["PATH"]],
  ];
  for (const [origin, folders] of searched) {
    const path = findExecutable(name, folders ?? "");
    if (path === undefined) continue;
    const output = await outputOf(path, versionArguments(name));
    if (output !== undefined && versionFits(name, origin, output)) return path;
    if (origin === "KUBEBUILDER_ASSETS") progress.note(`${path} has another version than is needed, and is left alone`);
  }
  const cached = cachedPath(name, environment);
  return isExecutable(cached) ? cached : undefined;
}

async function buildMissing(
  names: readonly BinaryName[],
  progress: Progress,
  options: { environment: NodeJS.ProcessEnv; signal?: AbortSignal | undefined },
): Promise<void> {
  const directory = binaryDirectory(options.environment);
  mkdirSync(directory, { recursive: true });
  // What a build that was killed left. We hold the lock, so none of it is being written.
  for (const entry of readdirSync(directory)) {
    if (entry.startsWith(draftPrefix)) rmSync(join(directory, entry), { recursive: true });
  }
  // Another process may have built them while we waited for the lock.
  const needed = names.filter((name) => !isExecutable(cachedPath(name, options.environment)));
  if (needed.length === 0) return;
  const go = await requireGo(needed, options.environment);
  for (const [index, name] of needed.entries()) {
    const heading = `${name}, ${index + 1} of ${needed.length}, about ${buildSeconds(name)} s`;
    await progress.stage(heading, async () => {
      const draft = join(directory, draftPrefix + name);
      const built = await buildBinary(go, name, draft, options);
      renameSync(built, cachedPath(name, options.environment));
      rmSync(draft, { recursive: true });
    });
  }
}

function cachedPath(name: BinaryName, environment: NodeJS.ProcessEnv): string {
  return join(binaryDirectory(environment), name);
}

function title(missing: readonly BinaryName[]): string {
  const seconds = missing.reduce((sum, name) => sum + buildSeconds(name), 0);
  const binaries = missing.length === 1 ? missing[0] : `${missing.length} binaries`;
  return `build ${binaries} with Go, once: about ${Math.ceil(seconds / 60)} min on two idle cores`;
}
