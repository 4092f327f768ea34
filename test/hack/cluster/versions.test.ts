import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { corednsVersion, goVersion, kubernetesVersion } from "../../../hack/cluster/versions.ts";

const pins = [
  { module: "tools", line: /^\tk8s\.io\/kubernetes (\S+)/m, version: kubernetesVersion },
  { module: "tools", line: /^go (\S+)/m, version: goVersion },
  { module: "tools/coredns", line: /github\.com\/coredns\/coredns (\S+)/, version: corednsVersion },
] as const;

test.each(pins)("$module/go.mod builds the version that is asked for: $version", async ({ module, line, version }) => {
  const text = await readFile(new URL(`../../../hack/cluster/${module}/go.mod`, import.meta.url), "utf8");
  expect(line.exec(text)?.[1]).toBe(version);
});
