import { expect, test } from "vitest";
import type { KubeObject, ManagedFieldsEntry } from "../../../src/runtime/kube/object.ts";
import { managersOf } from "../../../src/runtime/reconcile/managers.ts";

const entry = (manager: string, time: string, fieldsV1: Record<string, unknown>): ManagedFieldsEntry => ({
  manager,
  operation: "Update",
  time,
  fieldsV1,
});
const live: KubeObject = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: {
    name: "orders-1",
    managedFields: [
      entry("holdfast", "2026-02-10T12:00:00Z", { "f:spec": { "f:replicas": {} } }),
      entry("kubectl-edit", "2026-02-10T12:01:00Z", {
        "f:spec": { "f:replicas": {}, "f:containers": { 'k:{"name":"a"}': { "f:image": {} } } },
      }),
      entry("argocd", "2026-02-10T12:02:00Z", { "f:spec": { "f:selector": {} } }),
      { ...entry("controller", "2026-02-10T12:03:00Z", { "f:status": {} }), subresource: "status" },
    ],
  },
};

test.for([
  ["spec.replicas", ["kubectl-edit"], "it owns just that"],
  ["spec.containers[name=a].image", ["kubectl-edit"], "it owns that of this item"],
  ["spec.containers[name=a]", ["kubectl-edit"], "it owns something below"],
  ["spec.selector.matchLabels", ["argocd"], "it owns the whole above"],
  ["spec.paused", ["argocd"], "nobody owns what was removed, and this one wrote last"],
] as const)("%s is in the hands of %s, because %s", ([path, managers]) => {
  expect(managersOf(live, path, "holdfast")).toEqual(managers);
});

test("nobody is named where nobody else has written", () => {
  expect(managersOf({ ...live, metadata: { name: "orders-1" } }, "spec.replicas", "holdfast")).toEqual([]);
});
