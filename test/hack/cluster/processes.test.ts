import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findExecutable } from "../../../hack/cluster/executables.ts";
import {
  endProcess,
  endRecorded,
  isRunning,
  readRecorded,
  startRecorded,
  type Launch,
} from "../../../hack/cluster/processes.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "processes-"));
});
afterEach(async () => {
  await endRecorded(directory, "SIGKILL");
  await rm(directory, { recursive: true });
});

const launch = (script: string, name = "orders"): Launch => ({
  name,
  binary: findExecutable("sh")!,
  args: ["-c", script],
  workingDirectory: directory,
  logPath: join(directory, "log", `${name}.log`),
});

test("a started process is on record, and its output in its log", async () => {
  const started = startRecorded(directory, launch("echo ready; while :; do sleep 1; done"), { detached: false });
  expect(readRecorded(directory)).toEqual([started]);
  expect(isRunning(started)).toBe(true);
  await expect.poll(() => readFile(join(directory, "log/orders.log"), "utf8")).toBe("ready\n");
});

test("ending all empties the record, also of a process that ignores the polite signal", async () => {
  const started = startRecorded(directory, launch("trap '' TERM; while :; do sleep 0.01; done"), { detached: false });
  await endProcess(started, "SIGTERM", 100);
  expect(isRunning(started)).toBe(false);
  await endRecorded(directory, "SIGTERM");
  expect(readRecorded(directory)).toEqual([]);
});

test("a recorded pid that belongs to another process by now is left alone", async () => {
  const bystander = startRecorded(directory, launch("echo ready; while :; do sleep 1; done"), { detached: false });
  const older = { ...bystander, startTime: "1" };
  const other = { ...bystander, binary: "/usr/bin/etcd" };
  // While one program replaces another (setpriv does) its command line is empty, and nobody can tell.
  await expect.poll(() => readFile(join(directory, "log/orders.log"), "utf8")).toBe("ready\n");
  expect([older, other].map(isRunning)).toEqual([false, false]);
  await endProcess(older, "SIGKILL");
  await endProcess(other, "SIGKILL");
  expect(isRunning(bystander)).toBe(true);
});

test("a process that ended by itself is not running, also where it was quicker than we", async () => {
  const started = Array.from({ length: 20 }, () => startRecorded(directory, launch("exit 3"), { detached: false }));
  for (const one of started) await expect.poll(() => isRunning(one)).toBe(false);
});

test("a binary that does not exist is reported by name", () => {
  const missing = { ...launch(""), binary: "/nowhere/etcd" };
  expect(() => startRecorded(directory, missing, { detached: true })).toThrow(
    "orders could not be started: /nowhere/etcd",
  );
});

test.each([
  { detached: false, survives: false },
  { detached: true, survives: true },
])(
  "when its parent is killed outright, a process with detached: $detached survives: $survives",
  async ({ detached, survives }) => {
    const module = new URL("../../../hack/cluster/processes.ts", import.meta.url).href;
    const program = `
    const { startRecorded } = await import(${JSON.stringify(module)});
    startRecorded(${JSON.stringify(directory)}, ${JSON.stringify(launch("while :; do sleep 1; done"))}, { detached: ${detached} });
    console.log("started");
    setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(parent.stdout, "data");
    const [started] = readRecorded(directory);
    // Until setpriv has given way to the program, nothing ties the one to the other.
    const commandLine = () => readFile(`/proc/${started!.pid}/cmdline`, "utf8");
    await expect.poll(commandLine, { timeout: 10_000 }).toMatch(/^[^\0]*\bsh\0/);
    expect(isRunning(started!)).toBe(true);

    parent.kill("SIGKILL");
    await once(parent, "exit");

    if (survives) expect(isRunning(started!)).toBe(true);
    else await expect.poll(() => isRunning(started!), { timeout: 10_000 }).toBe(false);
  },
);
