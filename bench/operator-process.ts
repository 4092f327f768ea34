// A contestant as a process: started, asked how far it is, weighed by /proc, ended. Linux.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { endProcess, startRecorded } from "../hack/cluster/processes.ts";
import type { Command } from "./contestants.ts";

export interface Progress {
  /** Distinct Shops that were reconciled without an error. */
  readonly keys: number;
  readonly reconciles: number;
  /** Since it began to list, where it was asked to watch its event loop and has one. */
  readonly eventLoopDelayMs?: { readonly p99: number; readonly max: number };
}

export interface OperatorProcess {
  /** Zeros until it listens. */
  progress(): Promise<Progress>;
  /** Of it and all below it, since its start; to 10 ms. */
  cpuSeconds(): number;
  /** Of it and all below it, now. */
  residentMiB(): number;
  /** By SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

export interface OperatorWorld {
  /** Of the control plane: with it the process ends too, also when the bench is killed. */
  readonly directory: string;
  readonly kubeconfig: string;
  readonly port: number;
  /** Asks it to watch its event loop: that costs CPU, so nothing else is measured meanwhile. */
  readonly watchesEventLoop?: boolean;
}

export const logPath = (directory: string): string => join(directory, "log", "operator.log");

export function startOperator(command: Command, world: OperatorWorld): OperatorProcess {
  const { directory, kubeconfig, port, watchesEventLoop = false } = world;
  const launch = {
    name: "operator",
    binary: command.program,
    args: command.args,
    workingDirectory: directory,
    logPath: logPath(directory),
    environment: {
      ...command.environment,
      KUBECONFIG: kubeconfig,
      METRICS_PORT: String(port),
      ...(watchesEventLoop ? { EVENT_LOOP_DELAY: "1" } : {}),
    },
  };
  const recorded = startRecorded(directory, launch, { detached: false });
  return {
    async progress() {
      const answer = await fetch(`http://127.0.0.1:${port}/progress`).catch(() => undefined);
      return answer === undefined ? { keys: 0, reconciles: 0 } : ((await answer.json()) as Progress);
    },
    cpuSeconds: () => sum(family(recorded.pid).map(({ cpuSeconds }) => cpuSeconds)),
    residentMiB: () => sum(family(recorded.pid).map(({ pid }) => residentMiB(pid))),
    stop: () => endProcess(recorded, "SIGTERM"),
  };
}

interface Relative {
  readonly pid: number;
  readonly parent: number;
  readonly cpuSeconds: number;
}

/** In which /proc counts; 100 wherever Linux runs today (getconf CLK_TCK). */
const ticksPerSecond = 100;

/** The process and its descendants. */
function family(pid: number): readonly Relative[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readRelative(Number(name)));
  const found = all.filter((relative) => relative.pid === pid);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

function readRelative(pid: number): readonly Relative[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may hold spaces. user, system, and those of children that have ended: fields 14 to 17.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return [{ pid, parent: Number(fields[1]), cpuSeconds: sum(fields.slice(11, 15).map(Number)) / ticksPerSecond }];
  } catch {
    return []; // ended meanwhile
  }
}

function residentMiB(pid: number): number {
  // The kernel sums it up for this file; VmRSS of `status` is an estimate (https://docs.kernel.org/filesystems/proc.html).
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Rss:\s+(\d+) kB/m.exec(rollup)?.[1]) / 1024;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
