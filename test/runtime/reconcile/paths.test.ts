import { describe, expect, test } from "vitest";
import { fieldAt, itemAt, lookUp, parsePath, pointerTo, root, valueAt } from "../../../src/runtime/reconcile/paths.ts";

test("a place reads as people write it", () => {
  const containers = fieldAt(fieldAt(root, "spec"), "containers");
  expect(fieldAt(itemAt(containers, { name: "postgres" }), "image").text).toBe("spec.containers[name=postgres].image");
  expect(itemAt(fieldAt(root, "ports"), { port: 53, protocol: "UDP" }).text).toBe("ports[port=53,protocol=UDP]");
  expect(valueAt(fieldAt(root, "finalizers"), "example.org/a").text).toBe("finalizers[example.org/a]");
  expect(fieldAt(fieldAt(root, "labels"), "app.kubernetes.io/name").text).toBe("labels[app.kubernetes.io/name]");
});

describe("a written path", () => {
  test.for([
    ["spec.selector", ["spec", "selector"], "/spec/selector"],
    ["metadata.annotations[a/b.c]", ["metadata", "annotations", "a/b.c"], "/metadata/annotations/a~1b.c"],
    ["metadata.labels[a~b].x", ["metadata", "labels", "a~b", "x"], "/metadata/labels/a~0b/x"],
  ] as const)("%s names its fields", ([text, names, pointer]) => {
    expect(parsePath(text)).toEqual(names);
    expect(pointerTo(names)).toBe(pointer);
  });

  test.for(["", "a..b", "a.", "ports[port=53]", "a b"])("%j is refused", (text) => {
    expect(() => parsePath(text)).toThrow("is not a path");
  });

  test("finds what stands there, and nothing of the prototype", () => {
    expect(lookUp({ spec: { selector: { app: "orders" } } }, ["spec", "selector"])).toEqual({ app: "orders" });
    expect(lookUp({ spec: 1 }, ["spec", "selector"])).toBeUndefined();
    expect(lookUp({}, ["toString"])).toBeUndefined();
  });
});
