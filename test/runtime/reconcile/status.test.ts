import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { statusEqual } from "../../../src/runtime/reconcile/status.ts";

describe("statusEqual", () => {
  test.for([
    [{ phase: "Ready", primary: undefined }, { phase: "Ready" }, true, "undefined is absent"],
    [{ labels: { toString: "a" } }, { labels: { toString: "a" } }, true, "a key of this name must not be called"],
    [{ labels: { valueOf: "a" } }, { labels: { valueOf: "b" } }, false, "a key of this name must not be called"],
    [{ constructor: "a" }, { constructor: "a" }, true, "nor is this one special"],
    [[1, 2], [2, 1], false, "the order of a list counts"],
    [{}, undefined, false, "something is not nothing"],
    [{ a: null }, {}, false, "null is a value of ours"],
  ] as const)("%j and %j: %s, because %s", ([a, b, same]) => {
    expect(statusEqual(a, b)).toBe(same);
  });

  test("is equality of the JSON, whatever the keys are called and however they are ordered", () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const keyed = fc.dictionary(fc.constantFrom("toString", "valueOf", "constructor", "hasOwnProperty", "a"), json);
    const value = fc.oneof(json, keyed);
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(statusEqual(a, b)).toBe(canonical(a) === canonical(b));
        expect(statusEqual(a, JSON.parse(JSON.stringify(a)))).toBe(true);
      }),
    );
  });
});

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
  return `{${members.toSorted().join()}}`;
}
