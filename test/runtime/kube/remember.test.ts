import { expect, test } from "vitest";
import type { KubeClient } from "../../../src/runtime/kube/client.ts";
import { ConfigMap, Secret } from "../../../src/runtime/kube/kinds.ts";
import { rememberingClient } from "../../../src/runtime/kube/remember.ts";
import { Store } from "../../../src/runtime/kube/store.ts";

const orders = { namespace: "shop", name: "orders" };
const at = (version: number): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { ...orders, uid: "uid-1", resourceVersion: String(version) },
});

function world(answer: () => Promise<ConfigMap>) {
  const store = new Store<ConfigMap>();
  store.replace([at(5)], "100");
  const answering = {
    create: answer,
    apply: answer,
    applyStatus: answer,
    patch: answer,
    delete: async () => void (await answer()),
  };
  const client = rememberingClient(answering as unknown as KubeClient, [{ kind: ConfigMap, store }]);
  return { client, store };
}

test.each<{ write: string; call: (client: KubeClient) => Promise<unknown> }>([
  { write: "create", call: (client) => client.create(ConfigMap, at(1)) },
  { write: "apply", call: (client) => client.apply(ConfigMap, at(1), { fieldManager: "holdfast" }) },
  { write: "applyStatus", call: (client) => client.applyStatus(ConfigMap, at(1), { fieldManager: "holdfast" }) },
  { write: "patch", call: (client) => client.patch(ConfigMap, orders, []) },
])("rule 37: the answer to $write is in the cache before the caller has it", async ({ call }) => {
  const { client, store } = world(async () => at(101));
  const answer = await call(client);
  expect(store.get(orders)).toBe(answer);
});

test("what was deleted is not in the cache any more", async () => {
  const { client, store } = world(async () => at(101));
  await client.delete(ConfigMap, orders, { uid: "uid-1" });
  expect(store.get(orders)).toBeUndefined();
});

test("a write that failed changes nothing, and fails", async () => {
  const { client, store } = world(() => Promise.reject(new Error("refused")));
  await expect(client.patch(ConfigMap, orders, [])).rejects.toThrow("refused");
  await expect(client.delete(ConfigMap, orders, { uid: "uid-1" })).rejects.toThrow("refused");
  expect(store.get(orders)).toEqual(at(5));
});

test("kinds without a store are just written", async () => {
  const { client } = world(async () => at(101));
  expect(await client.create(Secret, { ...at(1), kind: "Secret" })).toEqual(at(101));
});
