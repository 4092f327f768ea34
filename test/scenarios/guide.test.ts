// The guide, followed: its examples as files in a user's folder, compiled against the package as it is installed, and run against a
// real API server. Each test holds what its page says.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import * as types from "../../src/runtime/index.ts";
import { settled, startApiServer, type ApiServer } from "../../testing/index.ts";
import { blocksOf, guidePages, writeGuide } from "../support/guide.ts";
import { installPackage, type InstalledPackage } from "../support/installed-package.ts";

type Runtime = typeof types;
type Website = types.KubeObject & {
  readonly spec: { readonly html: string; readonly replicas: number };
  readonly status?: { readonly conditions: readonly types.Condition[] };
};

let installed: InstalledPackage;
let server: ApiServer;
/** The package's own: what it throws is told apart by its classes. */
let runtime: Runtime;
const ended: (() => Promise<void>)[] = [];

const { ConfigMap, Deployment, Namespace, Pod, Secret } = types;
const Websites = types.defineKind<Website>({
  group: "guide.example",
  version: "v1",
  kind: "Website",
  plural: "websites",
  namespaced: true,
});

beforeAll(async () => {
  installed = await installPackage();
  await installed.add("@types/node", "@types/js-yaml");
  await writeGuide(installed.folder);
  const definition = join(installed.folder, "getting-started/crd.yaml");
  server = await startApiServer({ definitions: [definition], controllerManager: true, progress: false });
  runtime = (await import(join(installed.path, "src/runtime/index.js"))) as Runtime;
}, 180_000);
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await installed?.[Symbol.asyncDispose]();
});

let counter = 0;
async function newNamespace(): Promise<string> {
  const name = `guide-${counter++}`;
  await server.client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return name;
}

interface Running {
  readonly manager: types.Manager;
  readonly namespace: string;
  /** How many passes have begun. */
  readonly passes: () => number;
  readonly put: (spec: Partial<Website["spec"]>, name?: string) => Promise<Website>;
  readonly get: <T extends types.KubeObject>(kind: types.Kind<T>, name?: string) => Promise<T | undefined>;
  readonly settled: (options?: Parameters<typeof settled>[1]) => Promise<void>;
}

/** Runs the controller of a page, with its own value or another, in a namespace of its own until the test ends. */
async function run(page: string, value?: unknown): Promise<Running> {
  const { controller } = (await import(join(installed.folder, page, "controller.ts"))) as {
    controller: types.ControllerOptions<Website, unknown>;
  };
  const namespace = await newNamespace();
  const manager = runtime.createManager({
    name: "website-operator",
    api: { connection: server.connection },
    log: runtime.createLog({ name: page, level: process.env["HOLDFAST_TEST_LOG"] ?? "silent" }),
    namespaces: [namespace],
    metrics: runtime.createMetrics({ process: false }),
    leaderElection: false,
    telemetry: false,
    freeze: true,
  });
  manager.controller(value === undefined ? controller : { ...controller, value });
  const stopping = new AbortController();
  const running = manager.run(stopping.signal);
  ended.push(async () => {
    stopping.abort();
    await running;
  });
  return {
    manager,
    namespace,
    passes: () => manager.queues()["website"]?.turns ?? 0,
    put: (spec, name = "hello") => putWebsite(namespace, name, spec),
    get: (kind, name = "hello") => server.client.get(kind, { namespace, name }),
    settled: (options) => settled(manager, options),
  };
}

function putWebsite(namespace: string, name: string, spec: Partial<Website["spec"]>): Promise<Website> {
  const body = { apiVersion: "guide.example/v1", kind: "Website", metadata: { name, namespace }, spec };
  return server.client.apply(Websites, body as Website, { fieldManager: "user" });
}

/** Writes a ConfigMap as somebody else would. */
function scribble(namespace: string, name: string, data: Readonly<Record<string, string>>): Promise<unknown> {
  const body: types.ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
  return server.client.apply(ConfigMap, body, { fieldManager: "vandal" });
}

interface Process {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves when a line of its output has this in it. */
  says(words: string): Promise<void>;
  /** As by SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
}

/** A program of a page, as its reader starts it. */
function start(page: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Process {
  const child = spawn(process.execPath, args, {
    cwd: join(installed.folder, page),
    env: { ...process.env, KUBECONFIG: server.adminKubeconfigPath, PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", (line) => lines.push(line));
  const exited = once(child, "exit");
  ended.push(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return {
    child,
    lines,
    async says(words) {
      while (!lines.some((line) => line.includes(words))) {
        if (child.exitCode !== null) throw new Error(`${page} has ended: ${lines.join("\n")}`);
        await sleep(20);
      }
    },
    async stop() {
      child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
  };
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}

describe("every example", () => {
  test.each(guidePages)("of %s is a file", async (page) => {
    const blocks = await blocksOf(page);
    expect(blocks.filter(({ file }) => file === "")).toEqual([]);
    expect(blocks.length).toBeGreaterThan(0);
  });

  test("compiles as the guide sets the compiler", async () => {
    expect(await installed.typeCheck("--project", ".")).toBe("");
  });
});

test("getting started: the process makes what a Website says, repairs it, tells of it, and ends in good order", async () => {
  const namespace = await newNamespace();
  const operator = start("getting-started", ["main.ts"]);
  await operator.says("caches are synced");
  await putWebsite(namespace, "hello", { html: "<h1>Hello</h1>", replicas: 2 });
  const place = { namespace, name: "hello" };
  const page = async () => (await server.client.get(ConfigMap, place))?.data?.["index.html"];
  await eventually(async () => (await page()) === "<h1>Hello</h1>");
  await eventually(async () => (await server.client.get(Deployment, place))?.spec?.replicas === 2);
  const condition = async () => (await server.client.get(Websites, place))?.status?.conditions[0];
  await eventually(async () => (await condition())?.message === "0 of 2 replicas serve the page");

  const made = await server.client.get(ConfigMap, place);
  await server.client.delete(ConfigMap, place, { uid: made?.metadata.uid ?? "" });
  await eventually(async () => (await page()) === "<h1>Hello</h1>");
  const scaled = { apiVersion: "apps/v1", kind: "Deployment", metadata: place, spec: { replicas: 5 } };
  await server.client.apply(Deployment, scaled as types.Deployment, { fieldManager: "kubectl", force: true });
  await eventually(async () => (await server.client.get(Deployment, place))?.spec?.replicas === 2);

  // There are no nodes: what a kubelet would say of the Pods is said here.
  const pods = async () => (await server.client.list(Pod, { namespace, labels: "website=hello" })).items;
  await eventually(async () => (await pods()).length === 2);
  for (const pod of await pods()) {
    const status = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    const body = { apiVersion: "v1", kind: "Pod", metadata: types.refTo(pod), status };
    await server.client.applyStatus(Pod, body as types.Pod, { fieldManager: "kubelet" });
  }
  await eventually(async () => (await condition())?.status === "True");

  const website = await server.client.get(Websites, place);
  await server.client.delete(Websites, place, { uid: website?.metadata.uid ?? "" });
  await eventually(async () => (await server.client.get(ConfigMap, place)) === undefined);
  expect(await operator.stop()).toBe(0);
});

test("leader election: the second process waits, and goes on as soon as the first has ended", async () => {
  const first = start("leader-election", ["main.ts"]);
  await first.says('"msg":"leading"');
  const second = start("leader-election", ["main.ts"]);
  await second.says("caches are synced");
  expect(second.lines.join()).not.toContain('"msg":"leading"');
  expect(await first.stop()).toBe(0);
  await second.says('"msg":"leading"');
  expect(await second.stop()).toBe(0);
});

test("tracing: the collector is told of the pass and of its calls, and the log has its id", async () => {
  await installed.add(...Object.keys(installed.manifest.peerDependencies).filter((name) => name.startsWith("@open")));
  let received = "";
  const collector = createServer((request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
    request.on("end", () => response.end());
  });
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  ended.push(async () => void collector.close());

  const namespace = await newNamespace();
  await putWebsite(namespace, "traced", { html: "<p>", replicas: 1 });
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const operator = start("tracing", ["main.ts"], { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  await operator.says("Created Deployment traced");
  expect(await operator.stop()).toBe(0);
  for (const span of ["reconcile website", "initial list", "apply deployments.apps", namespace]) {
    expect(received).toContain(span);
  }
  expect(operator.lines.find((line) => line.includes("Created Deployment traced"))).toContain('"trace_id"');
});

test("testing: the test of the page passes under Node's own runner", async () => {
  const runner = start("testing", ["--test"]);
  const [code] = (await once(runner.child, "exit")) as [number | null];
  expect({ code, output: code === 0 ? "" : runner.lines.join("\n") }).toEqual({ code: 0, output: "" });
});

test("level-triggering: one pass creates, updates and repairs", async () => {
  const { namespace, put, get, settled } = await run("level-triggering");
  const page = async () => (await get(ConfigMap))?.data?.["index.html"];
  await put({ html: "one" });
  await settled();
  expect(await page()).toBe("one");
  await put({ html: "two" });
  await settled();
  expect(await page()).toBe("two");
  const made = await get(ConfigMap);
  await server.client.delete(ConfigMap, { namespace, name: "hello" }, { uid: made?.metadata.uid ?? "" });
  await settled();
  expect(await page()).toBe("two");
});

test("predicates: spec, the annotations named, and readiness wake it; its own status, labels and other words do not", async () => {
  const { namespace, put, get, settled, passes } = await run("predicates");
  const website = await put({ html: "one" });
  await settled();
  expect(passes()).toBe(1);
  expect((await get(Websites))?.metadata.generation).toBe(1);

  const ref = { namespace, name: "hello" };
  const patch = async (what: types.JsonPatch): Promise<void> => {
    await server.client.patch(Websites, ref, what);
    await settled();
  };
  await patch([{ op: "add", path: "/metadata/labels", value: { colour: "red" } }]);
  await patch([{ op: "add", path: "/metadata/annotations", value: { "other.example/a": "1" } }]);
  expect(passes()).toBe(1);
  await patch([{ op: "add", path: "/metadata/annotations/guide.example~1a", value: "1" }]);
  expect(passes()).toBe(2);

  const labels = { website: "hello" };
  const metadata = {
    ...ref,
    ownerReferences: [types.ownerReference(website, Websites, { kind: Deployment, namespace })],
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "web", image: "nginx" }] } },
    },
  } as types.Deployment;
  await server.client.apply(Deployment, deployment, { fieldManager: "user" });
  await settled();
  expect(passes()).toBe(3);
  const status = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: ref,
    status: { replicas: 3, readyReplicas: 3 },
  };
  await server.client.applyStatus(Deployment, status as types.Deployment, { fieldManager: "kubelet" });
  await settled();
  expect(passes()).toBeGreaterThan(3);
});

test("outcomes: an edit is waited for, a time is kept, a failure says itself when", async () => {
  let answer = "later";
  const value = { publish: async () => answer };
  const { manager, put, settled, passes } = await run("outcomes", value);
  const dueInMs = () => manager.queues()["website"]?.dueInMs;

  await put({ html: "no HTML" });
  await settled();
  expect([passes(), dueInMs()]).toEqual([1, undefined]);

  await put({ html: "<p>" });
  await settled();
  expect(passes()).toBe(2);
  expect(dueInMs()).toBeLessThanOrEqual(60_000);
  expect(dueInMs()).toBeGreaterThan(5_000);

  answer = "busy";
  await put({ html: "<b>" });
  await settled({ dueWithinMs: 0 });
  expect(dueInMs()).toBeLessThanOrEqual(5_000);
  answer = "done";
  await settled({ dueWithinMs: 60_000 });
  expect(dueInMs()).toBeUndefined();
});

test("ownership: what is desired is there, what no longer is goes, and another's is refused", async () => {
  const { namespace, put, get, settled } = await run("ownership");
  await scribble(namespace, "hello-c", { mine: "yes" });
  await put({ html: "a b" });
  await settled();
  expect((await get(ConfigMap, "hello-a"))?.metadata.ownerReferences?.[0]).toMatchObject({ controller: true });
  const key = await get(Secret);
  expect(key?.metadata.ownerReferences).toBeUndefined();
  expect(key?.metadata.annotations).toHaveProperty("guide.example/owner-uid");

  await put({ html: "b c" });
  await settled();
  expect(await get(ConfigMap, "hello-a")).toBeUndefined();
  expect((await get(ConfigMap, "hello-b"))?.data).toEqual({ word: "b" });
  expect((await get(ConfigMap, "hello-c"))?.data).toEqual({ mine: "yes" });
  expect((await get(Secret))?.data).toEqual(key?.data);
});

test("finalizers: nothing is published before the promise, and the object stays until it is kept", async () => {
  const published = new Map<string, string>();
  let failures = 1;
  const { namespace, put, get, settled } = await run("finalizers", {
    publish: async (name: string, html: string) => {
      expect((await get(Websites))?.metadata.finalizers).toEqual(["guide.example/cleanup"]);
      published.set(name, html);
    },
    remove: async (name: string) => {
      if (failures-- > 0) throw new Error("the host does not answer");
      published.delete(name);
      return "done";
    },
  });
  const { metadata } = await put({ html: "<p>" });
  await settled();
  expect([...published]).toEqual([[`${namespace}-hello`, "<p>"]]);

  await server.client.delete(Websites, { namespace, name: "hello" }, { uid: metadata.uid ?? "" });
  await settled({ dueWithinMs: 0 });
  expect(await get(Websites)).toBeDefined();
  await settled({ dueWithinMs: 5_000 });
  expect(await get(Websites)).toBeUndefined();
  expect([...published]).toEqual([]);
});

test("apply: what differs is written and named, what is the same is not, and additions of others stay", async () => {
  const told: (readonly [string, readonly string[]])[] = [];
  const tell = (result: string, paths: readonly string[]): void => void told.push([result, paths]);
  // The echo of a write may wake once more: where it came before its answer, or in the same second as another's write.
  const writes = () => told.splice(0).filter(([result]) => result !== "unchanged");
  const { namespace, put, get, settled } = await run("apply", { tell });
  await put({ html: "one" });
  await settled();
  expect(writes()).toEqual([["created", []]]);
  await scribble(namespace, "hello", { "index.html": "Bah" });
  await settled();
  expect(writes()).toEqual([["updated", ["data[index.html]"]]]);
  await scribble(namespace, "hello", { extra: "1" });
  await settled();
  expect(told).not.toEqual([]);
  expect(writes()).toEqual([]);
  expect((await get(ConfigMap))?.data).toEqual({ "index.html": "one", extra: "1" });
});

test("read your writes: never one too many, and never one too few, under names that nobody knew before", async () => {
  const { manager, namespace, put, settled } = await run("read-your-writes");
  const pages = async (): Promise<readonly types.ConfigMap[]> => {
    const { items } = await server.client.list(ConfigMap, { namespace });
    return items.filter(({ metadata }) => metadata.name.startsWith("page-"));
  };
  await put({ html: "<p>", replicas: 20 });
  await settled();
  expect(await pages()).toHaveLength(20);
  await put({ html: "<p>", replicas: 3 });
  await settled();
  const [first] = await pages();
  expect(await pages()).toHaveLength(3);
  await server.client.delete(ConfigMap, types.refTo(first!), { uid: first!.metadata.uid ?? "" });
  await settled();
  expect(await pages()).toHaveLength(3);
  const text = await manager.metrics.registry.metrics();
  expect(text).toContain('controller_runtime_reconcile_errors_total{controller="website"} 0');
});

test("metrics: one of the user's own is read from the cache when it is scraped", async () => {
  const { manager, namespace, put, settled } = await run("metrics");
  for (const name of ["orders", "billing"]) await put({ html: "<p>" }, name);
  await settled();
  const text = await manager.metrics.registry.metrics();
  expect(text).toContain(`websites{namespace="${namespace}"} 2`);
  expect(text).toContain('controller_runtime_reconcile_total{controller="website",result="success"} 2');
});
