// Patroni's REST API as far as the operator speaks it, over a real socket, after the source of Patroni 4.0.7 (api.py, utils.py).
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { DynamicConfiguration } from "../../src/database/outside/patroni.ts";
import type { ServerAddress } from "../../src/database/outside/postgres.ts";
import { isMap, type Json } from "../../src/postgres/json.ts";

/** What the stub answers from; a test may edit all of it. */
export interface PatroniState {
  /** As kept in the cluster's store; undefined before the cluster was initialised. */
  configuration: DynamicConfiguration | undefined;
  /** GET /patroni, whole. */
  status: Record<string, Json>;
  /** How often the stored configuration was written. */
  writes: number;
  /** The answer to the next PATCH, e.g. 409 after a collision. */
  nextPatchStatus: number | undefined;
  /** What it was asked to do: "POST /restart" with the body. */
  orders: { readonly order: string; readonly body: Json }[];
  /** The answer to the next of these: after the source, a status and a sentence. */
  nextOrderAnswer: readonly [status: number, sentence: string] | undefined;
  /** Called before a request is answered; what it answers with true has no answer at all. */
  swallow: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

export interface PatroniStub {
  readonly address: ServerAddress;
  readonly state: PatroniState;
  /** The member's HA loop ran: it now sees what is stored. */
  loop(): void;
  stop(): Promise<void>;
}

export async function startPatroniStub(): Promise<PatroniStub> {
  const state: PatroniState = {
    configuration: { ttl: 20, postgresql: { parameters: {} } },
    status: {
      state: "running",
      role: "primary",
      timeline: 1,
      patroni: { version: "4.0.7", scope: "orders", name: "orders-1-0" },
    },
    writes: 0,
    nextPatchStatus: undefined,
    orders: [],
    nextOrderAnswer: undefined,
    swallow: undefined,
  };
  // GET /config answers from what the last HA loop (or any fresh read) saw, not from the store.
  let seen = state.configuration;
  const user = "patroni";
  const password = "rest:secret";
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const send = (status: number, body: Json): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    switch (`${request.method} ${request.url}`) {
      case "GET /patroni":
        return send(200, state.status);
      case "GET /cluster":
        seen = state.configuration;
        return send(200, { members: [], scope: "orders" });
      case "GET /config":
        return seen === undefined ? send(502, null) : send(200, seen);
      case "PATCH /config": {
        if (request.headers.authorization !== expected) return send(401, null);
        if (request.headers["content-length"] === undefined) return send(411, null);
        const patch = JSON.parse(await text(request)) as DynamicConfiguration;
        if (Object.keys(patch).length === 0) return send(400, null);
        seen = state.configuration;
        if (seen === undefined) return send(503, null);
        const refused = state.nextPatchStatus;
        state.nextPatchStatus = undefined;
        if (refused !== undefined) return send(refused, null);
        const patched = patchConfiguration(seen, patch);
        if (patched.changed) {
          state.configuration = patched.configuration;
          state.writes++;
        }
        return send(200, patched.configuration);
      }
      case "POST /restart":
      case "POST /reinitialize":
      case "POST /switchover": {
        if (request.headers.authorization !== expected) return send(401, null);
        if (request.headers["content-length"] === undefined) return send(411, null);
        state.orders.push({ order: `${request.method} ${request.url}`, body: JSON.parse(await text(request)) as Json });
        const [status, sentence] = state.nextOrderAnswer ?? [200, "restarted successfully"];
        response.writeHead(status, { "content-type": "text/html" }).end(sentence);
        return;
      }
      default:
        return send(404, null);
    }
  };
  const server = createServer((request, response) => {
    if (state.swallow?.(request, response) !== true) void answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port, user, password, connectTimeoutMs: 30_000 },
    state,
    loop: () => {
      seen = state.configuration;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Patroni's patch_config: null removes, maps are merged into maps, anything else replaces what has another text. */
export function patchConfiguration(
  live: DynamicConfiguration,
  patch: DynamicConfiguration,
): { readonly configuration: DynamicConfiguration; readonly changed: boolean } {
  const configuration: Record<string, Json> = { ...live };
  let changed = false;
  for (const [name, value] of Object.entries(patch)) {
    const current = Object.hasOwn(configuration, name) ? configuration[name] : undefined;
    if (value === null) {
      delete configuration[name];
      changed ||= current !== undefined && current !== null;
    } else if (current === undefined) {
      configuration[name] = value;
      changed = true;
    } else if (isMap(value) && isMap(current)) {
      const merged = patchConfiguration(current, value);
      configuration[name] = merged.configuration;
      changed ||= merged.changed;
    } else if (isMap(value) || pythonText(current) !== pythonText(value)) {
      configuration[name] = value;
      changed = true;
    }
  }
  return { configuration, changed };
}

/** What Python's str() makes of a value, as far as it decides whether two differ. */
function pythonText(value: Json): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
