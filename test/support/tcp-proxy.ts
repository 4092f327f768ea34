// A TCP proxy in front of an API server, whose connections can be cut as networks cut them: reset, refused, or frozen.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface TcpProxy extends AsyncDisposable {
  /** Instead of the target's. */
  readonly url: string;
  /** How many are open. */
  readonly connections: number;
  /** How often somebody was refused. */
  readonly refusals: number;
  /** Breaks all connections, as a router does that was restarted. */
  reset(): void;
  /** Resets whoever connects, until `open`. */
  refuse(): void;
  /** Nothing passes any more, either way, and nobody is told: as when a cable is cut. */
  freeze(): void;
  /** Takes connections again; what was frozen goes on. */
  open(): void;
}

/** @param target "https://127.0.0.1:6443" */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port, protocol } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  let refusing = false;
  let refusals = 0;
  let frozen = false;

  const server = createServer((client) => {
    client.on("error", () => undefined);
    if (refusing) {
      refusals += 1;
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: hostname, port: Number(port) });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, pair.toReversed() as [Socket, Socket]]) {
      from.on("error", () => undefined);
      from.on("data", (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on("drain", () => {
        if (!frozen) from.resume();
      });
      from.on("end", () => to.end());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
      if (frozen) from.pause();
    }
  });
  const each = (act: (socket: Socket) => void): void => {
    for (const pair of pairs) pair.forEach(act);
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    url: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return pairs.size;
    },
    get refusals() {
      return refusals;
    },
    reset: () => each((socket) => void socket.resetAndDestroy()),
    refuse: () => {
      refusing = true;
    },
    freeze: () => {
      frozen = true;
      each((socket) => void socket.pause());
    },
    open: () => {
      refusing = false;
      frozen = false;
      each((socket) => void socket.resume());
    },
    [Symbol.asyncDispose]: async () => {
      each((socket) => void socket.destroy());
      server.close();
      await once(server, "close");
    },
  };
}
