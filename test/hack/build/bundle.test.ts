import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle, type Chunk } from "../../../hack/build/bundle.ts";

describe("the operator's bundle", () => {
  // Outside of the checkout, where no node_modules would lend it what it does not hold.
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bundle-"));
  let chunks: Chunk[];

  beforeAll(async () => {
    chunks = await bundle("src/main.ts", join(folder, "dist"));
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("runs by itself and names its flags", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "dist/main.js"), "--help"], {
      cwd: folder,
    });
    expect(stdout).toContain("--leader-election-namespace");
  });

  test.each([
    { name: "@kubernetes/client-node", because: "a Pod has no kubeconfig" },
    { name: "@opentelemetry/sdk-trace", because: "most operators trace nothing" },
  ])("loads $name only on demand: $because", ({ name }) => {
    const holders = chunks.filter(({ packages }) => packages.includes(name));
    expect(holders.map(({ atStart }) => atStart)).toEqual([false]);
    expect(chunks.find(({ file }) => file === "main.js")).toMatchObject({ atStart: true });
  });

  test("sends spans when it is asked to: what loads Node's modules on demand finds what they export", async () => {
    const received: string[] = [];
    const collector = createServer((request, response) => {
      received.push(request.url ?? "");
      request.resume().on("end", () => response.end());
    });
    collector.listen(0, "127.0.0.1");
    await once(collector, "listening");
    await bundle("test/support/traced-program.ts", join(folder, "traced"));
    const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
    try {
      await promisify(execFile)(process.execPath, [join(folder, "traced/main.js")], {
        cwd: folder,
        env: { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
      });
    } finally {
      collector.close();
    }
    expect(received).toEqual(["/v1/traces"]);
  });
});
