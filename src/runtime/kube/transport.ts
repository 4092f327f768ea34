// HTTP/1.1 to one API server: deadlines, abort, credentials that change, connections that went stale. Knows nothing of objects.
import * as http from "node:http";
import * as https from "node:https";
import { readBody, readHead } from "./answer.ts";
import type { Access, Connection } from "./connection.ts";
import { ApiError } from "./errors.ts";
import { createPools, isSameIdentity, type Pools, probeAfterMs } from "./pools.ts";

/** What became of one request, for metrics. `code` is the HTTP status, or "<error>" when no answer came. */
export interface CompletedRequest {
  readonly method: string;
  readonly host: string;
  readonly code: string;
  /** Until the answer was read; of a watch until it was accepted. */
  readonly durationMs: number;
}

export type RequestObserver = (request: CompletedRequest) => void;

export interface TransportOptions {
  readonly connection: Connection;
  /** One for each controller: priority and fairness, and the audit log, tell clients apart by it. */
  readonly userAgent: string;
  readonly metrics?: RequestObserver | undefined;
  /** Until an answer is complete (of a watch: until it is accepted), waiting for a connection included. Default 30 s. */
  readonly requestTimeoutMs?: number | undefined;
  /** Connections for requests; more requests wait. Default 16. */
  readonly maxConnections?: number | undefined;
}

export interface WireRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly contentType?: string;
  /** Default: JSON. */
  readonly accept?: string;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
  /** Told the status of each answer. */
  readonly onAnswer?: ((status: number) => void) | undefined;
}

export interface Transport {
  /**
   * The body of a 2xx answer. Rejects with `ApiError`, or with the signal's reason.
   * A write is sent twice in one case only: the server answered 401 and newer credentials were found.
   */
  call(request: WireRequest): Promise<Buffer>;
  /** A 2xx answer whose body streams, for as long as it takes. Destroy it to end it. */
  stream(request: WireRequest): Promise<http.IncomingMessage>;
  /** Ends all connections, in use or not. */
  close(): void;
}

type Reader<T> = (answer: http.IncomingMessage, call: string) => Promise<T>;

export function createTransport(options: TransportOptions): Transport {
  const { connection, metrics, requestTimeoutMs = 30_000, maxConnections = 16 } = options;
  const server = new URL(connection.server);
  const secure = server.protocol === "https:";
  const target = {
    host: server.hostname.replace(/^\[|\]$/g, ""),
    port: server.port === "" ? undefined : server.port,
    prefix: server.pathname.replace(/\/$/, ""),
  };
  /** Errors of requests that were lost on a kept-alive connection which the server was closing. */
  const stale = new WeakSet<object>();
  let pools: Pools | undefined;

  const poolsFor = (access: Access): Pools => {
    if (pools?.serves(access) === true) return pools;
    pools?.retire();
    pools = createPools(access, { secure, maxConnections });
    return pools;
  };

  const send = <T>(request: WireRequest, access: Access, pool: http.Agent, read: Reader<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const { signal } = request;
      const startedAt = performance.now();
      const outgoing = (secure ? https : http).request({
        host: target.host,
        port: target.port,
        method: request.method,
        path: target.prefix + request.path,
        agent: access.agent ?? pool,
        headers: headersOf(request, access, options.userAgent),
      });

      let settled = false;
      const settle = (code: string, act: () => void): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        metrics?.({ method: request.method, host: server.host, code, durationMs: performance.now() - startedAt });
        if (code !== "<error>") request.onAnswer?.(Number(code));
        act();
      };
      const fail = (error: unknown): void => {
        settle("<error>", () => reject(error));
        outgoing.destroy();
      };
      const onAbort = (): void => fail(signal?.reason);
      const timer = setTimeout(
        () => fail(noAnswer(request, new Error(`no answer within ${requestTimeoutMs} ms`))),
        requestTimeoutMs,
      );
      signal?.addEventListener("abort", onAbort, { once: true });

      outgoing.once("socket", (socket) => {
        // The agent does this only for connections that wait for their next use, a watch never does.
        if (!outgoing.reusedSocket) socket.setKeepAlive(true, probeAfterMs);
      });
      outgoing.on("error", (cause: NodeJS.ErrnoException) => {
        const error = noAnswer(request, cause);
        if (outgoing.reusedSocket && (cause.code === "ECONNRESET" || cause.code === "EPIPE")) stale.add(error);
        fail(error);
      });
      outgoing.once("response", (answer) => {
        read(answer, callOf(request)).then(
          (result) => settle(String(answer.statusCode), () => resolve(result)),
          (error: unknown) =>
            error instanceof ApiError
              ? settle(String(answer.statusCode), () => reject(error))
              : fail(noAnswer(request, error)),
        );
      });
      outgoing.end(request.body);
    });

  const perform = async <T>(request: WireRequest, which: "requests" | "watches", read: Reader<T>): Promise<T> => {
    const access = await accessFor(request, connection);
    try {
      return await send(request, access, poolsFor(access)[which], read);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The server may have done a write before it closed the connection, so only a read is sent again.
      if (stale.has(error) && request.method === "GET") return send(request, access, poolsFor(access)[which], read);
      if (error.status !== 401) throw error;
      const renewed = await accessFor(request, connection, true);
      if (isSameIdentity(access, renewed)) throw error;
      return send(request, renewed, poolsFor(renewed)[which], read);
    }
  };

  return {
    call: (request) => perform(request, "requests", readBody),
    stream: (request) => perform(request, "watches", readHead),
    close: () => pools?.destroy(),
  };
}

async function accessFor(request: WireRequest, connection: Connection, refresh = false): Promise<Access> {
  request.signal?.throwIfAborted();
  try {
    return await connection.access({ refresh });
  } catch (cause) {
    throw noAnswer(request, cause);
  } finally {
    request.signal?.throwIfAborted();
  }
}

function headersOf(request: WireRequest, access: Access, userAgent: string): http.OutgoingHttpHeaders {
  const headers: http.OutgoingHttpHeaders = {
    Accept: request.accept ?? "application/json",
    "User-Agent": userAgent,
    ...access.headers,
  };
  if (request.body !== undefined) {
    headers["Content-Type"] = request.contentType ?? "application/json";
    headers["Content-Length"] = Buffer.byteLength(request.body);
  }
  return headers;
}

/** Method and path, without the query: enough to know what was asked. */
function callOf(request: WireRequest): string {
  const query = request.path.indexOf("?");
  return `${request.method} ${query < 0 ? request.path : request.path.slice(0, query)}`;
}

function noAnswer(request: WireRequest, cause: unknown): ApiError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ApiError(`${callOf(request)}: ${why}`, { status: 0, reason: "NoAnswer", cause });
}
