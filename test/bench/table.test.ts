import { expect, test } from "vitest";
import { formatTable, quantile } from "../../bench/table.ts";

test.each([
  { share: 0.5, value: 2, because: "the middle one" },
  { share: 0.99, value: 3, because: "the share does not end before the last" },
  { share: 0, value: 1, because: "none is less than the least" },
])("the quantile $share of three values is $value: $because", ({ share, value }) => {
  expect(quantile([3, 1, 2], share)).toBe(value);
});

test("the table has a column for each contestant, with the median and the spread of its runs", () => {
  const runs = new Map([["ours", [{ "CPU, s": 0.3 }, { "CPU, s": 0.1 }, { "CPU, s": 0.2 }]]]);
  expect(formatTable({ runs, ratio: ["ours", "theirs"] }).split("\n")).toEqual([
    "| figure | ours |",
    "| - | - |",
    "| CPU, s | 0.20 [0.10–0.30] |",
  ]);
});

test("the ratio is the median of the ratios of the same run, not the ratio of the medians", () => {
  const runs = new Map([
    ["ours", [{ ms: 100 }, { ms: 300 }, { ms: 200 }]],
    ["theirs", [{ ms: 100 }, { ms: 400 }, { ms: 400 }]],
  ]);
  expect(formatTable({ runs, ratio: ["ours", "theirs"] })).toContain("| 200 [100–300] | 400 [100–400] | 0.75 × |");
});

test("what only one contestant tells has a dash for the others, and no ratio", () => {
  const runs = new Map([
    ["ours", [{ ms: 3 }, { ms: 4 }]],
    ["theirs", [{}, {}]],
  ]);
  expect(formatTable({ runs, ratio: ["ours", "theirs"] })).toContain("| ms | 3.00 [3.00–4.00] | – | – |");
});

test("there is no ratio of nothing and nothing", () => {
  const runs = new Map([
    ["ours", [{ writes: 0 }]],
    ["theirs", [{ writes: 0 }]],
  ]);
  expect(formatTable({ runs, ratio: ["ours", "theirs"] })).toContain("| writes | 0.00 | 0.00 | – |");
});
