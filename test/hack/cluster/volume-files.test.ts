import { describe, expect, test } from "vitest";
import { bytesOf } from "../../../hack/cluster/volume-files.ts";

describe("A quantity of storage", () => {
  test.each([
    { quantity: "10Gi", bytes: 10 * 1024 ** 3, because: "binary suffixes count in 1024" },
    { quantity: "500M", bytes: 500_000_000, because: "decimal suffixes count in 1000" },
    { quantity: "2k", bytes: 2000, because: "kilo is written small" },
    { quantity: "1.5Ki", bytes: 1536, because: "fractions are allowed" },
    { quantity: "1e9", bytes: 1e9, because: "so are exponents" },
    { quantity: "1073741824", bytes: 1024 ** 3, because: "a plain number is bytes" },
    { quantity: "1500m", bytes: 2, because: "a part of a byte is rounded up" },
  ])("$quantity is $bytes bytes: $because", ({ quantity, bytes }) => {
    expect(bytesOf(quantity)).toBe(bytes);
  });

  test("is refused when it is none", () => {
    expect(() => bytesOf("ten gigabytes")).toThrow("This is not a size: ten gigabytes");
  });
});
