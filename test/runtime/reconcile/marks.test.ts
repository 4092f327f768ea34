import jsonPatch from "fast-json-patch";
import { expect, test } from "vitest";
import { marksPatch, type Marked } from "../../../src/runtime/reconcile/marks.ts";

const volume = (metadata: object) => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "orders-1", ...metadata },
});

test.each<{ because: string; seen: object; marked: Marked; left: object }>([
  {
    because: "what is not named stays",
    seen: { annotations: { "team/a": "1", "holdfast.dev/b": "2" } },
    marked: { annotations: { "holdfast.dev/b": "3" } },
    left: { annotations: { "team/a": "1", "holdfast.dev/b": "3" } },
  },
  {
    because: "there may be none yet",
    seen: {},
    marked: { annotations: { "holdfast.dev/b": "3" }, labels: { "a~b/c": "d" } },
    left: { annotations: { "holdfast.dev/b": "3" }, labels: { "a~b/c": "d" } },
  },
  {
    because: "undefined removes",
    seen: { annotations: { "team/a": "1", "holdfast.dev/b": "2" } },
    marked: { annotations: { "holdfast.dev/b": undefined } },
    left: { annotations: { "team/a": "1" } },
  },
])("$because", ({ seen, marked, left }) => {
  const patch = marksPatch(volume(seen), marked).filter(({ op }) => op !== "test");
  expect(jsonPatch.applyPatch(volume(seen), patch as jsonPatch.Operation[]).newDocument).toEqual(volume(left));
});

test.each<{ because: string; seen: object; marked: Marked }>([
  { because: "it is so already", seen: { labels: { a: "1" } }, marked: { labels: { a: "1" } } },
  { because: "there is nothing to remove", seen: {}, marked: { labels: { a: undefined } } },
])("nothing is written: $because", ({ seen, marked }) => {
  expect(marksPatch(volume(seen), marked)).toEqual([]);
});

test("what somebody sets first is not overwritten: that there was none is tested", () => {
  const [first] = marksPatch(volume({}), { annotations: { a: "1" } });
  expect(first).toEqual({ op: "test", path: "/metadata/annotations", value: null });
});
