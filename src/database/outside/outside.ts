// What lives outside Kubernetes, in one pass: with a primary everything is provided there; without one only Patroni's
// configuration, since a parameter can be what keeps PostgreSQL from starting. Facts, failure and the next look.
import type { Context } from "../../runtime/index.ts";
import { InvalidSpec, type Database } from "../api.ts";
import { primaryOf, type Instance } from "../instances.ts";
import { handOver } from "./leaderless.ts";
import type { ProvisionedFacts } from "../pass.ts";
import { PortError } from "./port-error.ts";
import { provision, type ProvisionMemo, type ProvisionPorts } from "./provision.ts";
import type { ResolvedDatabase } from "../resolve.ts";
import { handOverRequest, provisionRequest } from "./wishes.ts";

/** What reaching out needs. */
export interface OutsideWorld {
  readonly ports: ProvisionPorts;
  readonly memo: ProvisionMemo;
  /** Monotonic, in milliseconds. */
  readonly monotonicMs: () => number;
}

export interface Outside {
  readonly facts?: ProvisionedFacts;
  /** When to look again. */
  readonly againInMs?: number;
  readonly failure?: Error;
}

/** While the servers take a changed configuration up, which takes them a second or two. */
const settleMs = 1_000;
/** While a replica has not taken it up in all the time that it can take. */
const behindMs = 30_000;

/** A failure does not keep instances from being restarted: that may be the remedy. @throws the signal's reason */
export async function provideOutside(
  database: Readonly<Database>,
  resolved: ResolvedDatabase,
  instances: readonly Instance[],
  context: Context<OutsideWorld>,
): Promise<Outside> {
  const primary = primaryOf(instances);
  try {
    if (primary !== undefined) return await provideWith(primary, database, resolved, instances, context);
    // Before anybody has led, the instances take it all from their ConfigMap.
    if (instances.some(({ lastPrimary }) => lastPrimary))
      return await handOverConfiguration(database, resolved, instances, context);
    return {};
  } catch (failure) {
    context.signal.throwIfAborted();
    if (!(failure instanceof Error)) throw failure;
    return { failure: failure instanceof PortError ? byName(failure, instances) : failure };
  }
}

async function provideWith(
  primary: Instance,
  database: Readonly<Database>,
  resolved: ResolvedDatabase,
  instances: readonly Instance[],
  context: Context<OutsideWorld>,
): Promise<Outside> {
  const { ports, memo, monotonicMs } = context.value;
  const request = provisionRequest(database, resolved, primary, instances); //                                  pure
  const provided = await provision(request, ports, memo, monotonicMs(), context.signal); //                     IO
  tell(database, provided.changes, context);
  const { settled, behind, serverVersion, problems } = provided;
  const text = problems.map(({ name, message }) => `parameter ${name}: ${message}`).join("; ");
  const provisioned = settled && behind.length === 0;
  return {
    facts: { provisioned, behind, serverVersion },
    ...(provisioned ? {} : { againInMs: settled ? behindMs : settleMs }),
    ...(problems.length === 0 ? {} : { failure: new InvalidSpec("ParameterRefused", text) }),
  };
}

/** That nobody takes it is told, but is no failure of the pass: why nobody leads is what has to be read. */
async function handOverConfiguration(
  database: Readonly<Database>,
  resolved: ResolvedDatabase,
  instances: readonly Instance[],
  context: Context<OutsideWorld>,
): Promise<Outside> {
  const { ports, memo, monotonicMs } = context.value;
  const request = handOverRequest(resolved, instances); //                                                      pure
  if (request.members.length === 0) return {};
  const { changes, missed } = await handOver(request, ports.patroni, memo, monotonicMs(), context.signal); //   IO
  tell(database, changes, context);
  if (missed === undefined) return {};
  const { isNews, againInMs } = missed;
  const error = byName(missed.error, instances);
  context.log[isNews ? "warn" : "debug"](
    { err: error, againInMs },
    "nobody leads, and no Patroni takes the configuration",
  );
  if (isNews) {
    const message = `Nobody leads, and no Patroni takes the configuration: ${error.message}`;
    context.events.emit(database, { type: "Warning", reason: error.reason, message });
  }
  return { againInMs };
}

/** An error says by name whom it is about: addresses tell people little. */
function byName(error: PortError, instances: readonly Instance[]): PortError {
  const named = instances.filter(({ ip }) => ip !== undefined && ` ${error.message}`.includes(` ${ip}:`));
  if (named.length === 0) return error;
  return error.about(named.map(({ podName }) => podName).join(", "));
}

function tell(database: Readonly<Database>, changes: readonly string[], { log, events }: Context<OutsideWorld>): void {
  if (changes.length === 0) return;
  const message = `Provided ${changes.join("; ")}`;
  log.info(message);
  events.emit(database, { type: "Normal", reason: "Provisioning", message });
}
