// One short session with a PostgreSQL server, a primary or a replica: opened safely, ended in any case, and what its failures mean.
import type { EventEmitter } from "node:events";
import { Socket } from "node:net";
import { Client, DatabaseError } from "pg";
import { PortError, type PortReason } from "../database/outside/port-error.ts";
import type { ServerAddress } from "../database/outside/postgres.ts";

/** For one statement: CREATE DATABASE copies some 8 MB, on disks of any speed. */
const statementTimeoutMs = 30_000;
/** For a lock that someone else holds: better to come again than to queue others up behind us. */
const lockTimeoutMs = 5_000;
/** For everything after the connection stands: the server's own timeouts do not help when its node is gone. */
const sessionTimeoutMs = 60_000;

/**
 * Settings in the startup packet override those of the role, of the database and of the server, and hold before the first
 * statement. With this path nothing that others created is ever found by an unqualified name or an operator; pg_temp is
 * searched first unless it is named (https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH).
 */
const startupOptions =
  "-c search_path=pg_catalog,pg_temp -c default_transaction_read_only=off" +
  // A statement of ours can hold a verifier: a server that refuses it must not put it into its log.
  " -c log_min_error_statement=panic";

/**
 * Runs `act` in a session of its own as `address.user`, in the database `postgres`.
 * @param on "primary": only after the server said that it is no replica
 * @throws PortError, or the signal's reason once it is aborted (the connection is cut then, not waited for)
 */
export async function session<T>(
  address: ServerAddress,
  signal: AbortSignal,
  act: (client: Client) => Promise<T>,
  on: "primary" | "any" = "primary",
): Promise<T> {
  signal.throwIfAborted();
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(address.connectTimeoutMs + sessionTimeoutMs)]);
  const socket = new Socket();
  // Everything that pg would otherwise take from the environment (PGOPTIONS, PGSSLMODE …) is said here.
  const client = new Client({
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database: "postgres",
    ssl: false,
    stream: () => socket,
    application_name: "holdfast",
    options: startupOptions,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    connectionTimeoutMillis: address.connectTimeoutMs,
  });
  // Without a listener a connection that breaks between two statements would end the process; the next statement rejects.
  client.on("error", () => {});
  refuseWeakAuthentication(client, socket);
  const cut = (): void => void socket.destroy();
  deadline.addEventListener("abort", cut, { once: true });
  try {
    await client.connect();
    if (on === "primary") await assertPrimary(client);
    const result = await act(client);
    await client.end();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    // A mistake of ours is no answer of the server.
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw explained(error, `PostgreSQL at ${address.host}:${address.port}`);
  } finally {
    deadline.removeEventListener("abort", cut);
    socket.destroy();
  }
}

/** Others created, altered or dropped the same thing at the same time: what there is now must be looked at again. */
export function lostRace(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  // duplicate_object, duplicate_database, unique_violation (of the catalogue's index), undefined_object,
  // and an internal error without a code of its own, for two ALTER of one row.
  if (["42710", "42P04", "23505", "42704"].includes(error.code ?? "")) return true;
  return error.code === "XX000" && error.message.startsWith("tuple concurrently ");
}

async function assertPrimary(client: Client): Promise<void> {
  const { rows } = await client.query<{ replica: boolean }>("SELECT pg_catalog.pg_is_in_recovery() AS replica");
  if (rows[0]?.replica !== false) throw new PortError("is in recovery: a replica", { reason: "NotPrimary" });
}

class WeakAuthenticationError extends Error {
  override readonly name = "WeakAuthenticationError";
}

/** Who answers in the server's place could ask for the password in clear, or under MD5; `pg` would send it. */
function refuseWeakAuthentication(client: Client, socket: Socket): void {
  const { connection } = client as unknown as { readonly connection: EventEmitter };
  for (const request of ["authenticationCleartextPassword", "authenticationMD5Password"]) {
    // Before pg's own listener: what that writes to a destroyed socket goes nowhere.
    connection.prependListener(request, () => {
      socket.destroy(new WeakAuthenticationError("asks for the password in another way than SCRAM"));
    });
  }
}

function explained(error: unknown, server: string): PortError {
  if (error instanceof PortError) {
    return new PortError(`${server}: ${error.message}`, { reason: error.reason, code: error.code, cause: error.cause });
  }
  const { message, code } = error as NodeJS.ErrnoException;
  return new PortError(`${server}: ${message === "" ? (code ?? "no answer") : message}`, {
    reason: reasonOf(error),
    code,
    cause: error,
  });
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
function reasonOf(error: unknown): PortReason {
  if (error instanceof WeakAuthenticationError) return "CredentialsRefused";
  // pg's own verdict on the exchange, e.g. that the server does not know the verifier that it pretends to have.
  if (error instanceof Error && error.message.startsWith("SASL: ")) return "CredentialsRefused";
  if (!(error instanceof DatabaseError)) return "Unreachable";
  const code = error.code ?? "";
  if (code.startsWith("28")) return "CredentialsRefused";
  // read_only_sql_transaction: it was demoted under us.
  if (code === "25006") return "NotPrimary";
  // Connection exceptions; shutting down, crashed, starting; no free connection.
  if (code.startsWith("08") || code.startsWith("57P") || code === "53300") return "Unreachable";
  return "ProvisioningRefused";
}
