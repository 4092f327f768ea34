// Holds docs/runtime/rules.md to the tests: each rule has tests that bear its number, in the files that its row names.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const page = "docs/runtime/rules.md";
const [rulesPart = "", casesPart = ""] = read(page).split("## What client-go");

/** The cells of every row of a table below its head. */
function rowsOf(text: string): string[][] {
  const rows = text.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((row) => row.slice(2, -2).split(" | "));
}

function linksIn(cell = ""): string[] {
  return [...cell.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => normalize(join(dirname(page), target ?? "")));
}

/** Which files name a rule, as "rule 7", "rules 7, 12" or "rules 7 and 12". */
const namedIn = new Map<number, string[]>();
for (const file of globSync("test/**/*.test.ts", {
  cwd: root,
  exclude: ["test/e2e/**", "test/runtime/rules.test.ts"],
})) {
  const named = read(file).matchAll(/\brules? (\d+(?:(?:, | and )\d+)*)/gi);
  const numbers = new Set([...named].flatMap(([, list]) => (list ?? "").split(/, | and /).map(Number)));
  for (const number of numbers) namedIn.set(number, [...(namedIn.get(number) ?? []), file]);
}

describe("the rules of the runtime", () => {
  const rows = rowsOf(rulesPart);

  test("are 58, in order", () => {
    expect(rows.map(([number]) => Number(number))).toEqual(Array.from({ length: 58 }, (_, i) => i + 1));
  });

  test.each(rows)("rule %s has tests that bear its number, where the page says", (number, _, tests) => {
    const files = linksIn(tests);
    expect(files).not.toEqual([]);
    expect(namedIn.get(Number(number)) ?? []).toEqual(expect.arrayContaining(files));
  });

  test("are all that a test names", () => {
    expect([...namedIn.keys()].filter((number) => number < 1 || number > rows.length)).toEqual([]);
  });
});

test.each(rowsOf(casesPart))("%s: the test that the page names is there", (_, file, told = "") => {
  const [target] = linksIn(file);
  if (target === undefined) expect(told).toMatch(/^no: /);
  else expect(read(target)).toContain(told);
});
