// The SDK keeps its state in globals, so what is told of it here happens in processes of its own.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const door = join(import.meta.dirname, "../../../src/runtime/index.ts");
const run = promisify(execFile);

/** Runs a module that may import `door`. */
function script(text: string, env: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
  const args = ["--input-type=module", "--eval", text.replaceAll("door", JSON.stringify(door))];
  return run(process.execPath, args, { env: { ...process.env, ...env }, timeout: 20_000 });
}

const sendOne = `
  import { createLog, startTraceExport } from door;
  const traces = await startTraceExport({ name: "shop-operator", log: createLog({ level: "warn", name: "test" }) });
  traces.tracer.startSpan("reconcile shop").end();
  await traces.close();
`;

test("spans reach the collector that the environment names, under the service's name", async () => {
  const received: { path: string; type: string | undefined; body: string }[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("latin1");
      received.push({ path: request.url ?? "", type: request.headers["content-type"], body });
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  try {
    await script(sendOne, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    await script(sendOne, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: "renamed" });
  } finally {
    collector.close();
  }
  expect(received.map(({ path, type }) => [path, type])).toEqual([
    ["/v1/traces", "application/x-protobuf"],
    ["/v1/traces", "application/x-protobuf"],
  ]);
  expect(received[0]?.body).toContain("reconcile shop");
  expect(received[0]?.body).toContain("shop-operator");
  expect(received[1]?.body).toContain("renamed");
});

test("a collector that refuses is told in the log, and is no failure", async () => {
  const refusing = createServer((_, response) => response.writeHead(400).end());
  refusing.listen(0, "127.0.0.1");
  await once(refusing, "listening");
  const { port } = refusing.address() as AddressInfo;
  try {
    const { stdout } = await script(sendOne, { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
    expect(stdout).toMatch(/"level":"warn".*tracing: /);
  } finally {
    refusing.close();
  }
});

const ownSetup = `
  import { context, createContextKey, diag, ROOT_CONTEXT } from "@opentelemetry/api";
  import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
  import { createLog, startTraceExport } from door;
  const key = createContextKey("test");
  const options = { name: "shop-operator", log: createLog({ level: "silent", name: "test" }) };
  const isActive = () => context.with(ROOT_CONTEXT.setValue(key, true), () => context.active().getValue(key) === true);
`;

test("what the application has set up of OpenTelemetry is used, and is still there after the close", async () => {
  const { stdout } = await script(`${ownSetup}
    const heard = [];
    const hear = (text) => heard.push(text);
    diag.setLogger({ error: hear, warn: hear, info: hear, debug: hear, verbose: hear });
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const traces = await startTraceExport(options);
    const during = isActive();
    await traces.close();
    diag.warn("still heard");
    // Besides that it notes each registration.
    const told = heard.filter((text) => !text.startsWith("@opentelemetry/api: "));
    console.log(JSON.stringify({ during, after: isActive(), told }));
  `);
  expect(JSON.parse(stdout)).toEqual({ during: true, after: true, told: ["still heard"] });
});

test("what was not there before is gone after the close, and may be set up anew", async () => {
  const { stdout } = await script(`${ownSetup}
    const traces = await startTraceExport(options);
    const during = isActive();
    await traces.close();
    const after = isActive();
    await (await startTraceExport(options)).close();
    const free = context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    console.log(JSON.stringify({ during, after, free }));
  `);
  expect(JSON.parse(stdout)).toEqual({ during: true, after: false, free: true });
});

test("without the SDK an error says what to install", async () => {
  const { stdout } = await script(`
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== "@opentelemetry/sdk-trace") return next(specifier, context);
        throw Object.assign(new Error("not installed"), { code: "ERR_MODULE_NOT_FOUND" });
      },
    });
    const { createLog, startTraceExport } = await import(door);
    const log = createLog({ level: "silent", name: "test" });
    await startTraceExport({ name: "shop", log }).catch((error) => console.log(error.message));
  `);
  expect(stdout).toMatch(/^tracing needs OpenTelemetry's SDK: npm install .*@opentelemetry\/sdk-trace/);
});
