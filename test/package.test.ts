// The runtime as others get it: the packed package in an empty folder, with what its package.json names and nothing else.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installPackage, type InstalledPackage } from "./support/installed-package.ts";

const run = promisify(execFile);
let installed: InstalledPackage;
beforeAll(async () => void (installed = await installPackage()), 120_000);
afterAll(() => installed[Symbol.asyncDispose]());

/** What a module prints that is evaluated in the user's folder. */
async function evaluate(text: string): Promise<string> {
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", text], {
    cwd: installed.folder,
    timeout: 20_000,
  });
  return stdout;
}

/** The compiler's complaints about a file of the user's. */
function complaints(text: string): Promise<string> {
  writeFileSync(join(installed.folder, "user.ts"), text);
  const options = "--strict --noEmit --target es2023 --module nodenext --skipLibCheck false --types node".split(" ");
  return installed.typeCheck(...options, "user.ts");
}

describe("the package", () => {
  test("holds the runtime and the test kit, and nothing of the operator", () => {
    expect(readdirSync(join(installed.path, "src"))).toEqual(["runtime"]);
    const files = readdirSync(installed.path, { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))).toEqual([]);
    expect(files).toContain("LICENSE");
  });

  test("names every package that it imports, and none besides", () => {
    const imported = new Set<string>();
    for (const file of readdirSync(installed.path, { recursive: true, encoding: "utf8" })) {
      if (!/\.(js|d\.ts)$/.test(file)) continue;
      const text = readFileSync(join(installed.path, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
      for (const [, name = ""] of text.matchAll(/(?:from |import |import\()"((?:@[^/"]+\/)?[^/".]+)[^"]*"/g)) {
        if (!name.startsWith("node:")) imported.add(name);
      }
    }
    const named = Object.keys({ ...installed.manifest.dependencies, ...installed.manifest.peerDependencies });
    expect([...imported].toSorted()).toEqual(named.toSorted());
  });

  test.each(["./runtime", "./testing"])("runs nothing when %s is imported", async (entry) => {
    const report = await evaluate(`
      import { registerHooks } from "node:module";
      const inPackage = (stack) => /node_modules\\/holdfast\\//.test(stack.split("\\n")[2] ?? "");
      const environment = [];
      process.env = new Proxy(process.env, {
        get: (all, name) => (inPackage(new Error().stack) && environment.push(String(name)), Reflect.get(all, name)),
      });
      const timers = [];
      for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
        const real = globalThis[name];
        globalThis[name] = (...all) => (timers.push(name), real(...all));
      }
      const loaded = [];
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
      const look = () => ({
        globals: Reflect.ownKeys(globalThis).length,
        listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
        resources: process.getActiveResourcesInfo(),
      });
      // Node itself makes something of these when they are first used: globals, and a handle where they are pipes.
      await import("node:http");
      void [process.stdin, process.stdout, process.stderr];
      const before = look();
      await import("holdfast${entry.slice(1)}");
      const after = look();
      const { register } = (await import("prom-client")).default;
      console.log(JSON.stringify({ before, after, environment, timers, metrics: register.getMetricsAsArray().length, loaded }));
    `);
    const { before, after, environment, timers, metrics, loaded } = JSON.parse(report) as Record<string, any>;
    expect(after).toEqual(before);
    expect(environment).toEqual([]);
    expect(timers).toEqual([]);
    expect(metrics).toBe(0);
    const packages = (loaded as string[]).flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
    expect(packages).toContain("holdfast");
    for (const heavy of Object.keys(installed.manifest.peerDependencies)) expect(packages).not.toContain(heavy);
  });

  test("can be used from TypeScript: the types hold by themselves, and say no where they should", async () => {
    await installed.add("@types/node");
    const program = (colour: string): string => `
      import { awaitChange, createManager, defineKind, requeue, type Connection, type KubeObject, type Log, type Reconcile } from "holdfast/runtime";
      import { settled, startApiServer, VirtualClock } from "holdfast/testing";
      interface Lamp extends KubeObject { spec: { colour: "red" | "green" } }
      const Lamp = defineKind<Lamp>({ group: "shop.example", version: "v1", kind: "Lamp", plural: "lamps", namespaced: true });
      export async function main(connection: Connection, log: Log, signal: AbortSignal): Promise<void> {
        const manager = createManager({ name: "lamps", api: { connection }, log, leaderElection: false, telemetry: false });
        manager.controller({
          name: "lamp", for: Lamp,
          reconcile: async ({ spec }, { log }) => { log.info({ lit: spec.colour === "${colour}" }, "looked"); return awaitChange; },
        });
        manager.controller({
          name: "valued", for: Lamp, value: { watts: 40 }, reconcile: async (_, { value }) => requeue(value.watts),
        });
        const needs: Reconcile<Lamp, { watts: number }> = async () => awaitChange;
        // @ts-expect-error: its value is missing
        manager.controller({ name: "dark", for: Lamp, reconcile: needs });
        await manager.run(signal);
      }
      export async function check(): Promise<void> {
        await using server = await startApiServer();
        const manager = createManager({ name: "lamps", api: server, log: undefined as unknown as Log, clock: new VirtualClock(), leaderElection: false, telemetry: false });
        await settled(manager);
      }
    `;
    expect(await complaints(program("red"))).toBe("");
    expect(await complaints(program("blue"))).toContain("user.ts");
  }, 60_000);

  test("says what to install where what it needs on demand is not there", async () => {
    const output = await evaluate(`
      import { createLog, kubeconfigConnection, startTraceExport } from "holdfast/runtime";
      const log = createLog({ level: "silent", name: "test" });
      for (const need of [() => kubeconfigConnection({ path: ["a", "b"] }), () => startTraceExport({ name: "shop", log })]) {
        await need().catch((error) => console.log(error.message));
      }
    `);
    expect(output).toContain("npm install @kubernetes/client-node");
    expect(output).toContain("@opentelemetry/sdk-trace");
  });
});
