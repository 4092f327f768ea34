import { expect, test } from "vitest";
import { OwnWrites } from "../../../src/runtime/loop/own-writes.ts";

const version = (resourceVersion: string, uid = "1") => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "orders", uid, resourceVersion },
});

test("knows the author of exactly the version that was written", () => {
  const writes = new OwnWrites();
  writes.wrote("shop/orders", version("7"));
  expect(writes.authorOf(version("7"))).toBe("shop/orders");
  expect(writes.authorOf(version("8"))).toBeUndefined();
  expect(writes.authorOf(version("7", "another"))).toBeUndefined();
});

test("forgets the oldest of thousands, since echoes of what is not watched never come", () => {
  const writes = new OwnWrites();
  for (let i = 0; i < 5_000; i++) writes.wrote("shop/orders", version(String(i)));
  expect(writes.authorOf(version("0"))).toBeUndefined();
  expect(writes.authorOf(version("4999"))).toBe("shop/orders");
});
