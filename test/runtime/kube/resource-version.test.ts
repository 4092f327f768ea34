import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareVersions, isNewer } from "../../../src/runtime/kube/resource-version.ts";

describe("compareVersions (rule 34)", () => {
  test.each([
    { one: "9", other: "10", sign: -1, because: "they are numbers, not text" },
    { one: "10", other: "10", sign: 0, because: "they are equal" },
    {
      one: "90071992547409930001",
      other: "90071992547409930000",
      sign: 1,
      because: "no number of JavaScript holds them",
    },
    { one: "abc", other: "abc", sign: 0, because: "equality needs no order" },
    { one: "abc", other: "10", sign: undefined, because: "it is not a number" },
    { one: "010", other: "10", sign: undefined, because: "a leading zero is not canonical" },
    { one: "-1", other: "10", sign: undefined, because: "there are no negative versions" },
    { one: undefined, other: "10", sign: undefined, because: "there is nothing to compare" },
  ])("$one and $other: $because", ({ one, other, sign }) => {
    const compared = compareVersions(one, other);
    expect(compared === undefined ? undefined : Math.sign(compared)).toBe(sign);
  });

  test("orders as integers of any size do", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n }), fc.bigInt({ min: 0n }), (one, other) => {
        const compared = Math.sign(compareVersions(String(one), String(other)) ?? Number.NaN);
        expect(compared).toBe(one < other ? -1 : one > other ? 1 : 0);
      }),
    );
  });
});

test("what cannot be ordered is never newer", () => {
  expect(isNewer("b", "a")).toBe(false);
  expect(isNewer(undefined, "1")).toBe(false);
  expect(isNewer("2", "1")).toBe(true);
});
