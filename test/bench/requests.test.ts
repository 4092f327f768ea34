import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { countRequests } from "../../bench/requests.ts";

test("requests of one user are counted from where the log stood before: answered ones, once, and no watches", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-bench-"));
  const path = join(folder.path, "audit.log");
  const line = (verb: string, username = "operator", stage = "ResponseComplete"): string =>
    `${JSON.stringify({ stage, verb, user: { username } })}\n`;
  const before = line("create");
  const since = [
    line("create"),
    line("patch"),
    line("delete"),
    line("get"),
    line("list"),
    line("watch"),
    line("list", "operator", "ResponseStarted"),
    line("update", "operator-two"),
  ];
  await writeFile(path, before + since.join(""));
  expect(await countRequests(path, "operator", Buffer.byteLength(before))).toEqual({ writes: 3, reads: 2 });
});
