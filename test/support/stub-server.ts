// A server on a free port of loopback that answers as a test says, down to the single bytes. Gone with `using`.
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Connection } from "../../src/runtime/kube/connection.ts";

export interface Received {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface StubServer extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
  /** Connections that were ever opened. */
  readonly connections: number;
  /** Those open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** Plain HTTP, no credentials, namespace shop. */
  readonly connection: Connection;
}

export type Respond = (request: Received, response: http.ServerResponse) => void;

/** @param tls the options of https.createServer; absent: plain HTTP */
export async function startStubServer(respond: Respond, tls?: https.ServerOptions): Promise<StubServer> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;

  const listener: http.RequestListener = (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { method = "", url = "", headers } = incoming;
      const request = { method, url, headers, body: Buffer.concat(chunks).toString() };
      received.push(request);
      respond(request, response);
    });
  };
  const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  server.keepAliveTimeout = 60_000;
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  return {
    url,
    received,
    sockets,
    get connections() {
      return connections;
    },
    connection: { server: url, namespace: "shop", access: async () => ({ headers: {} }) },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function respondJson(
  response: http.ServerResponse,
  status: number,
  body: unknown,
  headers: http.OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}
