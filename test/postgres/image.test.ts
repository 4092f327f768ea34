// What images/postgres and the operator have to agree on.
import { readFileSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { annotations } from "../../src/database/names.ts";
import { imageLayout } from "../../src/postgres/versions.ts";

const program = new URL("../../images/postgres/holdfast-postgres", import.meta.url);

test("the watch in the Pod looks at the volume, and writes the annotation that the operator reads", () => {
  const text = readFileSync(program, "utf8");
  expect(text).toContain(`VOLUME = "${imageLayout.volume}"`);
  expect(text).toContain(`ANNOTATION = "${annotations.disk}"`);
});

test("the program that the Pod starts can be run", () => {
  expect(statSync(program).mode & 0o111).toBe(0o111);
});
