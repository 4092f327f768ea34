// What is seen of what happened while nobody looked.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { FrameType } from "../../testing/fault-plan.ts";
import { lastStates, type Frame } from "../../testing/view-coalescing.ts";

const frame = (type: FrameType, name: string, resourceVersion: number): Frame => ({
  type,
  object: { metadata: { name, resourceVersion: String(resourceVersion) } },
});
const brief = ({ type, object }: Frame): string =>
  `${type} ${object.metadata?.name}@${object.metadata?.resourceVersion}`;

/** "ADDED a" … → frames in versions 1, 2, … */
const seen = (...steps: readonly string[]): readonly string[] =>
  lastStates(
    steps.map((step, index) => {
      const [type, name = ""] = step.split(" ");
      return frame(type as FrameType, name, index + 1);
    }),
  ).map(brief);

test.for([
  { steps: ["MODIFIED a", "MODIFIED a"], is: ["MODIFIED a@2"], because: "only the last state" },
  { steps: ["ADDED a", "MODIFIED a"], is: ["ADDED a@2"], because: "it was not known before" },
  { steps: ["DELETED a", "ADDED a"], is: ["MODIFIED a@2"], because: "a namesake looks like a change" },
  { steps: ["DELETED a", "ADDED a", "DELETED a"], is: ["DELETED a@3"], because: "it was known, and is gone" },
  { steps: ["ADDED a", "DELETED a"], is: [], because: "nobody ever knew of it" },
  { steps: ["MODIFIED a", "MODIFIED b", "MODIFIED a"], is: ["MODIFIED b@2", "MODIFIED a@3"], because: "in order" },
  { steps: ["MODIFIED a", "BOOKMARK x", "MODIFIED a"], is: ["BOOKMARK x@2", "MODIFIED a@3"], because: "in order" },
])("$steps is seen as $is: $because", ({ steps, is }) => {
  expect(seen(...steps)).toEqual(is);
});

test("whoever sees only the last states knows in the end what whoever saw all knows, and versions never go back", () => {
  const step = fc.tuple(fc.constantFrom("a", "b", "c"), fc.boolean());
  const know = (known: Map<string, string>, frames: readonly Frame[]): Map<string, string> => {
    for (const { type, object } of frames) {
      const { name = "", resourceVersion = "" } = object.metadata ?? {};
      // Nothing is told that cannot be: no change of what is not known, no creation of what is.
      expect(known.has(name)).toBe(type !== "ADDED");
      if (type === "DELETED") known.delete(name);
      else known.set(name, resourceVersion);
    }
    return known;
  };
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom("a", "b", "c")), fc.array(step), (before, steps) => {
      const living = new Set(before);
      const frames = steps.map(([name, deletes], index) => {
        const type = !living.has(name) ? "ADDED" : deletes ? "DELETED" : "MODIFIED";
        if (type === "DELETED") living.delete(name);
        else living.add(name);
        return frame(type, name, index + 1);
      });
      const start = (): Map<string, string> => new Map(before.map((name) => [name, "0"]));
      const coalesced = lastStates(frames);
      expect(know(start(), coalesced)).toEqual(know(start(), frames));
      const versions = coalesced.map(({ object }) => Number(object.metadata?.resourceVersion));
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    }),
  );
});
