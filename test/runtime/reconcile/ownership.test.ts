import { describe, expect, test } from "vitest";
import { ConfigMap } from "../../../src/runtime/kube/kinds.ts";
import { defineKind, type KubeObject, type ObjectMeta } from "../../../src/runtime/kube/object.ts";
import { claim, type Owner, stamp } from "../../../src/runtime/reconcile/ownership.ts";

const kind = defineKind({ group: "example.org", version: "v1", kind: "Shop", plural: "shops", namespaced: true });
const owner: Owner = {
  kind,
  object: { apiVersion: "example.org/v1", kind: "Shop", metadata: { name: "orders", namespace: "shop", uid: "u1" } },
};
const marks = { labels: { "app.kubernetes.io/managed-by": "holdfast" }, ownerUidAnnotation: "holdfast.dev/owner-uid" };
const labels = marks.labels;
const reference = {
  apiVersion: "example.org/v1",
  kind: "Shop",
  name: "orders",
  uid: "u1",
  controller: true,
  blockOwnerDeletion: true,
};
const plain: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "orders", namespace: "shop" } };

describe("stamp", () => {
  test("marks with labels and a controller reference, and leaves what it was given alone", () => {
    const before = structuredClone(plain);
    expect(stamp(plain, ConfigMap, owner, "controller", marks)).toEqual({
      ...plain,
      metadata: { ...plain.metadata, labels, ownerReferences: [reference] },
    });
    expect(plain).toEqual(before);
  });

  test("marks what must outlive its owner with the owner's uid only", () => {
    expect(stamp(plain, ConfigMap, owner, "annotation", marks).metadata).toEqual({
      ...plain.metadata,
      labels,
      annotations: { "holdfast.dev/owner-uid": "u1" },
    });
  });

  test("needs the annotation's name only for what must outlive its owner", () => {
    expect(stamp(plain, ConfigMap, owner, "controller", { labels }).metadata.ownerReferences).toEqual([reference]);
    expect(() => stamp(plain, ConfigMap, owner, "annotation", { labels })).toThrow("no ownerUidAnnotation");
  });

  test("rule 43: refuses an owner in another namespace: the garbage collector would delete the child", () => {
    const elsewhere = { ...plain, metadata: { name: "orders", namespace: "other" } };
    expect(() => stamp(elsewhere, ConfigMap, owner, "controller", marks)).toThrow("outside of its namespace");
  });
});

const table: readonly (readonly [Partial<ObjectMeta>, ReturnType<typeof claim>, string])[] = [
  [{ labels, ownerReferences: [reference] }, "ours", "our uid owns it"],
  [{ ownerReferences: [reference] }, "ours", "our uid owns it, whoever removed the labels"],
  [{ labels }, "ours", "it was orphaned, or retained, and nobody else controls it"],
  [{ annotations: { "holdfast.dev/owner-uid": "u1" } }, "ours", "the annotation names our uid"],
  [{ labels, annotations: { "holdfast.dev/owner-uid": "u0" } }, "ours", "a former owner of this name retained it"],
  [{ labels, ownerReferences: [{ ...reference, uid: "u0" }] }, "former", "its owner was a namesake that is gone"],
  [{ ownerReferences: [{ ...reference, uid: "u0" }] }, "foreign", "without our labels nothing says that it was ours"],
  [{ labels, ownerReferences: [{ ...reference, uid: "u0", name: "users" }] }, "foreign", "another Shop controls it"],
  [{ labels, ownerReferences: [{ ...reference, uid: "u0", kind: "Cart" }] }, "foreign", "another kind controls it"],
  [{}, "foreign", "nothing says that it is ours"],
  [{ labels: { "app.kubernetes.io/managed-by": "Helm" } }, "foreign", "another tool made it"],
  [{ annotations: { "holdfast.dev/owner-uid": "u0" } }, "foreign", "another owner's uid and no label"],
];

test.for(table)("%j is %s, because %s", ([metadata, expected]) => {
  const live: KubeObject = { ...plain, metadata: { ...plain.metadata, ...metadata } };
  expect(claim(live, owner, marks)).toBe(expected);
});
