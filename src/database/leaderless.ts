// While nobody leads: a parameter with which PostgreSQL does not start can be the reason. Patroni's configuration then goes to
// any member that answers: it speaks for the cluster, also while its PostgreSQL is down, and starts that with what it was told.
import { configurationDifferences, patchedPaths } from "./differences.ts";
import { fingerprint, type ObservationMemo } from "./observation-memo.ts";
import type { DynamicConfiguration, Patroni } from "./patroni.ts";
import { PortError } from "./port-error.ts";
import type { ServerAddress } from "./postgres.ts";

export interface HandOverRequest {
  /** Of the Database. */
  readonly uid: string;
  /** The part of Patroni's dynamic configuration that we declare. */
  readonly configuration: DynamicConfiguration;
  /** Every Patroni that has an address. */
  readonly members: readonly ServerAddress[];
}

/** Remembered, so that it is not done again in every pass. */
export interface HandedOver {
  readonly handedOver: true;
}

/**
 * Sees to it that Patroni's configuration holds what is declared; does nothing where the memo knows that it does.
 * @param nowMs of a monotonic clock
 * @returns what was changed, as clauses
 * @throws PortError when no member answers; the next call tries again
 */
export async function handOver<F>(
  request: HandOverRequest,
  patroni: Patroni,
  memo: ObservationMemo<F | HandedOver>,
  nowMs: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const print = fingerprint(request);
  if (memo.recall(request.uid, print, nowMs) !== undefined) return [];
  const { member, live } = await firstToAnswer(request.members, patroni, signal);
  const patch = configurationDifferences(request.configuration, live);
  if (patch !== undefined) await patroni.configure(member, patch, signal);
  memo.remember(request.uid, print, { handedOver: true }, nowMs);
  return (patch === undefined ? [] : patchedPaths(patch)).map((path) => `configuration: ${path}`);
}

async function firstToAnswer(members: readonly ServerAddress[], patroni: Patroni, signal: AbortSignal) {
  const asked = members.map(async (member) => ({ member, live: await patroni.configuration(member, signal) }));
  try {
    return await Promise.any(asked);
  } catch (error) {
    signal.throwIfAborted();
    const failures = (error as AggregateError).errors as readonly unknown[];
    const [first] = failures.filter((failure) => failure instanceof PortError);
    if (first === undefined) throw failures[0] ?? error;
    const others = failures.length > 1 ? `, nor does any other of ${failures.length}` : "";
    throw new PortError(`${first.message}${others}`, { reason: first.reason, code: first.code, cause: error });
  }
}
