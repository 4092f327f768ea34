// HTTP/1.1 to one API server: credentials that change, connections that went stale. Knows nothing of objects.
import type { Access, Connection } from "../connection.ts";
import type { Target } from "./dial.ts";
import { ApiError } from "../errors.ts";
import { StreamExchange, TextExchange } from "./exchanges.ts";
import type { Exchange, Sending } from "./http-connection.ts";
import type { LineStream } from "./line-stream.ts";
import { type CompletedRequest, isLost, noAnswer, PendingCall } from "./pending-call.ts";
import { createPools, isSameIdentity, type Pools } from "./pools.ts";
import { sendThrough } from "./proxied.ts";
import { headerLines, requestText } from "./request-text.ts";

export type { CompletedRequest } from "./pending-call.ts";

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
  call(request: WireRequest): Promise<string>;
  /** The lines of a 2xx answer as they come, for as long as it takes. Destroy it to end it. */
  stream(request: WireRequest): Promise<LineStream>;
  /** Ends all connections, in use or not. */
  close(): void;
}

export function createTransport(options: TransportOptions): Transport {
  const { connection, metrics, requestTimeoutMs = 30_000, maxConnections = 16 } = options;
  const server = new URL(connection.server);
  const secure = server.protocol === "https:";
  const target: Target = {
    secure,
    host: server.hostname.replace(/^\[|\]$/g, ""),
    port: server.port === "" ? (secure ? 443 : 80) : Number(server.port),
  };
  const prefix = server.pathname.replace(/\/$/, "");
  let pools: Pools | undefined;
  let known: { readonly access: Access; readonly lines: Map<string, string> } | undefined;

  const poolsFor = (access: Access): Pools => {
    if (pools?.serves(access) === true) return pools;
    pools?.retire();
    pools = createPools(access, target, maxConnections);
    return pools;
  };

  const headersFor = (access: Access, accept: string, contentType: string | undefined): Record<string, string> => ({
    Host: server.host,
    Accept: accept,
    "User-Agent": options.userAgent,
    ...(contentType === undefined ? {} : { "Content-Type": contentType }),
    ...access.headers,
  });

  /** Access and types are few and stay for long, so their lines are written once. */
  const linesFor = (access: Access, accept: string, contentType: string | undefined): string => {
    if (known?.access !== access) known = { access, lines: new Map() };
    const types = contentType === undefined ? accept : `${accept} ${contentType}`;
    let lines = known.lines.get(types);
    if (lines === undefined) {
      lines = headerLines(headersFor(access, accept, contentType));
      known.lines.set(types, lines);
    }
    return lines;
  };

  const begin = (request: WireRequest, access: Access, which: "requests" | "watches", exchange: Exchange): Sending => {
    const { method, body, accept = "application/json" } = request;
    const contentType = body === undefined ? undefined : (request.contentType ?? "application/json");
    const path = prefix + request.path;
    const { agent } = access;
    if (agent === undefined) {
      const text = requestText(method, path, linesFor(access, accept, contentType), body);
      return poolsFor(access)[which].send(text, exchange);
    }
    const headers = headersFor(access, accept, contentType);
    return sendThrough(agent, target, { method, path, headers, body }, exchange);
  };

  const send = <T>(
    request: WireRequest,
    access: Access,
    which: "requests" | "watches",
    take: (call: PendingCall<T>) => Exchange,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const { method, path, signal, onAnswer } = request;
      signal?.throwIfAborted();
      const terms = {
        method,
        path,
        host: server.host,
        timeoutMs: requestTimeoutMs,
        signal,
        onAnswer,
        observe: metrics,
      };
      const call = new PendingCall<T>(terms, { resolve, reject });
      try {
        call.sending = begin(request, access, which, take(call));
      } catch (cause) {
        call.fail(cause);
      }
    });

  const perform = async <T>(
    request: WireRequest,
    which: "requests" | "watches",
    take: (call: PendingCall<T>) => Exchange,
  ): Promise<T> => {
    const access = await accessFor(request, connection);
    try {
      return await send(request, access, which, take);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The server may have done a write before it closed the connection, so only a read is sent again.
      if (isLost(error) && request.method === "GET") return send(request, access, which, take);
      if (error.status !== 401) throw error;
      const renewed = await accessFor(request, connection, true);
      if (isSameIdentity(access, renewed)) throw error;
      return send(request, renewed, which, take);
    }
  };

  const asText = (call: PendingCall<string>): Exchange => new TextExchange(call);
  const asStream = (call: PendingCall<LineStream>): Exchange => new StreamExchange(call);
  return {
    call: (request) => perform(request, "requests", asText),
    stream: (request) => perform(request, "watches", asStream),
    close: () => pools?.destroy(),
  };
}

async function accessFor(request: WireRequest, connection: Connection, refresh = false): Promise<Access> {
  request.signal?.throwIfAborted();
  try {
    return await connection.access(refresh ? { refresh } : undefined);
  } catch (cause) {
    throw noAnswer(request, cause);
  } finally {
    request.signal?.throwIfAborted();
  }
}
