// The transport, the watch, the store and Events against a real API server, which is killed on the way.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import type { KubeClient, WatchFrame } from "../../src/runtime/kube/client.ts";
import { isAlreadyExists, isConflict, isExpired, isRefused, errorOfStatus } from "../../src/runtime/kube/errors.ts";
import { createEventRecorder, KubeEvent } from "../../src/runtime/kube/events.ts";
import { createHttpClient, type HttpClient } from "../../src/runtime/kube/http-client.ts";
import { Informer } from "../../src/runtime/kube/informer.ts";
import { ConfigMap, Namespace, Pod, ServiceAccount } from "../../src/runtime/kube/kinds.ts";
import { kubeconfigConnection } from "../../src/runtime/kube/kubeconfig.ts";
import type { KubeObject } from "../../src/runtime/kube/object.ts";
import { rememberingClient } from "../../src/runtime/kube/remember.ts";
import { listAll } from "../../src/runtime/kube/snapshot.ts";
import type { Delta } from "../../src/runtime/kube/store.ts";
import { createLog } from "../../src/runtime/telemetry/log.ts";
import { startOwnControlPlane } from "../support/api-server.ts";

let controlPlane: ControlPlane & AsyncDisposable;
let client: HttpClient;

beforeAll(async () => {
  controlPlane = await startOwnControlPlane();
  client = createHttpClient({
    connection: await kubeconfigConnection({ path: controlPlane.adminKubeconfigPath }),
    userAgent: "holdfast/test",
  });
});
afterAll(async () => {
  client?.close();
  await controlPlane?.[Symbol.asyncDispose]();
});

let namespaces = 0;
async function createNamespace(): Promise<string> {
  const name = `shop-${(namespaces += 1)}`;
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return name;
}

const configMap = (namespace: string, name: string, data: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace, name, labels: { app: "orders" } },
  data,
});

/** An informer of the ConfigMaps in a namespace, and a client whose writes it knows. */
async function follow(namespace: string) {
  const stop = new AbortController();
  const errors: unknown[] = [];
  const deltas: Delta<ConfigMap>[] = [];
  const informer = new Informer({
    client,
    kind: ConfigMap,
    namespaces: [namespace],
    labels: "app=orders",
    fieldManager: "holdfast",
    freeze: true,
    onError: (error) => errors.push(error),
  });
  informer.subscribe((delta) => deltas.push(delta));
  const ended = informer.run(stop.signal);
  await informer.synced;
  const writer: KubeClient = rememberingClient(client, [informer]);
  return {
    informer,
    writer,
    errors,
    deltas,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

const versionsOf = (objects: Iterable<Readonly<KubeObject>>): Record<string, string | undefined> =>
  Object.fromEntries([...objects].map(({ metadata }) => [metadata.name, metadata.resourceVersion]));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}

describe("writes", () => {
  test("server-side apply creates, takes fields over, lets go of fields, and changes nothing twice", async () => {
    const namespace = await createNamespace();
    const options = { fieldManager: "holdfast" };
    await client.create(ConfigMap, configMap(namespace, "orders", { theirs: "1", shared: "1" }), {
      fieldManager: "kubectl",
    });

    const first = await client.apply(ConfigMap, configMap(namespace, "orders", { shared: "2", ours: "2" }), options);
    expect(first.data).toEqual({ theirs: "1", shared: "2", ours: "2" });
    const again = await client.apply(ConfigMap, configMap(namespace, "orders", { shared: "2", ours: "2" }), options);
    expect(again.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    const less = await client.apply(ConfigMap, configMap(namespace, "orders", { shared: "2" }), options);
    expect(less.data).toEqual({ theirs: "1", shared: "2" });

    const other = configMap(namespace, "orders", { shared: "3" });
    const refused = await client
      .apply(ConfigMap, other, { fieldManager: "other", force: false })
      .catch((error: unknown) => error);
    expect(isConflict(refused)).toBe(true);
    const exists = await client.create(ConfigMap, configMap(namespace, "orders")).catch((error: unknown) => error);
    expect(isAlreadyExists(exists)).toBe(true);
  });

  test("rule 48: the status is written apart from the spec", async () => {
    const namespace = await createNamespace();
    const pod: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name: "orders" },
      spec: { containers: [{ name: "postgres", image: "example.org/none:1" }] },
    };
    await createPod(pod);
    const condition = { type: "holdfast.dev/checked", status: "True" };
    const changed = await client.applyStatus(
      Pod,
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace, name: "orders" },
        status: { conditions: [condition] },
      },
      { fieldManager: "holdfast" },
    );
    expect(changed.status?.conditions).toMatchObject([condition]);
    expect((await client.get(Pod, { namespace, name: "orders" }))?.spec).toEqual(changed.spec);
  });

  test("a patch whose test does not hold is refused, and writes nothing", async () => {
    const namespace = await createNamespace();
    const ref = { namespace, name: "orders" };
    const before = await client.create(ConfigMap, configMap(namespace, "orders", { a: "1" }));
    const patch = (tested: string) =>
      client.patch(ConfigMap, ref, [
        { op: "test", path: "/data/a", value: tested },
        { op: "replace", path: "/data/a", value: "2" },
      ]);
    expect(isRefused(await patch("x").catch((error: unknown) => error))).toBe(true);
    expect(await client.get(ConfigMap, ref)).toEqual(before);
    expect((await patch("1")).data).toEqual({ a: "2" });
  });

  test("only the object with the uid is deleted, and what is gone is deleted well", async () => {
    const namespace = await createNamespace();
    const ref = { namespace, name: "orders" };
    const { uid = "" } = (await client.create(ConfigMap, configMap(namespace, "orders"))).metadata;
    await client.delete(ConfigMap, ref, { uid: "another" });
    expect(await client.get(ConfigMap, ref)).toBeDefined();
    const stale = await client.delete(ConfigMap, ref, { uid, resourceVersion: "1" }).catch((error: unknown) => error);
    expect(isConflict(stale)).toBe(true);
    await client.delete(ConfigMap, ref, { uid });
    await client.delete(ConfigMap, ref, { uid });
    expect(await client.get(ConfigMap, ref)).toBeUndefined();
  });
});

/** A Pod needs its namespace's default ServiceAccount, which the controller manager makes a moment later. */
async function createPod(pod: Pod): Promise<Pod> {
  for (;;) {
    try {
      return await client.create(Pod, pod);
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("serviceaccount"))) throw error;
      await sleep(50);
    }
  }
}

describe("reads", () => {
  test("rules 28, 36: a collection of several pages is one snapshot", async () => {
    const namespace = await createNamespace();
    await Promise.all(
      Array.from({ length: 7 }, (_, i) => client.create(ConfigMap, configMap(namespace, `orders-${i}`))),
    );
    const whole = await listAll(client, ConfigMap, { namespace, labels: "app=orders" }, 3);
    expect(whole.items.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted()).toEqual(
      Array.from({ length: 7 }, (_, i) => `ConfigMap orders-${i}`),
    );
    expect(whole.items).toEqual((await listAll(client, ConfigMap, { namespace, labels: "app=orders" }, 0)).items);
  });

  test("rule 22: a watch is told by a bookmark how far it is, though only others' objects change, and ends well in its time", async () => {
    const namespace = await createNamespace();
    const { resourceVersion } = await client.list(ConfigMap, { namespace });
    const ended = new AbortController();
    const writing = (async () => {
      for (let i = 0; !ended.signal.aborted; i += 1) {
        await client.create(ConfigMap, configMap("default", `${namespace}-${i}`));
        await sleep(200);
      }
    })();
    const frames: WatchFrame<ConfigMap>[] = [];
    const labels = "app=shop";
    for await (const frame of client.watch(ConfigMap, { namespace, labels, resourceVersion, timeoutSeconds: 5 }))
      frames.push(frame);
    ended.abort();
    await writing;
    expect(new Set(frames.map(({ type }) => type))).toEqual(new Set(["BOOKMARK"]));
  });

  test("as a ServiceAccount, with its token", async () => {
    const namespace = await createNamespace();
    const account = { namespace, name: "operator" };
    await client.create(ServiceAccount, { apiVersion: "v1", kind: "ServiceAccount", metadata: account });
    const path = join(controlPlane.directory, `${namespace}.kubeconfig`);
    await writeFile(path, await controlPlane.serviceAccountKubeconfig(account));
    const operator = createHttpClient({ connection: await kubeconfigConnection({ path }), userAgent: "holdfast/test" });
    await expect(operator.list(ConfigMap, { namespace })).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining(`system:serviceaccount:${namespace}:operator`) as string,
    });
    operator.close();
  });
});

describe("the cache", () => {
  test("rules 37, 39: shows our writes at once, and never takes what others do for our own echo", async () => {
    const namespace = await createNamespace();
    await using world = await follow(namespace);
    const { informer, writer, deltas } = world;
    const ref = { namespace, name: "orders" };

    for (let i = 0; i < 50; i += 1) {
      const { metadata } = await writer.apply(ConfigMap, configMap(namespace, "orders", { i: `${i}` }), {
        fieldManager: "holdfast",
      });
      const cached = informer.store.get(ref);
      expect(BigInt(cached?.metadata.resourceVersion ?? 0)).toBeGreaterThanOrEqual(
        BigInt(metadata.resourceVersion ?? 0),
      );
      expect(cached?.data).toEqual({ i: `${i}` });
    }
    const theirs = await client.patch(ConfigMap, ref, [{ op: "add", path: "/data/theirs", value: "1" }], {
      fieldManager: "kubectl",
    });
    await until(() => deltas.at(-1)?.object.metadata.resourceVersion === theirs.metadata.resourceVersion);
    expect(deltas).toHaveLength(51);
    expect(deltas.at(-1)).not.toHaveProperty("own");
    expect(informer.store.get(ref)?.metadata.managedFields?.map(({ manager }) => manager)).toEqual(["holdfast"]);

    await writer.delete(ConfigMap, ref, { uid: theirs.metadata.uid ?? "" });
    expect(informer.store.get(ref)).toBeUndefined();
    await until(() => deltas.at(-1)?.type === "deleted");
  });

  test("rule 38: shows what we deleted as terminating while a finalizer holds it, and gone when we let it go", async () => {
    const namespace = await createNamespace();
    await using world = await follow(namespace);
    const { informer, writer, deltas } = world;
    const ref = { namespace, name: "orders" };
    const held = configMap(namespace, "orders");
    held.metadata.finalizers = ["holdfast.dev/cleanup"];
    const { uid = "" } = (await writer.create(ConfigMap, held)).metadata;

    await writer.delete(ConfigMap, ref, { uid });
    await until(() => informer.store.get(ref)?.metadata.deletionTimestamp !== undefined);
    await writer.patch(ConfigMap, ref, [{ op: "remove", path: "/metadata/finalizers" }]);
    expect(informer.store.get(ref)).toBeUndefined();
    await until(() => deltas.at(-1)?.type === "deleted");
    expect(informer.store.size).toBe(0);
  });

  test("goes on when the API server is killed: what changed meanwhile is there, nothing is told twice", async () => {
    const namespace = await createNamespace();
    await using world = await follow(namespace);
    const { informer, writer, deltas, errors } = world;
    await writer.create(ConfigMap, configMap(namespace, "stays"));
    await until(() => deltas.length === 1);

    await controlPlane.killApiServer();
    await until(() => errors.length > 0);
    expect(informer.store.get({ namespace, name: "stays" })).toBeDefined();
    await expect(writer.create(ConfigMap, configMap(namespace, "late"))).rejects.toMatchObject({
      status: 0,
      reason: "NoAnswer",
    });
    await controlPlane.startApiServer();

    const late = await client.create(ConfigMap, configMap(namespace, "late"));
    await until(() => informer.store.get({ namespace, name: "late" }) !== undefined);
    expect(deltas.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual(["added stays", "added late"]);
    await client.delete(ConfigMap, { namespace, name: "late" }, { uid: late.metadata.uid ?? "" });
    await until(() => deltas.at(-1)?.type === "deleted");
    const { items } = await client.list(ConfigMap, { namespace, labels: "app=orders" });
    expect(versionsOf(informer.store.list())).toEqual(versionsOf(items));
  });
});

test("rule 20: a version that is too old to watch from is told as expired", async () => {
  await controlPlane.restartApiServer();
  const watching = (async () => {
    for await (const frame of client.watch(ConfigMap, { resourceVersion: "1", timeoutSeconds: 5 })) {
      if (frame.type === "ERROR") throw errorOfStatus(frame.object, { call: "WATCH" });
    }
  })();
  expect(isExpired(await watching.catch((error: unknown) => error))).toBe(true);
});

test("rule 56: Events are accepted by the API server, a repeated one as a series", async () => {
  const namespace = await createNamespace();
  const regarding = await client.create(ConfigMap, configMap(namespace, "orders"));
  const log = createLog({ level: "silent", name: "test" });
  const recorder = createEventRecorder({ client, component: "holdfast", instance: "holdfast-0", log });
  const note = { type: "Warning", reason: "SecretMissing", message: "🐘".repeat(500) } as const;
  recorder.emit(regarding, note);
  await recorder.flush();
  recorder.emit(regarding, note);
  const { metadata } = (await client.get(Namespace, { name: namespace })) ?? regarding;
  recorder.emit(
    { apiVersion: "v1", kind: "Namespace", metadata: { ...metadata } },
    { ...note, message: "cluster-scoped" },
  );
  await recorder.close();

  const { items } = await client.list(KubeEvent, { namespace });
  expect(items).toMatchObject([
    {
      reason: "SecretMissing",
      action: "SecretMissing",
      series: { count: 2 },
      regarding: { name: "orders", uid: regarding.metadata.uid },
    },
  ]);
  const inDefault = (await client.list(KubeEvent, { namespace: "default" })).items;
  expect(inDefault.map(({ regarding }) => regarding.name)).toContain(namespace);
});
