import { expect, test } from "vitest";
import { InvalidSpec, isReason, reasons } from "../../src/database/api.ts";
import { TerminalError } from "../../src/runtime/index.ts";
import { generate } from "../../hack/generate.ts";
import { globSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

test("a spec that cannot be had waits for an edit, with a reason of the list", () => {
  const error = new InvalidSpec("ParameterRefused", "spec.parameters.port: cannot be set");
  expect(error).toBeInstanceOf(TerminalError);
  expect([error.name, error.reason, error.message]).toEqual([
    "InvalidSpec",
    "ParameterRefused",
    "spec.parameters.port: cannot be set",
  ]);
});

test("reasons are CamelCase, as conditions and Events want them", () => {
  expect(Object.keys(reasons).filter((reason) => !/^[A-Z][A-Za-z]{1,127}$/.test(reason))).toEqual([]);
});

test("every reason is brought about, or met, in a scenario or on a real cluster", () => {
  const root = join(import.meta.dirname, "..");
  const told = globSync(["scenarios/*.test.ts", "e2e/*.test.ts"], { cwd: root })
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n");
  expect(Object.keys(reasons).filter((reason) => !new RegExp(`\\b${reason}\\b`).test(told))).toEqual([]);
});

test("what every object has is no reason", () => {
  expect([isReason("toString"), isReason("Paused")]).toEqual([false, true]);
});

test("types and reference follow from the CRD: run `node hack/generate.ts` after a change of it", async () => {
  for (const [path, content] of await generate()) {
    expect(await readFile(new URL(`../../${path}`, import.meta.url), "utf8"), path).toBe(content);
  }
});
