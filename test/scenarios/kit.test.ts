// The test kit as a user has it, by its public name: a controller of a few lines, and `settled` as the only waiting.
import {
  awaitChange,
  ConfigMap,
  createHttpClient,
  createLog,
  createManager,
  createMetrics,
  kubeconfigConnection,
  Namespace,
  ownerReference,
  Secret,
  type Manager,
  type Reconcile,
} from "holdfast/runtime";
import { settled, type ApiServer } from "holdfast/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { sharedControlPlane } from "../support/api-server.ts";

let server: ApiServer;
beforeAll(async () => void (server = await sharedControlPlane()));

let counter = 0;

interface Running extends AsyncDisposable {
  readonly namespace: string;
  readonly manager: Manager;
  readonly put: (name: string, data: Readonly<Record<string, string>>) => Promise<ConfigMap>;
}

async function start(reconcile: Reconcile<ConfigMap, void>): Promise<Running> {
  const namespace = `kit-${process.pid.toString(36)}${(counter++).toString(36)}`;
  await server.client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const manager = createManager({
    name: "shop",
    api: { connection: server.connection },
    namespaces: [namespace],
    log: createLog({ level: "silent", name: "shop" }),
    metrics: createMetrics({ process: false }),
    leaderElection: false,
    telemetry: false,
  });
  manager.controller({ name: "shop", for: ConfigMap, owns: [{ kind: Secret }], reconcile });
  const stop = new AbortController();
  const ended = manager.run(stop.signal);
  return {
    namespace,
    manager,
    put: (name, data) =>
      server.client.apply(
        ConfigMap,
        { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data },
        { fieldManager: "user" },
      ),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** A Secret for each ConfigMap, with its words. */
const copy: Reconcile<ConfigMap, void> = async (object, { client }) => {
  const { name, namespace = "" } = object.metadata;
  const body: Secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace, ownerReferences: [ownerReference(object, ConfigMap, { kind: Secret, namespace })] },
    stringData: { ...object.data },
  };
  await client.apply(Secret, body, { fieldManager: "shop" });
  return awaitChange;
};

describe("settled", () => {
  test("is the moment when everything that was asked for is there, without any other waiting", async () => {
    await using shop = await start(copy);
    const names = Array.from({ length: 20 }, (_, index) => `orders-${index}`);
    await Promise.all(names.map((name) => shop.put(name, { colour: "red" })));
    await settled(shop.manager);
    const secrets = await server.client.list(Secret, { namespace: shop.namespace });
    const made = secrets.items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("orders-"));
    expect(made.toSorted()).toEqual(names.toSorted());
  });

  test("holds for each change that was answered before it, also many in a row", async () => {
    await using shop = await start(copy);
    for (const colour of ["red", "green", "blue", "white", "black"]) {
      await shop.put("orders", { colour });
      await settled(shop.manager);
      const secret = await server.client.get(Secret, { namespace: shop.namespace, name: "orders" });
      expect(Buffer.from(secret?.data?.["colour"] ?? "", "base64").toString()).toBe(colour);
    }
  });

  test("counts what others do to the children", async () => {
    await using shop = await start(copy);
    await shop.put("orders", { colour: "red" });
    await settled(shop.manager);
    const secret = await server.client.get(Secret, { namespace: shop.namespace, name: "orders" });
    await server.client.delete(
      Secret,
      { namespace: shop.namespace, name: "orders" },
      { uid: secret?.metadata.uid ?? "" },
    );
    await settled(shop.manager);
    const again = await server.client.get(Secret, { namespace: shop.namespace, name: "orders" });
    expect(again?.metadata.uid).not.toBe(secret?.metadata.uid);
    expect(again?.data).toEqual(secret?.data);
  });
});

test("the connection of an API server is that of its kubeconfig", async () => {
  const connection = await kubeconfigConnection({ path: server.adminKubeconfigPath });
  expect(connection.server).toBe(server.connection.server);
  const client = createHttpClient({ connection, userAgent: "test" });
  expect(await client.read("/version")).toEqual(await server.client.read("/version"));
  client.close();
});
