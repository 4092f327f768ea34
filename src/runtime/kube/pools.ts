// Kept-alive connections to one API server under one TLS identity. Requests and watches have pools of their own, since a dozen
// watches would starve one.
import * as http from "node:http";
import * as https from "node:https";
import type { Access } from "./connection.ts";

/** Idle connections are dropped before the API server does it (after 90 s): a request on a closing connection is lost. */
const idleMs = 60_000;

/** Silence on a connection after which the kernel probes the other end: a dead node or a lost route sends no FIN. */
export const probeAfterMs = 30_000;

export interface Pools {
  readonly requests: http.Agent;
  readonly watches: http.Agent;
  /** Whether connections of this access may be taken from here. */
  serves(access: Access): boolean;
  /** Keeps no connection any more; what is under way finishes. */
  retire(): void;
  /** Ends all connections, in use or not. */
  destroy(): void;
}

export function createPools(access: Access, options: { secure: boolean; maxConnections: number }): Pools {
  const { secure, maxConnections } = options;
  const create = (limits: http.AgentOptions): http.Agent => {
    const common = { keepAlive: true, keepAliveMsecs: probeAfterMs, scheduling: "lifo", ...limits } as const;
    const agent = secure ? new https.Agent({ ...common, ...tlsOf(access) }) : new http.Agent(common);
    // By default the name holds every certificate and is built for each request; here an agent has just one server and identity.
    (agent as { getName?: () => string }).getName = () => "";
    return agent;
  };
  const requests = create({ maxSockets: maxConnections, maxFreeSockets: maxConnections, timeout: idleMs });
  const watches = create({ maxFreeSockets: maxConnections });

  return {
    requests,
    watches,
    serves: (other) => isSameTls(access, other),
    retire() {
      for (const agent of [requests, watches]) {
        agent.maxFreeSockets = 0;
        for (const idle of Object.values(agent.freeSockets)) for (const socket of idle ?? []) socket.destroy();
      }
    },
    destroy() {
      requests.destroy();
      watches.destroy();
    },
  };
}

const tlsNames = ["ca", "cert", "key", "pfx", "passphrase", "servername", "rejectUnauthorized"] as const;

function tlsOf(access: Access): https.AgentOptions {
  // An option that is present but undefined is not the same as an absent one for node:tls (rejectUnauthorized, servername).
  return Object.fromEntries(tlsNames.filter((name) => access[name] !== undefined).map((name) => [name, access[name]]));
}

function isSameTls(one: Access, other: Access): boolean {
  return one === other || tlsNames.every((name) => isSame(one[name], other[name]));
}

/** Whether both are the same user over the same kind of connection. */
export function isSameIdentity(one: Access, other: Access): boolean {
  return isSameTls(one, other) && JSON.stringify(one.headers) === JSON.stringify(other.headers);
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || (Buffer.isBuffer(one) && Buffer.isBuffer(other) && one.equals(other));
}
