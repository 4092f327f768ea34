// A request by Node's own client, for connections that an http.Agent makes: through a proxy.
import * as http from "node:http";
import * as https from "node:https";
import { probeAfterMs, type Target } from "./dial.ts";
import { type Exchange, isHangUp, type Sending } from "./http-connection.ts";

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Sends `request` over a connection of `agent`. @throws TypeError for a header or path that a request cannot have */
export function sendThrough(
  agent: http.Agent,
  { secure, host, port }: Target,
  { method, path, headers, body }: ProxiedRequest,
  exchange: Exchange,
): Sending {
  const options = { agent, host, port, method, path, headers };
  // Each by its name: of a module that is used as a value a bundle reads, and so loads, all that it exports.
  const request = secure ? https.request : http.request;
  const outgoing = request(options);
  let incoming: http.IncomingMessage | undefined;
  let isOver = false;
  const fail = (error: Error): void => {
    if (isOver) return;
    isOver = true;
    exchange.fail(error, outgoing.reusedSocket && isHangUp(error) && incoming === undefined);
  };
  outgoing.once("socket", (socket) => {
    // An agent does this only for connections that wait for their next use, a watch never does.
    if (!outgoing.reusedSocket) socket.setKeepAlive(true, probeAfterMs);
  });
  outgoing.on("error", fail);
  outgoing.once("response", (answer) => {
    if (isOver) return;
    incoming = answer;
    answer.on("data", (chunk: Buffer) => isOver || exchange.data(chunk, 0, chunk.length));
    answer.once("end", () => {
      if (isOver) return;
      isOver = true;
      exchange.end();
    });
    answer.once("error", fail);
    exchange.head(answer.statusCode ?? 0, answer.headers["retry-after"]);
  });
  outgoing.end(body);
  return {
    pause: () => void incoming?.pause(),
    resume: () => void incoming?.resume(),
    // A request of node:http does that by itself.
    hold: () => {},
    cancel() {
      isOver = true;
      outgoing.destroy();
    },
  };
}
