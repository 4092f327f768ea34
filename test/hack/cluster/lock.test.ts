import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../../hack/cluster/lock.ts";
import { identify } from "../../../hack/cluster/processes.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lock-"));
  path = join(directory, "build.lock");
});
afterEach(() => rm(directory, { recursive: true }));

test("one at a time holds it, and nothing is left of it", async () => {
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 5 }, () =>
      withLock(path, {}, async () => {
        most = Math.max(most, ++holders);
        await new Promise(setImmediate);
        holders--;
      }),
    ),
  );
  expect(most).toBe(1);
  expect(existsSync(path)).toBe(false);
});

test("it is given back when the work fails", async () => {
  await expect(withLock(path, {}, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await expect(withLock(path, {}, () => Promise.resolve("mine"))).resolves.toBe("mine");
});

test("the lock of a dead process is taken over", async () => {
  const child = spawn("sleep", ["60"]);
  const holder = identify(child.pid!);
  child.kill("SIGKILL");
  await once(child, "exit");
  await writeFile(path, JSON.stringify(holder));
  await expect(withLock(path, {}, () => Promise.resolve("mine"))).resolves.toBe("mine");
});

test("the lock of a living process is waited for, which is told once, until that ends", async () => {
  const child = spawn("sleep", ["60"]);
  await writeFile(path, JSON.stringify(identify(child.pid!)));
  const waits: number[] = [];
  const onWait = (pid: number): void => {
    waits.push(pid);
    child.kill("SIGKILL");
  };
  await expect(withLock(path, { onWait }, () => Promise.resolve("mine"))).resolves.toBe("mine");
  expect(waits).toEqual([child.pid]);
});

test("waiting ends with the signal", async () => {
  await writeFile(path, JSON.stringify(identify(process.pid)));
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(withLock(path, { signal }, () => Promise.resolve())).rejects.toThrow("enough");
});
