import { expect, test } from "vitest";
import { sameQuantity } from "../../../src/runtime/reconcile/quantity.ts";

const table: readonly (readonly [a: unknown, b: unknown, same: boolean, because: string])[] = [
  ["1000m", "1", true, "a thousand thousandths"],
  [1, "1", true, "a number stands for its text"],
  ["0.5", "500m", true, "a fraction is written in thousandths"],
  ["1.50", "1500m", true, "trailing zeros say nothing"],
  ["1Gi", "1024Mi", true, "the same in the binary format"],
  ["0.5Gi", "512Mi", true, "a fraction of a binary unit"],
  ["0.5Ki", "512", true, "below 1024 the server leaves the binary format"],
  ["0", "0Gi", true, "nothing is nothing in any format"],
  ["-1", "-1000m", true, "a sign stays"],
  ["1e3", "1E3", true, "either letter of an exponent"],
  ["1Gi", "1073741824", false, "the server keeps the formats apart, so an apply would change the text"],
  ["1e3", "1k", false, "an exponent is a format of its own"],
  ["1G", "1Gi", false, "another number"],
  ["1", "2", false, "another number"],
  ["1E", "1", false, "E alone is exa"],
  ["0.1n", "0.1n", false, "finer than a billionth is rounded by the server, and not guessed here"],
  ["one", "one", false, "not a quantity"],
  ["", "", false, "not a quantity"],
  [".", "0", false, "not a quantity"],
  [true, "1", false, "not a quantity"],
];

test.for(table)("%s and %s: %s, because %s", ([a, b, same]) => {
  expect(sameQuantity(a, b)).toBe(same);
  expect(sameQuantity(b, a)).toBe(same);
});
