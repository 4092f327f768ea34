// Whether the servers of a Database have taken up the parameters that Patroni was given. Patroni's members do it in their next
// loop, which a change starts at once; what needs a restart they say by the end of the one after it.
import type { Parameters } from "../../postgres/parameters.ts";
import { hasTakenUp } from "./parameter-problems.ts";
import { PortError } from "./port-error.ts";
import type { PostgresServer, ServerAddress, ServerConfiguration } from "./postgres.ts";

/** A server, and what Patroni says of it: PostgreSQL must be restarted for a parameter. */
export interface Server {
  /** Of its Pod. */
  readonly name: string;
  readonly postgres: ServerAddress;
  readonly pendingRestart: boolean;
}

export interface Uptake {
  /** The primary's. */
  readonly parameters: ServerConfiguration;
  /** Since when some server is known not to have taken the configuration up, on the caller's clock. */
  readonly lagsSinceMs: number | undefined;
  /** All have, or had all the time that it can take: what is not in force now waits for an edit. */
  readonly settled: boolean;
  /** Once that is settled: replicas that have not, although the primary has. Names of Pods. */
  readonly behind: readonly string[];
}

/** Three loops of Patroni. */
const longestUptakeMs = 15_000;

export interface UptakeRequest extends Omit<Server, "name"> {
  readonly wishes: { readonly parameters: Parameters };
  readonly replicas: readonly Server[];
}

/**
 * Looks at the primary and at each replica.
 * @param times.sinceMs when it was first known that some server lags, or now
 * @throws PortError of the primary; a replica that does not answer lags
 */
export async function observeUptake(
  primary: UptakeRequest,
  server: PostgresServer,
  times: { readonly nowMs: number; readonly sinceMs: number },
  signal: AbortSignal,
): Promise<Uptake> {
  const wished = primary.wishes.parameters;
  const look = (address: ServerAddress): Promise<ServerConfiguration> =>
    server.observeParameters(address, Object.keys(wished), signal);
  const [parameters, ...others] = await Promise.all([
    look(primary.postgres),
    ...primary.replicas.map(({ postgres }) => look(postgres).catch(unlessAnswered)),
  ]);
  const primaryDone = isDone(wished, parameters, primary.pendingRestart);
  const undone = primary.replicas.filter(({ pendingRestart }, index) => !isDone(wished, others[index], pendingRestart));
  const done = primaryDone && undone.length === 0;
  const settled = done || times.nowMs - times.sinceMs >= longestUptakeMs;
  return {
    parameters,
    // What the primary does not take, a replica does not take either.
    behind: settled && primaryDone ? undone.map(({ name }) => name) : [],
    lagsSinceMs: done ? undefined : times.sinceMs,
    settled,
  };
}

/** What waits for a restart counts when Patroni says so as well: from then on that speaks for itself. */
function isDone(wished: Parameters, seen: ServerConfiguration | undefined, pendingRestart: boolean): boolean {
  if (seen === undefined) return false;
  return hasTakenUp(wished, seen) && (pendingRestart || !seen.parameters.some((parameter) => parameter.pendingRestart));
}

function unlessAnswered(error: unknown): undefined {
  if (error instanceof PortError) return undefined;
  throw error;
}
