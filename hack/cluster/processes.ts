// Child processes that are recorded in a file, so that a later run can tell them from others and end them. Linux: it reads /proc.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync, renameSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findExecutable } from "./executables.ts";

/** Which process is meant: pids are used again, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to its start: field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
}

export interface RecordedProcess extends ProcessIdentity {
  readonly name: string;
  /** The path of its binary, which stands in its command line. */
  readonly binary: string;
}

/** What to run, and where. */
export interface Launch {
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  /** Standard output and error are appended to it. */
  readonly logPath: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The processes started in one directory, as `<directory>/processes.json` tells. */
export function readRecorded(directory: string): readonly RecordedProcess[] {
  try {
    return JSON.parse(readFileSync(recordPath(directory), "utf8")) as RecordedProcess[];
  } catch {
    return []; // never started, or the record was never finished: written by rename, so nothing else was
  }
}

/**
 * Starts a process in a session of its own and records it, in place of an earlier one of the same name.
 * Unless it is `detached`, the kernel kills it when the thread that called this ends, even by SIGKILL.
 * @throws Error when it cannot be started.
 */
export function startRecorded(directory: string, launch: Launch, options: { detached: boolean }): RecordedProcess {
  mkdirSync(dirname(launch.logPath), { recursive: true });
  const [command, args] = options.detached ? [launch.binary, launch.args] : tiedToParent(launch.binary, launch.args);
  const log = openSync(launch.logPath, "a", 0o600);
  try {
    const child = spawn(command, args, {
      cwd: launch.workingDirectory,
      env: { ...process.env, ...launch.environment },
      stdio: ["ignore", log, log],
      detached: true, // its own process group: an interrupt on the terminal is for us, who stop it in order
    });
    // The missing pid tells as much, at once.
    child.on("error", () => undefined);
    child.unref();
    // One that has ended already was started: until the event loop turns, its zombie is there.
    const started = child.pid === undefined ? undefined : readStat(child.pid);
    if (started === undefined) throw new Error(`${launch.name} could not be started: ${launch.binary}`);
    const { pid, startTime } = started;
    const recorded = { name: launch.name, pid, startTime, binary: launch.binary };
    writeRecorded(directory, [...readRecorded(directory).filter(({ name }) => name !== launch.name), recorded]);
    return recorded;
  } finally {
    closeSync(log);
  }
}

/** True while it runs: the same process, not a namesake and not a zombie. */
export function isRunning(recorded: RecordedProcess): boolean {
  if (identify(recorded.pid)?.startTime !== recorded.startTime) return false;
  const words = commandLine(recorded.pid);
  // Empty for the moment in which one program replaces another (setpriv does). Start times alone repeat after a reboot.
  return words.join("") === "" || words.includes(recorded.binary);
}

/** Ends it with `signal` and resolves when it is gone; SIGKILL after `patienceMs`. Does nothing to a process that is not the recorded one. */
export async function endProcess(
  recorded: RecordedProcess,
  signal: "SIGTERM" | "SIGKILL",
  patienceMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  let next: "SIGTERM" | "SIGKILL" | undefined = signal;
  while (isRunning(recorded)) {
    if (next === undefined && performance.now() > deadline) next = "SIGKILL";
    if (next !== undefined) kill(recorded.pid, next);
    next = undefined;
    await sleep(10);
  }
}

/** Ends all that runs in the directory, the last started first, and empties the record. */
export async function endRecorded(directory: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  for (const recorded of readRecorded(directory).toReversed()) await endProcess(recorded, signal);
  if (readRecorded(directory).length > 0) writeRecorded(directory, []);
}

/** undefined when there is no such process, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.isOver ? undefined : { pid, startTime: stat.startTime };
}

function readStat(pid: number): (ProcessIdentity & { readonly isOver: boolean }) | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, threads, startTime] = [fields[0], fields[17], fields[19]];
    // A zombie that still has other threads keeps its files and ports until the last of them has ended.
    const isOver = state === "X" || (state === "Z" && Number(threads) <= 1);
    return startTime === undefined ? undefined : { pid, startTime, isOver };
  } catch {
    return undefined;
  }
}

/**
 * The command line that runs `binary` so that the kernel kills it when the thread that starts it ends, where `setpriv` is
 * installed (util-linux). Elsewhere the plain one: an orphan is then ended by the next run.
 */
export function tiedToParent(binary: string, args: readonly string[]): [command: string, args: readonly string[]] {
  const setpriv = findExecutable("setpriv");
  return setpriv === undefined ? [binary, args] : [setpriv, ["--pdeathsig", "KILL", binary, ...args]];
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function recordPath(directory: string): string {
  return join(directory, "processes.json");
}

function writeRecorded(directory: string, processes: readonly RecordedProcess[]): void {
  const path = recordPath(directory);
  writeFileSync(`${path}.new`, JSON.stringify(processes, undefined, 2));
  renameSync(`${path}.new`, path);
}
