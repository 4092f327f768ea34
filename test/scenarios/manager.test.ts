// The runtime as a whole on a real API server: a small controller that gives each ConfigMap of its label a Secret of its own.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import {
  awaitChange,
  ConfigMap,
  createHttpClient,
  createManager,
  type HttpClient,
  kubeconfigConnection,
  Lease,
  LeaseLost,
  type Manager,
  type ManagerOptions,
  Namespace,
  ownerReference,
  type Reconcile,
  Secret,
} from "../../src/runtime/index.ts";
import { createMetrics } from "../../src/runtime/telemetry/metrics.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { isEvent, isLease, isWrite, readCalls } from "../support/audit.ts";
import { silent } from "../support/controller-world.ts";

let plane: ControlPlane;
let admin: HttpClient;
/** For the kubeconfigs of the managers' users. */
let directory: string;
const fieldManager = "manager-test";
const labels = "scenario=manager";

beforeAll(async () => {
  plane = await sharedControlPlane();
  admin = createHttpClient({
    connection: await kubeconfigConnection({ path: plane.adminKubeconfigPath }),
    userAgent: "scenario",
  });
  directory = await mkdtemp(join(tmpdir(), "holdfast-manager-"));
  return async () => {
    admin.close();
    await rm(directory, { recursive: true });
  };
});

async function createNamespace(): Promise<string> {
  const namespace = `manager-${randomBytes(4).toString("hex")}`;
  await admin.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  return namespace;
}

const orders = (namespace: string, text = "one"): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "orders", namespace, labels: { scenario: "manager" } },
  data: { text },
});

const desired = (of: Readonly<ConfigMap>): Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: of.metadata.name,
    namespace: of.metadata.namespace ?? "",
    labels: { scenario: "manager" },
    ownerReferences: [ownerReference(of, ConfigMap, { kind: Secret, namespace: of.metadata.namespace ?? "" })],
  },
  data: { text: Buffer.from(of.data?.["text"] ?? "").toString("base64") },
});

interface Started {
  readonly manager: Manager;
  readonly ended: Promise<void>;
  readonly passes: () => number;
  readonly stop: () => Promise<void>;
  readonly probe: (path: string) => Promise<{ status: number; body: string }>;
}

/** A manager as a user of its own, so that the audit log tells its calls apart. */
async function start(namespace: string, user: string, options: Partial<ManagerOptions> = {}, rights = true) {
  let passes = 0;
  const reconcile: Reconcile<ConfigMap, void> = async (object, { client, cache }) => {
    passes += 1;
    const want = desired(object);
    const have = cache.get(Secret, want.metadata);
    if (have?.data?.["text"] !== want.data?.["text"]) await client.apply(Secret, want, { fieldManager });
    return awaitChange;
  };
  const path = join(directory, user);
  await writeFile(path, await plane.kubeconfig(user, rights ? ["system:masters"] : []), { mode: 0o600 });
  const manager = createManager({
    name: "manager-test",
    api: { connection: await kubeconfigConnection({ path }) },
    log: silent,
    namespaces: [namespace],
    leaderElection: { namespace },
    telemetry: { probes: { port: 0, host: "127.0.0.1" } },
    metrics: createMetrics({ process: false }),
    freeze: true,
    ...options,
  });
  manager.controller({
    name: "orders",
    for: ConfigMap,
    labels,
    owns: [{ kind: Secret, labels }],
    reconcile,
  });
  const stopping = new AbortController();
  const ended = manager.run(stopping.signal);
  ended.catch(() => {});
  const started: Started = {
    manager,
    ended,
    passes: () => passes,
    stop: () => {
      stopping.abort();
      return ended;
    },
    probe: async (path) => {
      const answer = await fetch(`http://127.0.0.1:${manager.ports[0]}${path}`);
      return { status: answer.status, body: await answer.text() };
    },
  };
  onTestFinished(() => started.stop().catch(() => {}));
  return started;
}

const secretText = async (namespace: string): Promise<string | undefined> =>
  (await admin.get(Secret, { namespace, name: "orders" }))?.data?.["text"];
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const poll = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 60_000, interval: 50 });

describe("a controller on a real API server", () => {
  test("makes the child, follows the parent, mends the child, and then rests", async () => {
    const namespace = await createNamespace();
    const user = `user-of-${namespace}`;
    const { passes } = await start(namespace, user);

    await admin.create(ConfigMap, orders(namespace));
    await poll(() => secretText(namespace)).toBe(base64("one"));

    await admin.apply(ConfigMap, orders(namespace, "two"), { fieldManager: "person" });
    await poll(() => secretText(namespace)).toBe(base64("two"));

    const edited = { op: "replace", path: "/data/text", value: base64("by hand") } as const;
    await admin.patch(Secret, { namespace, name: "orders" }, [edited]);
    await poll(() => secretText(namespace)).toBe(base64("two"));

    const { uid } = (await admin.get(Secret, { namespace, name: "orders" }))?.metadata ?? {};
    await admin.delete(Secret, { namespace, name: "orders" }, { uid: uid ?? "" });
    await poll(() => secretText(namespace)).toBe(base64("two"));

    const calls = () => readCalls(plane.auditLogPath, namespace, user);
    const before = (await calls()).filter((call) => !isLease(call));
    expect(
      before.filter((call) => isWrite(call) && !isEvent(call)).map((call) => `${call.verb} ${call.resource}`),
    ).toEqual(Array(4).fill("patch secrets"));
    const passesBefore = passes();
    await wait(3_000);
    expect((await calls()).filter((call) => !isLease(call))).toEqual(before);
    expect(passes()).toBe(passesBefore);
    // One for each of the four causes, and at most one more each where the watch was faster than the answer.
    expect(passesBefore).toBeGreaterThanOrEqual(4);
    expect(passesBefore).toBeLessThanOrEqual(8);
  });

  test("writes nothing when it is started again over what it made", async () => {
    const namespace = await createNamespace();
    const first = await start(namespace, `first-of-${namespace}`);
    await admin.create(ConfigMap, orders(namespace));
    await poll(() => secretText(namespace)).toBe(base64("one"));
    await first.stop();

    const second = await start(namespace, `second-of-${namespace}`);
    await poll(() => second.passes()).toBe(1);
    await second.stop();
    const calls = await readCalls(plane.auditLogPath, namespace, `second-of-${namespace}`);
    expect(calls.filter((call) => isWrite(call) && !isLease(call))).toEqual([]);
  });

  test("is ready when its caches are synced, and says which are not", async () => {
    const namespace = await createNamespace();
    const { probe, manager, stop } = await start(namespace, `nobody-of-${namespace}`, {}, false);
    await poll(() => manager.ports.length).toBe(1);
    expect(await probe("/healthz")).toEqual({ status: 200, body: "[+]lease ok\nok\n" });
    expect(await probe("/readyz")).toEqual({
      status: 503,
      body: "[-]caches failed: not synced: configmaps, secrets\nfailed\n",
    });
    await stop();
  });
});

const holder = async (namespace: string): Promise<string | undefined> =>
  (await admin.get(Lease, { namespace, name: "manager-test" }))?.spec?.holderIdentity;

describe("two managers and one lease", () => {
  test("rules 52, 54: one works; the other is warm and ready, and takes over when the first stops", async () => {
    const namespace = await createNamespace();
    const first = await start(namespace, `first-of-${namespace}`, { identity: "first" });
    await poll(() => holder(namespace)).toBe("first");
    const second = await start(namespace, `second-of-${namespace}`, { identity: "second" });
    await admin.create(ConfigMap, orders(namespace));
    await poll(() => secretText(namespace)).toBe(base64("one"));
    await poll(async () => (await second.probe("/readyz")).status).toBe(200);
    expect((await second.probe("/metrics")).body).toContain('leader_election_master_status{name="manager-test"} 0');
    expect((await first.probe("/metrics")).body).toContain('leader_election_master_status{name="manager-test"} 1');
    expect(second.passes()).toBe(0);

    await first.stop();
    await poll(() => holder(namespace)).toBe("second");
    await admin.apply(ConfigMap, orders(namespace, "two"), { fieldManager: "person" });
    await poll(() => secretText(namespace)).toBe(base64("two"));
    const passesOfFirst = first.passes();

    await second.stop();
    expect(await holder(namespace)).toBe("");
    expect(first.passes()).toBe(passesOfFirst);
    const calls = await readCalls(plane.auditLogPath, namespace);
    expect(calls.filter((call) => isWrite(call) && call.resource === "secrets").map((call) => call.user)).toEqual([
      `first-of-${namespace}`,
      `second-of-${namespace}`,
    ]);
  });

  test("rule 51: a manager whose lease was taken stops at once and fails", async () => {
    const namespace = await createNamespace();
    const { ended } = await start(namespace, `user-of-${namespace}`, { identity: "first" });
    await poll(() => holder(namespace)).toBe("first");
    const thief = [{ op: "replace", path: "/spec/holderIdentity", value: "thief" }] as const;
    await admin.patch(Lease, { namespace, name: "manager-test" }, thief);
    await expect(ended).rejects.toBeInstanceOf(LeaseLost);
    expect(await holder(namespace)).toBe("thief");
  });
});
