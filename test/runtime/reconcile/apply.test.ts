import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { KubeClient } from "../../../src/runtime/kube/client.ts";
import { ConfigMap, Secret } from "../../../src/runtime/kube/kinds.ts";
import { applyChildren, type Children } from "../../../src/runtime/reconcile/children.ts";

const orders: ConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "orders", namespace: "shop", uid: "u" },
};

/** Made anew where `key` is wanted, and removed where it is not. */
const children = (wanted: boolean) =>
  ({
    key: {
      kind: Secret,
      desired: () =>
        wanted ? [{ apiVersion: "v1", kind: "Secret", metadata: { name: "orders-key", namespace: "shop" } }] : [],
    },
  }) as const satisfies Children<ConfigMap>;

test.each([
  { wanted: true, message: "Created Secret orders-key" },
  { wanted: false, message: "Deleted Secret orders-key: no longer wanted" },
])("the line '$message' tells of the child, and does not hide of which object it is", async ({ wanted, message }) => {
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk: Buffer, _, done) => (lines.push(chunk.toString()), done()) });
  const labels = { "app.kubernetes.io/managed-by": "shop" };
  const key: Secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "orders-key", namespace: "shop", labels } };
  const client: Partial<KubeClient> = {
    get: async () => undefined,
    apply: async (_, body) => body,
    delete: async () => undefined,
  };
  const context = {
    client: client as KubeClient,
    cache: { get: () => undefined, covers: () => true, list: () => (wanted ? [] : [key]) as never },
    events: { emit: () => undefined },
    log: pino({ base: null }, sink).child({ namespace: "shop", name: "orders" }),
    signal: new AbortController().signal,
  };
  const marks = { fieldManager: "shop", labels };
  await applyChildren(orders, { object: orders, kind: ConfigMap }, children(wanted), marks, context);

  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    namespace: "shop",
    name: "orders",
    kind: "Secret",
    child: "orders-key",
    msg: message,
  });
  expect([...(lines[0] ?? "").matchAll(/"name":/g)]).toHaveLength(1);
});
