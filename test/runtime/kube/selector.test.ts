import { expect, test } from "vitest";
import { labelMatcher } from "../../../src/runtime/kube/selector.ts";

test.each<{ selector: string; labels: Record<string, string> | undefined; matches: boolean }>([
  { selector: "app=orders", labels: { app: "orders" }, matches: true },
  { selector: "app==orders", labels: { app: "orders" }, matches: true },
  { selector: "app=orders", labels: { app: "shop" }, matches: false },
  { selector: "app=orders", labels: undefined, matches: false },
  { selector: "app=", labels: { app: "" }, matches: true },
  { selector: "app!=orders", labels: {}, matches: true },
  { selector: "app!=orders", labels: { app: "orders" }, matches: false },
  { selector: "holdfast.dev/database", labels: { "holdfast.dev/database": "orders" }, matches: true },
  { selector: "!app", labels: { app: "orders" }, matches: false },
  { selector: "!app", labels: {}, matches: true },
  { selector: "app in (orders, shop)", labels: { app: "shop" }, matches: true },
  { selector: "app in (orders, shop)", labels: {}, matches: false },
  { selector: "app notin (orders)", labels: {}, matches: true },
  { selector: "app notin (orders)", labels: { app: "orders" }, matches: false },
  { selector: "a=1, b in (2,3),!c", labels: { a: "1", b: "3" }, matches: true },
  { selector: "a=1, b in (2,3),!c", labels: { a: "1", b: "3", c: "" }, matches: false },
  { selector: "toString", labels: {}, matches: false },
  { selector: "app > 3", labels: {}, matches: true },
])("$selector on $labels: $matches", ({ selector, labels, matches }) => {
  expect(labelMatcher(selector)(labels)).toBe(matches);
});
