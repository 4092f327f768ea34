// What must be so of every run, whatever went wrong in it: judged by what passed the operators' proxies. Pure.
import type { ProxiedCall } from "../../testing/fault-record.ts";
import { isWrite, titleOf } from "../../testing/fault-request.ts";

const isLease = ({ request }: ProxiedCall): boolean => request.resource === "leases.coordination.k8s.io";
const isEvent = ({ request }: ProxiedCall): boolean => request.resource.startsWith("events");

/** A write that is about what the operator is for. */
export const isOperatorsWork = (call: ProxiedCall): boolean =>
  isWrite(call.request) && !isLease(call) && !isEvent(call);

/**
 * What an operator sent after another one had taken the lease over: by the clock of the process that both run in, and by when it
 * was sent, since what is under way may arrive late.
 * @param operators the calls of each
 */
export function writesAfterLoss(operators: readonly (readonly ProxiedCall[])[]): readonly string[] {
  const held = operators
    .flatMap((calls, operator) => calls.filter(isHeld).map(({ answeredAt = Infinity }) => ({ operator, answeredAt })))
    .toSorted((a, b) => a.answeredAt - b.answeredAt);
  return operators.flatMap((calls, operator) =>
    calls.filter(isOperatorsWork).flatMap((call) => {
      const holder = held.findLast(({ answeredAt }) => answeredAt < call.receivedAt)?.operator;
      return holder === undefined || holder === operator
        ? []
        : [`operator ${operator + 1} sent ${titleOf(call.request)} while operator ${holder + 1} held the lease`];
    }),
  );
}

/** A lease that was taken or renewed. */
const isHeld = (call: ProxiedCall): boolean =>
  isLease(call) && isWrite(call.request) && (call.upstreamStatus ?? 500) < 300;

export interface Promotion {
  readonly leader: string;
  readonly candidate: string;
  /** What was asked of the API server, and answered, before it. */
  readonly before: readonly ProxiedCall[];
}

/** I10: who leads is read from the API server right before a switchover, in its newest version, and nothing is written between. */
export function promotionsFromCache(promotions: readonly Promotion[]): readonly string[] {
  return promotions.flatMap(({ leader, candidate, before }) => {
    const read = before.findLastIndex(
      ({ request, status }) =>
        request.verb === "get" &&
        request.resource === "endpoints" &&
        request.resourceVersion === undefined &&
        status === 200,
    );
    const isLive = read >= 0 && !before.slice(read).some(isOperatorsWork);
    return isLive ? [] : [`I10: ${leader} handed over to ${candidate} without a look at who leads`];
  });
}

/** Whoever asks for any version may be shown the past: no view that was once seen may be seen again after a restart. */
export function readsOfAnyVersion(calls: readonly ProxiedCall[]): readonly string[] {
  const reads = calls.filter(({ request }) => request.resourceVersion === "0");
  return [...new Set(reads.map(({ request }) => `${titleOf(request)} asks for any version`))];
}
