import { expect, test } from "vitest";
import type { KubeClient } from "../../../src/runtime/kube/client.ts";
import { ConfigMap, Secret, ServiceAccount } from "../../../src/runtime/kube/kinds.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import type { Kind } from "../../../src/runtime/kube/object.ts";
import type { CacheListOptions } from "../../../src/runtime/kube/store.ts";
import { createLog } from "../../../src/runtime/telemetry/log.ts";
import { applyChildren, type Children } from "../../../src/runtime/reconcile/children.ts";
import { collectAfter } from "../../../src/runtime/reconcile/uncollected.ts";

const came = "2026-02-10T20:30:00Z";
const ownerOf = (uid: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "orders", namespace: "shop", uid, creationTimestamp: came },
});
const left: Secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "key", namespace: "shop", uid: "uid-key", resourceVersion: "7" },
};

test.each([
  { seconds: 61, living: "uid-2", deleted: ["key uid-key 7"], because: "the garbage collector has had its time" },
  { seconds: 59, living: "uid-2", deleted: [], because: "the garbage collector may still come" },
  { seconds: 61, living: "uid-3", deleted: [], because: "what looks like the former owner may be the next one" },
  { seconds: 61, living: undefined, deleted: [], because: "there is no owner any more who would want it to go" },
])("of what a former namesake left $deleted goes: $because", async ({ seconds, living, deleted }) => {
  const gone: string[] = [];
  const client: Partial<KubeClient> = {
    get: async () => (living === undefined ? undefined : (ownerOf(living) as never)),
    delete: async (_, { name }, { uid, resourceVersion }) => void gone.push(`${name} ${uid} ${resourceVersion}`),
  };
  const clock: Partial<Clock> = { date: () => new Date(Date.parse(came) + seconds * 1_000) };
  const context = { client: client as KubeClient, clock: clock as Clock, signal: new AbortController().signal };
  const owner = { object: ownerOf("uid-2"), kind: ConfigMap };
  expect(await collectAfter(owner, Secret, left, context)).toBe(gone.length > 0);
  expect(gone).toEqual(deleted);
});

test("where a child waits for what nobody collects, also what is not desired any more goes, and both are told", async () => {
  const labels = { "app.kubernetes.io/managed-by": "shop" };
  const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "orders", uid: "uid-1", controller: true }];
  const metadata = { namespace: "shop", labels, ownerReferences, resourceVersion: "7" };
  const key: Secret = { ...left, metadata: { ...metadata, name: "key", uid: "uid-key" } };
  const other: ServiceAccount = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { ...metadata, name: "other", uid: "uid-other" },
  };
  const children = {
    key: {
      kind: Secret,
      desired: () => [{ apiVersion: "v1", kind: "Secret", metadata: { name: "key", namespace: "shop" } }],
    },
    other: { kind: ServiceAccount, desired: () => [] },
  } as const satisfies Children<ConfigMap>;
  const gone: string[] = [];
  const told: string[] = [];
  const context = {
    client: {
      get: async () => ownerOf("uid-2"),
      delete: async (_: unknown, { name }: { name: string }) => void gone.push(name),
    } as unknown as KubeClient,
    cache: {
      get: () => key as never,
      covers: () => true,
      list: (kind: Kind, { ownerUid }: CacheListOptions = {}) =>
        (ownerUid !== undefined ? [] : kind.kind === "Secret" ? [key] : [other]) as never,
    },
    events: { emit: (_: unknown, { message }: { message: string }) => void told.push(message) },
    log: createLog({ level: "silent", name: "shop" }),
    signal: new AbortController().signal,
  };
  const owner = { object: ownerOf("uid-2"), kind: ConfigMap };
  const { failures } = await applyChildren(owner.object, owner, children, { fieldManager: "shop", labels }, context);
  expect(gone).toEqual(["key", "other"]);
  expect(told).toEqual([
    "Deleted Secret key: its former owner is gone, and nobody collected it",
    "Deleted ServiceAccount other: its former owner is gone, and nobody collected it",
  ]);
  expect(failures.map(({ child }) => child)).toEqual(["key"]);
});
