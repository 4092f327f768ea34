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

/** Remembered, so that it is not done again in every pass, nor told. */
export type HandedOver =
  | { readonly handedOver: true }
  /** No member takes it: since when, and what was told of it last. */
  | { readonly handedOver: false; readonly sinceMs: number; readonly message: string };

export interface HandOver {
  /** What was changed, as clauses. */
  readonly changes: readonly string[];
  readonly missed?: {
    readonly error: PortError;
    /** Nobody has told of it in these words. */
    readonly isNews: boolean;
    /** The longer it lasts, the less often: when to try again, in milliseconds. */
    readonly againInMs: number;
  };
}

/** The next look comes after as long a time as it has lasted, within these. */
const [soonestMs, latestMs] = [10_000, 300_000];

/**
 * Sees to it that Patroni's configuration holds what is declared; does nothing where the memo knows that it does. That no member
 * takes it is an answer, not a failure.
 * @param nowMs of a monotonic clock
 */
export async function handOver<F extends object>(
  request: HandOverRequest,
  patroni: Patroni,
  memo: ObservationMemo<F | HandedOver>,
  nowMs: number,
  signal: AbortSignal,
): Promise<HandOver> {
  const print = fingerprint(request);
  const known = memo.recall(request.uid, print, nowMs);
  if (known !== undefined && missed(known) === undefined) return { changes: [] };
  try {
    const { member, live } = await firstToAnswer(request.members, patroni, signal);
    const patch = configurationDifferences(request.configuration, live);
    if (patch !== undefined) await patroni.configure(member, patch, signal);
    memo.remember(request.uid, print, { handedOver: true }, nowMs);
    return { changes: (patch === undefined ? [] : patchedPaths(patch)).map((path) => `configuration: ${path}`) };
  } catch (error) {
    if (!(error instanceof PortError)) throw error;
    const { message } = error;
    const before = missed(memo.last(request.uid, print));
    const sinceMs = before?.sinceMs ?? nowMs;
    memo.remember(request.uid, print, { handedOver: false, sinceMs, message }, nowMs);
    const againInMs = Math.min(latestMs, Math.max(soonestMs, nowMs - sinceMs));
    return { changes: [], missed: { error, isNews: before?.message !== message, againInMs } };
  }
}

function missed(remembered: object | undefined): Extract<HandedOver, { handedOver: false }> | undefined {
  const handedOver = remembered as HandedOver | undefined;
  return handedOver?.handedOver === false ? handedOver : undefined;
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
