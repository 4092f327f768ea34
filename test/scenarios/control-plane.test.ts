// The harness under the scenarios: a control plane that fails says why, and one that was left behind is taken over.
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { apiCall, apiRequest } from "../../hack/cluster/api-request.ts";
import { attachControlPlane, startControlPlane, type ControlPlane } from "../../hack/cluster/control-plane.ts";
import { isRunning, readRecorded } from "../../hack/cluster/processes.ts";
import { createSilentProgress } from "../../hack/cluster/progress.ts";
import { createScratchDirectory, removeScratchDirectory } from "../../hack/cluster/scratch.ts";

let directory: string;
beforeEach(async () => {
  directory = await createScratchDirectory();
});
afterEach(() => removeScratchDirectory(directory));

function start(extra: Partial<Parameters<typeof startControlPlane>[0]> = {}): Promise<ControlPlane> {
  return startControlPlane({
    directory,
    components: [],
    progress: createSilentProgress(),
    unsafeNoFsync: true,
    ...extra,
  });
}

test("a process that exits early fails the start with the end of its log, and nothing is left running", async () => {
  const starting = start({ extraFlags: { "kube-apiserver": ["--no-such-flag"] } });
  await expect(starting).rejects.toThrow(/^kube-apiserver ended early\. The end of .*unknown flag: --no-such-flag/s);
  expect(readRecorded(directory)).toEqual([]);
});

test("a start that is aborted ends with the reason, and nothing is left running", async () => {
  const abort = new AbortController();
  const starting = start({ signal: abort.signal });
  const outcome = expect(starting).rejects.toThrow("enough");
  await expect.poll(() => readRecorded(directory).length, { timeout: 60_000 }).toBeGreaterThan(0);
  abort.abort(new Error("enough"));
  await outcome;
  expect(readRecorded(directory)).toEqual([]);
});

test("started over one that still runs, it ends that one and keeps place, authority and data", async () => {
  const first = await start();
  await apiCall(first.admin, "POST", "/api/v1/namespaces", { metadata: { name: "shop" } });
  const left = readRecorded(directory);

  const second = await start();

  expect(left.map(isRunning)).toEqual([false, false]);
  expect([second.url, second.caPem]).toEqual([first.url, first.caPem]);
  expect((await apiRequest(first.admin, "GET", "/api/v1/namespaces/shop")).status).toBe(200);
});

test("another process finds it by its directory for as long as all of it runs, and may stop it", async () => {
  await expect(attachControlPlane(directory)).resolves.toBeUndefined();
  const started = await start();
  const attached = await attachControlPlane(directory);
  expect(attached?.url).toBe(started.url);

  await attached?.killApiServer();
  await expect(attachControlPlane(directory)).resolves.toBeUndefined();
  await attached?.restartApiServer();
  const again = await attachControlPlane(directory);
  const recorded = readRecorded(directory);
  await again?.stop();

  expect(recorded.map(isRunning)).toEqual([false, false]);
  await expect(attachControlPlane(directory)).resolves.toBeUndefined();
});

test("the audit log tells who asked for what", async () => {
  const { admin, auditLogPath } = await start({ auditLog: true });
  await apiRequest(admin, "GET", "/api/v1/namespaces/nowhere");
  const events = (await readFile(auditLogPath, "utf8"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { requestURI: string; user: { username: string } });
  expect(events.filter(({ requestURI }) => requestURI === "/api/v1/namespaces/nowhere")).toMatchObject([
    { verb: "get", user: { username: "admin" }, responseStatus: { code: 404 } },
  ]);
});
