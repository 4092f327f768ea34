import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inClusterConnection } from "../../../src/runtime/kube/in-cluster.ts";
import { VirtualClock } from "../../../testing/virtual-clock.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  await write({ token: "one\n", "ca.crt": "CA 1", namespace: "shop\n" });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
}

test("the mounted files say who we are, the environment where the API server is", async () => {
  const connection = await inClusterConnection({ host: "10.96.0.1", port: "443", directory });
  expect(connection).toMatchObject({ server: "https://10.96.0.1:443", namespace: "shop" });
  expect(await connection.access()).toEqual({ headers: { Authorization: "Bearer one" }, ca: "CA 1" });
});

test("an IPv6 address is written as URLs want it", async () => {
  const connection = await inClusterConnection({ host: "fd00::1", port: 443, directory });
  expect(new URL(connection.server).hostname).toBe("[fd00::1]");
});

test("rotated files are read again after a while, by one read for all requests", async () => {
  const clock = new VirtualClock();
  const connection = await inClusterConnection({ host: "api", port: 443, directory, rereadAfterMs: 60_000, clock });
  const before = await connection.access();
  await write({ token: "two", "ca.crt": "CA 2" });
  expect(await connection.access()).toBe(before);

  clock.stall(60_000);
  const [one, other] = await Promise.all([connection.access(), connection.access()]);
  expect(one).toEqual({ headers: { Authorization: "Bearer two" }, ca: "CA 2" });
  expect(other).toBe(one);
});

test("a refusal makes them be read at once", async () => {
  const connection = await inClusterConnection({ host: "api", port: 443, directory });
  await write({ token: "two" });
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer two" });
});

test("files that cannot be read are an error at first, later the old ones serve on", async () => {
  const connection = await inClusterConnection({ host: "api", port: 443, directory });
  await rm(join(directory, "token"));
  expect((await connection.access({ refresh: true })).headers).toEqual({ Authorization: "Bearer one" });
  await expect(inClusterConnection({ host: "api", port: 443, directory })).rejects.toThrow("ENOENT");
});
