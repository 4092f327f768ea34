import { describe, expect, test } from "vitest";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { fingerprint, ObservationMemo } from "../../../src/database/outside/observation-memo.ts";

describe("the memo", () => {
  test.each([
    { elapsedMs: 0, print: "a", recalled: "facts", because: "they were just seen" },
    { elapsedMs: 699, print: "a", recalled: "facts", because: "no resync can be due" },
    { elapsedMs: 700, print: "a", recalled: undefined, because: "they are as old as the facts of a resync may be" },
    { elapsedMs: 0, print: "b", recalled: undefined, because: "something changed" },
  ])(
    "recalls $recalled after $elapsedMs of 1000 ms with fingerprint $print because $because",
    ({ elapsedMs, print, recalled }) => {
      const memo = new ObservationMemo<string>({ resyncEveryMs: 1_000 });
      memo.remember("uid", "a", "facts", 5_000);
      expect(memo.recall("uid", print, 5_000 + elapsedMs)).toBe(recalled);
    },
  );

  test("knows the last facts of the same fingerprint, however old", () => {
    const memo = new ObservationMemo<string>({ resyncEveryMs: 1_000 });
    memo.remember("uid", "a", "facts", 0);
    expect([memo.recall("uid", "a", 10_000), memo.last("uid", "a"), memo.last("uid", "b")]).toEqual([
      undefined,
      "facts",
      undefined,
    ]);
  });

  test("keeps objects apart and forgets them", () => {
    const memo = new ObservationMemo<string>({ resyncEveryMs: 1_000 });
    memo.remember("one", "a", "1", 0);
    memo.remember("two", "a", "2", 0);
    memo.forget("one");
    memo.forget("never seen");
    expect([memo.recall("one", "a", 0), memo.recall("two", "a", 0), memo.size]).toEqual([undefined, "2", 1]);
  });
});

describe("a fingerprint", () => {
  test("is the same for equal data, whatever the order of its keys (property)", () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([key, child]) => [key, reversed(child)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        expect(fingerprint(reversed(value))).toBe(fingerprint(value));
      }),
    );
  });

  test("differs for different data (property)", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        // As JSON: -0 and 0 are the same there.
        fc.pre(!isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other))));
        expect(fingerprint(one)).not.toBe(fingerprint(other));
      }),
    );
  });

  test("does not tell what went in", () => {
    expect(fingerprint({ password: "secret" })).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });
});
