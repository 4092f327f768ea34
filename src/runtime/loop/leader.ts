// Leadership by a Lease, as an AbortSignal. It is no fence: ask `assertHeld` before every write.
import { spread } from "../backoff.ts";
import { sleep } from "../clock.ts";
import { createLock, type LeaderWorld, type LeaseOptions, type Lock } from "./lease-lock.ts";

export type { LeaderWorld, LeaseOptions };

/** Being the leader, from the moment it was won. */
export interface Leadership {
  /** Aborts with a LeaseLost when somebody else may lead from now on. Stop at once; do not drain. */
  readonly lost: AbortSignal;
  /** When the last successful renewal was sent, on the clock. */
  readonly renewedAt: () => number;
  /** @throws LeaseLost when the lease is lost, or could be: a stalled event loop cannot renew, nor notice that it did not. */
  readonly assertHeld: () => void;
  /** Gives the lease up, so that the next one need not wait for it to expire. Call it when all work has ended. Never throws. */
  readonly release: () => Promise<void>;
}

export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/**
 * Waits until this process leads; undefined if `signal` aborted before. From then on the lease is renewed until it is lost
 * or released, whatever happens to `signal`.
 * @throws RangeError unless leaseDuration > renewDeadline > 1.2 × retryPeriod
 */
export async function lead(
  options: LeaseOptions,
  world: LeaderWorld,
  signal: AbortSignal,
): Promise<Leadership | undefined> {
  const lease = createLock(options, world);
  const { clock, log } = world;
  while (!signal.aborted) {
    const startedAt = clock.now();
    // Won, but so slowly that it would count as lost already: the next attempt renews it.
    if ((await lease.tryHold(signal)) && clock.now() - startedAt < lease.renewDeadlineMs) {
      log.info({ lease: options.name, identity: options.identity }, "leading");
      return hold(lease, startedAt, world, options.name);
    }
    await sleep(clock, spread(lease.retryPeriodMs * 1.1, 0.1, (world.random ?? Math.random)()), signal);
  }
  return undefined;
}

/** Renews until the deadline passes or the lease is released. */
function hold(lease: Lock, wonAt: number, { clock, log }: LeaderWorld, name: string): Leadership {
  const lost = new AbortController();
  const stopped = new AbortController();
  let renewedAt = wonAt;
  let cancelDeadline: (() => void) | undefined;
  const lose = (): void => {
    if (stopped.signal.aborted || lost.signal.aborted) return;
    stopped.abort();
    lost.abort(new LeaseLost(`lease ${name} was not renewed for ${Math.round(clock.now() - renewedAt)} ms`));
    log.error({ lease: name }, "lost the lease");
  };
  const expired = (): boolean => clock.now() - renewedAt > lease.renewDeadlineMs;
  const setDeadline = (): void => {
    cancelDeadline?.();
    cancelDeadline = clock.after(renewedAt + lease.renewDeadlineMs - clock.now(), lose);
  };

  const renew = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await sleep(clock, lease.retryPeriodMs, stopped.signal);
      if (stopped.signal.aborted) return;
      // Others count from when they saw the write, which is after it was sent: so we count from when it was sent.
      const sentAt = clock.now();
      const renewed = await lease.tryHold(stopped.signal);
      if (stopped.signal.aborted) return;
      // A renewal that comes too late proves nothing about the time in between, in which writes were already refused.
      if (expired()) return lose();
      if (renewed) {
        renewedAt = sentAt;
        setDeadline();
      } else if (lease.heldByAnother()) {
        return lose();
      }
    }
  };

  setDeadline();
  const renewing = renew();
  return {
    lost: lost.signal,
    renewedAt: () => renewedAt,
    assertHeld() {
      if (expired()) lose();
      lost.signal.throwIfAborted();
      if (stopped.signal.aborted) throw new LeaseLost(`lease ${name} was released`);
    },
    async release() {
      cancelDeadline?.();
      stopped.abort();
      await renewing;
      if (!lost.signal.aborted && (await lease.giveUp())) log.info({ lease: name }, "released the lease");
    },
  };
}
