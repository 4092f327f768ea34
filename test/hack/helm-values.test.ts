import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import { expect, test } from "vitest";
import { chartValues } from "../../hack/helm-values.ts";

const text = readFileSync(join(import.meta.dirname, "../../charts/holdfast/values.yaml"), "utf8");

test("every value of the chart is found, with the default that Helm reads", () => {
  const root = load(text);
  const found = chartValues(text);
  for (const { path, preset } of found) {
    const value = path.split(".").reduce((object, key) => (object as Record<string, unknown>)[key], root);
    expect({ path, value: load(preset) }).toEqual({ path, value });
  }
  const leaves = (object: unknown, path: string): string[] =>
    found.some((value) => value.path === path)
      ? [path]
      : Object.entries(object as object).flatMap(([key, part]) => leaves(part, path === "" ? key : `${path}.${key}`));
  expect(leaves(root, "")).toEqual(found.map(({ path }) => path));
});

test("the comment above a value is its meaning, over several lines too; a blank line ends it", () => {
  const values = chartValues("# A page.\n\n# The\n# first.\na: 1\nb:\n  # The second.\n  c: {}\n");
  expect(values).toEqual([
    { path: "a", preset: "1", meaning: "The first." },
    { path: "b.c", preset: "{}", meaning: "The second." },
  ]);
});

test.each([
  { text: "a: 1", message: "a has no comment", because: "nobody would know what it is for" },
  { text: "# A.\na: 1\nb: 2", message: "b has no comment", because: "that of another value is not its own" },
  {
    text: "# A.\na:\n  - 1",
    message: "no comment and no value",
    because: "a default over several lines is not understood",
  },
])("$text is refused: $because", ({ text: refused, message }) => {
  expect(() => chartValues(refused)).toThrow(message);
});
