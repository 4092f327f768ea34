import { expect, test } from "vitest";
import { testSeed } from "./test-seed.ts";

test.for([
  { env: { HOLDFAST_TEST_SEED: "7" }, seed: 7, because: "a run is repeated" },
  { env: { HOLDFAST_TEST_SEED: "0", CI: "true" }, seed: 0, because: "also where a change is judged" },
  { env: { CI: "true" }, seed: 1, because: "what a change is judged by is the same each time" },
  { env: { HOLDFAST_TEST_SEED: "", CI: "1" }, seed: 1, because: "an empty variable says nothing" },
])("the seed is $seed: $because", ({ env, seed }) => {
  expect(testSeed(8, env)).toBe(seed);
});

test.for([{}, { CI: "" }, { CI: "false" }])("elsewhere chance chooses one below what is asked for (%o)", (env) => {
  const seeds = new Set(Array.from({ length: 200 }, () => testSeed(8, env)));
  expect([...seeds].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});
