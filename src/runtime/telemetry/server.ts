// /healthz, /readyz and /metrics over plain HTTP, on one port or two. Serves on standby too.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "./metrics.ts";

/** What is wrong, as a sentence; undefined when all is well. A throw counts as a failure. */
export type Check = () => string | undefined | Promise<string | undefined>;

export interface ListenOptions {
  /** 0: any free one. */
  readonly port: number;
  /** Default: all addresses. */
  readonly host?: string;
}

export interface TelemetryServerOptions {
  readonly probes: ListenOptions;
  /** Default: the same port as the probes. */
  readonly metrics?: ListenOptions;
  readonly registry: Registry;
  /** Failing means: restart me. */
  readonly live: Readonly<Record<string, Check>>;
  /** Failing means: do not count on me yet. */
  readonly ready: Readonly<Record<string, Check>>;
}

export interface TelemetryServer {
  /** The ports in use: probes first, then metrics if apart. */
  readonly ports: readonly number[];
  /** Takes no new connection, gives answers under way a second to end, and resolves. */
  close(): Promise<void>;
}

type Page = () => Promise<{ status: number; type: string; body: string }>;

/** @throws when a port is taken. */
export async function startTelemetryServer(options: TelemetryServerOptions): Promise<TelemetryServer> {
  const probes: Record<string, Page> = {
    "/healthz": () => report(options.live),
    "/readyz": () => report(options.ready),
  };
  const metrics: Record<string, Page> = {
    "/metrics": async () => ({
      status: 200,
      type: options.registry.contentType,
      body: await options.registry.metrics(),
    }),
  };
  const servers =
    options.metrics === undefined
      ? [await listen({ ...probes, ...metrics }, options.probes)]
      : [await listen(probes, options.probes), await listen(metrics, options.metrics)];
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    close: async () => void (await Promise.all(servers.map(close))),
  };
}

/** Every check by name, in the form known from the API server's own health pages. */
async function report(checks: Readonly<Record<string, Check>>): ReturnType<Page> {
  const lines = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const problem = await Promise.resolve()
        .then(check)
        .catch((error: unknown) => String(error));
      return {
        ok: problem === undefined,
        line: problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`,
      };
    }),
  );
  const ok = lines.every((each) => each.ok);
  return {
    status: ok ? 200 : 503,
    type: "text/plain; charset=utf-8",
    body: [...lines.map((each) => each.line), ok ? "ok" : "failed", ""].join("\n"),
  };
}

async function listen(pages: Readonly<Record<string, Page>>, at: ListenOptions): Promise<Server> {
  const server = createServer((request, response) => void answer(pages, request, response));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(at.port, at.host, resolve);
  await promise;
  server.off("error", reject);
  return server;
}

async function answer(pages: Readonly<Record<string, Page>>, request: IncomingMessage, response: ServerResponse) {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  const readOnly = request.method === "GET" || request.method === "HEAD";
  try {
    const { status, type, body } =
      page === undefined || !readOnly ? { status: 404, type: "text/plain", body: "not found\n" } : await page();
    response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
  } catch (error) {
    response.writeHead(500, { "content-type": "text/plain" }).end(`${String(error)}\n`);
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const impatient = setTimeout(() => server.closeAllConnections(), 1_000);
    server.close(() => {
      clearTimeout(impatient);
      resolve();
    });
    server.closeIdleConnections();
  });
}
