// The way from the proxy to the real API server: one request, as it came, with the credentials that it came with.
import * as http from "node:http";
import * as https from "node:https";
import { buffer } from "node:stream/consumers";
import type { Access, Connection } from "../src/runtime/index.ts";

export interface Forwarded {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Upstream {
  /** The answer, once its head is there. Rejects when there is none. `signal` breaks it off. */
  send(request: Forwarded, signal?: AbortSignal): Promise<http.IncomingMessage>;
  close(): void;
}

export interface WholeAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export async function wholeAnswer(answer: http.IncomingMessage): Promise<WholeAnswer> {
  return { status: answer.statusCode ?? 500, headers: answer.headers, body: await buffer(answer) };
}

/** Of one connection only, or meant for the proxy: it has credentials of its own. */
const ofHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "host",
  "accept-encoding",
  "authorization",
]);

export function headersBeyondHop(headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofHop.has(name)));
}

export function createUpstream(connection: Connection): Upstream {
  const server = new URL(connection.server);
  const secure = server.protocol === "https:";
  const agent = secure ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
  return {
    send: async ({ method, path, headers, body }, signal) => {
      const access = await connection.access();
      const options = {
        host: server.hostname.replace(/^\[|\]$/g, ""),
        port: server.port === "" ? undefined : server.port,
        method,
        path: server.pathname.replace(/\/$/, "") + path,
        agent,
        headers: { ...headersBeyondHop(headers), ...access.headers, ...lengthOf(body) },
        ...(signal === undefined ? {} : { signal }),
        ...tlsOf(access),
      };
      return new Promise((resolve, reject) => {
        const outgoing = (secure ? https : http).request(options, resolve);
        outgoing.on("error", reject);
        outgoing.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

function lengthOf(body: Buffer): http.OutgoingHttpHeaders {
  return body.length === 0 ? {} : { "content-length": body.length };
}

function tlsOf({ ca, cert, key, pfx, passphrase, servername, rejectUnauthorized }: Access): https.RequestOptions {
  const all = { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
