import { existsSync } from "node:fs";
import { mkdtemp, rm, utimes, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findExecutable } from "../../../hack/cluster/executables.ts";
import { isRunning, startRecorded } from "../../../hack/cluster/processes.ts";
import { createScratchDirectory, sweepScratchDirectories } from "../../../hack/cluster/scratch.ts";

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "scratch-"));
});
afterEach(() => rm(parent, { recursive: true }));

const dead = JSON.stringify({ pid: process.pid, startTime: "1" });

test("a sweep removes what a dead run left, with what still runs there", async () => {
  const directory = await createScratchDirectory(parent);
  const left = startRecorded(
    directory,
    {
      name: "etcd",
      binary: findExecutable("sleep")!,
      args: ["600"],
      workingDirectory: directory,
      logPath: join(directory, "etcd.log"),
    },
    { detached: true },
  );
  await writeFile(join(directory, "owner.json"), dead);

  await sweepScratchDirectories(parent);

  expect(isRunning(left)).toBe(false);
  expect(existsSync(directory)).toBe(false);
});

test("a sweep leaves alone what belongs to a living process, what is being made, and what has another name", async () => {
  const mine = await createScratchDirectory(parent);
  const fresh = join(parent, "holdfast-test-fresh");
  const other = join(parent, "elsewhere");
  for (const directory of [fresh, other]) await mkdir(directory);
  await writeFile(join(other, "owner.json"), dead);

  await sweepScratchDirectories(parent);

  expect([mine, fresh, other].map(existsSync)).toEqual([true, true, true]);
});

test("a directory that never got an owner is removed when it is old", async () => {
  const directory = join(parent, "holdfast-test-old");
  await mkdir(directory);
  await utimes(directory, 0, 0);
  await sweepScratchDirectories(parent);
  expect(existsSync(directory)).toBe(false);
});
