import { describe, expect, test } from "vitest";
import { amountOf, larger } from "../../src/database/quantity.ts";

test.each([
  { quantity: "1Gi", amount: 2 ** 30 },
  { quantity: "1.5Gi", amount: 1.5 * 2 ** 30 },
  { quantity: "1G", amount: 1e9 },
  { quantity: "1e9", amount: 1e9 },
  { quantity: "1E", amount: 1e18 },
  { quantity: "1073741824", amount: 2 ** 30 },
  { quantity: "500m", amount: 0.5 },
  { quantity: ".5Ki", amount: 512 },
])("$quantity is $amount", ({ quantity, amount }) => {
  expect(amountOf(quantity)).toBe(amount);
});

test.each(["", "Gi", "1GiB", "ten", "1 Gi", "1ee3"])('"%s" is no quantity', (text) => {
  expect(() => amountOf(text)).toThrow("is no quantity");
});

describe("the larger of two", () => {
  test.each([
    { a: "1Gi", b: "1G", result: "1Gi", because: "binary is more" },
    { a: "900Mi", b: "1G", result: "1G", because: "units differ" },
    { a: "1Gi", b: "1024Mi", result: "1Gi", because: "they are equal: the first spelling stays" },
  ])("of $a and $b is $result: $because", ({ a, b, result }) => {
    expect(larger(a, b)).toBe(result);
  });
});
