import { describe, expect, test } from "vitest";
import type { KubeObject, ObjectMeta } from "../../../src/runtime/kube/object.ts";
import {
  all,
  annotationsChanged,
  any,
  deletionChanged,
  finalizersChanged,
  generationChanged,
  labelsChanged,
  not,
  resourceVersionChanged,
  type Predicate,
} from "../../../src/runtime/loop/predicates.ts";

const object = (metadata: Partial<ObjectMeta> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "orders", namespace: "shop", uid: "1", ...metadata },
});
const update = (predicate: Predicate, old: Partial<ObjectMeta>, now: Partial<ObjectMeta>): boolean =>
  predicate({ type: "updated", old: object(old), object: object(now) });

const time = "2026-01-01T00:00:00Z";

describe("an update passes", () => {
  test.each<{
    predicate: Predicate;
    old: Partial<ObjectMeta>;
    now: Partial<ObjectMeta>;
    passes: boolean;
    because: string;
  }>([
    {
      predicate: generationChanged,
      old: { generation: 1 },
      now: { generation: 2 },
      passes: true,
      because: "the spec changed",
    },
    {
      predicate: generationChanged,
      old: { generation: 1, resourceVersion: "1" },
      now: { generation: 1, resourceVersion: "2", labels: { a: "1" } },
      passes: false,
      because: "rule 40: status, labels, annotations and finalizers leave the generation alone",
    },
    {
      predicate: generationChanged,
      old: { generation: 1 },
      now: { generation: 1, uid: "2" },
      passes: true,
      because: "rule 13: a namesake is another object, though it has the same generation",
    },
    {
      predicate: resourceVersionChanged,
      old: { resourceVersion: "1" },
      now: { resourceVersion: "1" },
      passes: false,
      because: "a relist shows the same again",
    },
    {
      predicate: resourceVersionChanged,
      old: { resourceVersion: "1" },
      now: { resourceVersion: "2" },
      passes: true,
      because: "something changed",
    },
    { predicate: finalizersChanged, old: {}, now: { finalizers: ["a"] }, passes: true, because: "one came" },
    { predicate: finalizersChanged, old: { finalizers: ["a"] }, now: {}, passes: true, because: "it went" },
    {
      predicate: finalizersChanged,
      old: { finalizers: [] },
      now: {},
      passes: false,
      because: "none and absent are the same",
    },
    { predicate: deletionChanged, old: {}, now: { deletionTimestamp: time }, passes: true, because: "deletion began" },
    {
      predicate: deletionChanged,
      old: { deletionTimestamp: time },
      now: { deletionTimestamp: time, generation: 2 },
      passes: false,
      because: "it was being deleted already",
    },
    {
      predicate: labelsChanged(),
      old: { labels: { a: "1" } },
      now: { labels: { a: "2" } },
      passes: true,
      because: "any label",
    },
    {
      predicate: labelsChanged(),
      old: { labels: {} },
      now: {},
      passes: false,
      because: "none and absent are the same",
    },
    {
      predicate: labelsChanged("role"),
      old: { labels: { role: "a", x: "1" } },
      now: { labels: { role: "a", x: "2" } },
      passes: false,
      because: "another label changed",
    },
    {
      predicate: labelsChanged("role"),
      old: { labels: { role: "a" } },
      now: { labels: {} },
      passes: true,
      because: "the label went",
    },
    {
      predicate: annotationsChanged("holdfast.dev/"),
      old: {},
      now: { annotations: { "holdfast.dev/owner-uid": "1" } },
      passes: true,
      because: "a key ending in a slash is a prefix",
    },
    {
      predicate: annotationsChanged("holdfast.dev/"),
      old: {},
      now: { annotations: { "example.com/a": "1" } },
      passes: false,
      because: "it has another prefix",
    },
    {
      predicate: any(generationChanged, finalizersChanged),
      old: {},
      now: { finalizers: ["a"] },
      passes: true,
      because: "one of them is enough",
    },
    {
      predicate: all(generationChanged, finalizersChanged),
      old: {},
      now: { finalizers: ["a"] },
      passes: false,
      because: "all of them are needed",
    },
    {
      predicate: not(generationChanged),
      old: { generation: 1 },
      now: { generation: 2 },
      passes: false,
      because: "turned around",
    },
  ])("$passes: $because", ({ predicate, old, now, passes }) => {
    expect(update(predicate, old, now)).toBe(passes);
  });
});

const predicates = [
  generationChanged,
  resourceVersionChanged,
  finalizersChanged,
  deletionChanged,
  labelsChanged("a"),
  annotationsChanged("a"),
  not(generationChanged),
  not(labelsChanged("a")),
];

test("rule 40: a deletion that begins passes every predicate, also where it does not raise the generation", () => {
  for (const predicate of predicates) {
    expect(update(predicate, { generation: 1 }, { generation: 1, deletionTimestamp: time })).toBe(true);
    expect(update(predicate, { generation: 1, uid: "0" }, { generation: 1 })).toBe(true);
  }
});

test("what appears or goes always passes", () => {
  for (const predicate of predicates) {
    expect(predicate({ type: "initial", object: object() })).toBe(true);
    expect(predicate({ type: "added", object: object() })).toBe(true);
    expect(predicate({ type: "deleted", object: object(), finalStateUnknown: true })).toBe(true);
  }
});
