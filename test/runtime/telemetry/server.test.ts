import { afterEach, describe, expect, test } from "vitest";
import { createMetrics } from "../../../src/runtime/telemetry/metrics.ts";
import {
  type Check,
  startTelemetryServer,
  type TelemetryServer,
  type TelemetryServerOptions,
} from "../../../src/runtime/telemetry/server.ts";

let server: TelemetryServer | undefined;
afterEach(() => server?.close());

const host = "127.0.0.1";
async function serve(options: Partial<TelemetryServerOptions>): Promise<TelemetryServer> {
  server = await startTelemetryServer({
    probes: { port: 0, host },
    registry: createMetrics({ process: false }).registry,
    live: {},
    ready: {},
    ...options,
  });
  return server;
}
const read = async (path: string, port = server?.ports[0]): Promise<{ status: number; body: string }> => {
  const answer = await fetch(`http://${host}:${port}${path}`);
  return { status: answer.status, body: await answer.text() };
};

const well: Check = () => undefined;

describe("probes", () => {
  test.each<{ checks: Record<string, Check>; status: number; body: string; because: string }>([
    { checks: {}, status: 200, body: "ok\n", because: "nothing is wrong" },
    { checks: { lease: well }, status: 200, body: "[+]lease ok\nok\n", because: "each check is named" },
    {
      checks: { lease: well, caches: () => "secrets are not synced" },
      status: 503,
      body: "[+]lease ok\n[-]caches failed: secrets are not synced\nfailed\n",
      because: "the body says which failed and why",
    },
    {
      checks: { caches: () => Promise.reject(new Error("bug")) },
      status: 503,
      body: "[-]caches failed: Error: bug\nfailed\n",
      because: "a check that throws has failed",
    },
  ])("$status: $because", async ({ checks, status, body }) => {
    await serve({ ready: checks, live: checks });
    expect(await read("/readyz")).toEqual({ status, body });
    expect(await read("/healthz?verbose")).toEqual({ status, body });
  });

  test("nothing else is served", async () => {
    await serve({});
    for (const path of ["/", "/healthz/x", "/constructor", "/metricsz"]) expect((await read(path)).status).toBe(404);
  });
});

test("metrics can have a port of their own, where no probe answers, and the other way round", async () => {
  const { ports } = await serve({ metrics: { port: 0, host } });
  expect((await read("/metrics", ports[1])).status).toBe(200);
  expect((await read("/healthz", ports[1])).status).toBe(404);
  expect((await read("/metrics", ports[0])).status).toBe(404);
});

test("a port that is taken is an error, not a silence", async () => {
  const { ports } = await serve({});
  await expect(startTelemetryServer({ ...noChecks, probes: { port: ports[0] ?? 0, host } })).rejects.toThrow(
    "EADDRINUSE",
  );
});

test("after close nothing answers any more", async () => {
  await serve({});
  await read("/healthz");
  await server?.close();
  await expect(read("/healthz")).rejects.toThrow();
});

const noChecks = { registry: createMetrics({ process: false }).registry, live: {}, ready: {} };
