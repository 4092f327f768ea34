// Looks up programs on PATH and runs short ones for their output.
import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

/** The absolute path of the first runnable file of that name in `searchPath` (folders divided by colons). */
export function findExecutable(name: string, searchPath: string = process.env["PATH"] ?? ""): string | undefined {
  return searchPath
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** What it prints to stdout and stderr; undefined when it fails, cannot be run or takes more than ten seconds. */
export function outputOf(
  path: string,
  args: readonly string[],
  options: { workingDirectory?: string; environment?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      path,
      args,
      { cwd: options.workingDirectory, env: options.environment, timeout: options.timeoutMs ?? 10_000 },
      (error, stdout, stderr) => resolve(error === null ? stdout + stderr : undefined),
    );
  });
}
