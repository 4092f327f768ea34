import { expect, test } from "vitest";
import { whereTheyDiffer } from "./difference-words.ts";

test.for([
  { one: { a: 1 }, other: { a: 2 }, words: ['{"a":1}', '{"a":2}'], because: "what is short is told whole" },
  { one: undefined, other: "", words: ["absent", '""'], because: "an empty text is not none" },
  {
    one: `${"same ".repeat(20)}one ${"rest ".repeat(20)}`,
    other: `${"same ".repeat(20)}other ${"rest ".repeat(20)}`,
    words: ["…ame one rest rest re…", "…ame other rest rest …"],
    because: "what is alike in front is cut, and so is the rest",
  },
  {
    one: `${"same ".repeat(20)}one`,
    other: `${"same ".repeat(20)}four`,
    words: ['…same same same one"', '…same same same four"'],
    because: "the end is shown where they differ there",
  },
])("$because", ({ one, other, words }) => {
  expect(whereTheyDiffer(one, other, 20)).toEqual(words);
});
