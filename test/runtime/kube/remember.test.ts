import { expect, test } from "vitest";
import type { KubeClient } from "../../../src/runtime/kube/client.ts";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { ConfigMap, Secret } from "../../../src/runtime/kube/kinds.ts";
import { rememberingClient } from "../../../src/runtime/kube/remember.ts";
import { Store } from "../../../src/runtime/kube/store.ts";

const orders = { namespace: "shop", name: "orders" };
const at = (version: number): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { ...orders, uid: "uid-1", resourceVersion: String(version) },
});

function world(answer: () => Promise<ConfigMap>, get?: () => Promise<ConfigMap | undefined>) {
  const store = new Store<ConfigMap>();
  store.replace([at(5)], "100");
  const answering = {
    get,
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

const writes = {
  patch: (client: KubeClient) => client.patch(ConfigMap, orders, []),
  apply: (client: KubeClient) => client.apply(ConfigMap, at(1), { fieldManager: "holdfast" }),
  delete: (client: KubeClient) => client.delete(ConfigMap, orders, { uid: "uid-1" }),
} as const;

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

const refusal = (status: number): ApiError => new ApiError("refused", { status, reason: "Test" });

test.each([
  { write: "patch", status: 409, because: "it has changed" },
  { write: "patch", status: 422, because: "a test of the patch did not hold" },
  { write: "apply", status: 409, because: "somebody else has its fields" },
  { write: "delete", status: 409, because: "it is another one of that name" },
] as const)(
  "what a refused $write is about is read once, and seen from then on: $because",
  async ({ write, status }) => {
    let reads = 0;
    const { client, store } = world(
      () => Promise.reject(refusal(status)),
      async () => ((reads += 1), at(101)),
    );
    await expect(writes[write](client)).rejects.toThrow("refused");
    expect(store.get(orders)).toEqual(at(101));
    expect(reads).toBe(1);
    // Nobody knows who wrote that: when the watch tells of it, it is news.
    expect(store.change("MODIFIED", at(101))).toMatchObject([{ type: "updated", object: at(101) }]);
  },
);

test("what a refused write was about and is gone is not seen any more", async () => {
  const { client, store } = world(
    () => Promise.reject(refusal(404)),
    async () => undefined,
  );
  await expect(writes.patch(client)).rejects.toThrow("refused");
  expect(store.get(orders)).toBeUndefined();
});

test("a body that is refused says nothing of the world, and nothing is read", async () => {
  const { client, store } = world(
    () => Promise.reject(refusal(422)),
    () => expect.fail("it was read"),
  );
  await expect(writes.apply(client)).rejects.toThrow("refused");
  expect(store.get(orders)).toEqual(at(5));
});

test("a look that fails leaves the write's own failure, and the cache as it is", async () => {
  const { client, store } = world(
    () => Promise.reject(refusal(409)),
    () => Promise.reject(new Error("no answer")),
  );
  await expect(writes.patch(client)).rejects.toThrow("refused");
  expect(store.get(orders)).toEqual(at(5));
});

test("kinds without a store are just written", async () => {
  const { client } = world(async () => at(101));
  expect(await client.create(Secret, { ...at(1), kind: "Secret" })).toEqual(at(101));
});
