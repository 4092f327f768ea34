// How a connection to an API server is opened: TCP or TLS, with what identity, and how it is noticed that the other end is gone.
import * as net from "node:net";
import * as tls from "node:tls";
import type { Access } from "../connection.ts";
import type { Dial } from "./http-connection.ts";

/** Silence on a connection after which the kernel probes the other end: a dead node or a lost route sends no FIN. */
export const probeAfterMs = 30_000;

/** What is read at once: a TLS record has no more. */
const readBytes = 16_384;

/** Where connections go. */
export interface Target {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** @returns a dial that throws when the certificates or keys of `access` cannot be read */
export function dialer(access: Access, { secure, host, port }: Target): Dial {
  if (!secure) return (read) => prepared(net.connect({ host, port, onread: into(read) }));
  // One context for all connections: it holds the certificates, parsed.
  let secureContext: tls.SecureContext | undefined;
  let session: Buffer | undefined;
  // Names are sent and checked, addresses only checked (https://www.rfc-editor.org/rfc/rfc6066#section-3).
  const servername = access.servername ?? (net.isIP(host) === 0 ? host : "");
  const rejects = access.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: access.rejectUnauthorized };
  return (read) => {
    secureContext ??= tls.createSecureContext(contextOf(access));
    const resumed = session === undefined ? {} : { session };
    const ALPNProtocols = ["http/1.1"];
    // The options of node:net that @types/node does not know here: https://nodejs.org/api/tls.html#tlsconnectoptions-callback
    const plain = { onread: into(read) };
    const socket = tls.connect({
      host,
      port,
      secureContext,
      servername,
      ALPNProtocols,
      ...rejects,
      ...resumed,
      ...plain,
    });
    socket.on("session", (latest: Buffer) => void (session = latest));
    return prepared(socket);
  };
}

/** Without it each piece that is read is a buffer of its own, which the garbage collector then has to find. */
function into(read: (bytes: Buffer, length: number) => void): net.OnReadOpts {
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  return {
    buffer,
    callback(length) {
      read(buffer, length);
      return true;
    },
  };
}

function prepared<S extends net.Socket>(socket: S): S {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, probeAfterMs);
  return socket;
}

const contextNames = ["ca", "cert", "key", "pfx", "passphrase"] as const;
const tlsNames = [...contextNames, "servername", "rejectUnauthorized"] as const;

function contextOf(access: Access): tls.SecureContextOptions {
  // An option that is present but undefined is not the same as an absent one for node:tls.
  return Object.fromEntries(
    contextNames.filter((name) => access[name] !== undefined).map((name) => [name, access[name]]),
  );
}

/** Whether connections that were opened for the one serve the other. */
export function isSameTls(one: Access, other: Access): boolean {
  return one === other || tlsNames.every((name) => isSame(one[name], other[name]));
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || (Buffer.isBuffer(one) && Buffer.isBuffer(other) && one.equals(other));
}
