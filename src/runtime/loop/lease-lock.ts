// The Lease object as a lock: taken, renewed and given up, each write only over the version that was seen last. A lease is judged
// by when *we* saw it change, never by the times written in it, so that clocks may differ. Times as in client-go (15, 10, 2 s).
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { isAlreadyExists, isConflict, isRefused } from "../kube/errors.ts";
import { Lease } from "../kube/kinds.ts";
import { microTime } from "../kube/micro-time.ts";
import type { Log } from "../telemetry/log.ts";

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** Must differ between any two processes, restarts included: host name and a random part. */
  readonly identity: string;
  /** How long the others leave the lease alone after they last saw it change. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** We stop when we could not renew for this long. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Default 2 s. */
  readonly retryPeriodMs?: number;
}

export interface LeaderWorld {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

type LeaseSpec = NonNullable<Lease["spec"]>;

/** What we last saw, and when. */
interface Observed {
  readonly spec: LeaseSpec;
  readonly resourceVersion: string;
  readonly at: number;
}

/** The Lease object, written only in the version that was last seen. */
export interface Lock {
  readonly retryPeriodMs: number;
  readonly renewDeadlineMs: number;
  /** One attempt to take or renew it. False for whatever reason; never throws. */
  tryHold(signal: AbortSignal): Promise<boolean>;
  /** What was seen last is a living lease of somebody else. */
  heldByAnother(): boolean;
  giveUp(): Promise<boolean>;
}

/** @throws RangeError unless leaseDuration > renewDeadline > 1.2 × retryPeriod */
export function createLock(options: LeaseOptions, { client, clock, log }: LeaderWorld): Lock {
  const { identity, namespace, name } = options;
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
  if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > 1.2 * retryPeriodMs && retryPeriodMs > 0)) {
    throw new RangeError("leader election: expected leaseDuration > renewDeadline > 1.2 × retryPeriod > 0");
  }
  const ref = { namespace, name };
  const requestTimeoutMs = Math.max(1_000, renewDeadlineMs / 2);
  let seen: Observed | undefined;

  const observe = (lease: Lease): Observed => {
    const resourceVersion = lease.metadata.resourceVersion ?? "";
    if (seen?.resourceVersion !== resourceVersion) {
      seen = { spec: lease.spec ?? {}, resourceVersion, at: clock.now() };
    }
    return seen;
  };
  const isMine = (lease: Observed): boolean => lease.spec.holderIdentity === identity;
  const isFree = (lease: Observed): boolean =>
    (lease.spec.holderIdentity ?? "") === "" ||
    clock.now() > lease.at + (lease.spec.leaseDurationSeconds ?? leaseDurationMs / 1000) * 1000;

  /** Ends when it must, even if the client does not: an abandoned request may still be carried out. */
  const limited = async <R>(signal: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<R>): Promise<R> => {
    const limit = new AbortController();
    const stop = (): void => limit.abort(signal?.reason);
    const cancel = clock.after(requestTimeoutMs, () => limit.abort(new Error(`no answer in ${requestTimeoutMs} ms`)));
    if (signal?.aborted === true) stop();
    signal?.addEventListener("abort", stop, { once: true });
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = (): void => reject(limit.signal.reason);
    limit.signal.addEventListener("abort", end, { once: true });
    ended.catch(() => {});
    try {
      if (limit.signal.aborted) end();
      return await Promise.race([ended, run(limit.signal)]);
    } finally {
      cancel();
      signal?.removeEventListener("abort", stop);
    }
  };

  const write = async (spec: LeaseSpec, over: Observed, signal?: AbortSignal): Promise<void> => {
    const answer = await limited(signal, (signal) =>
      client.patch(
        Lease,
        ref,
        [
          { op: "test", path: "/metadata/resourceVersion", value: over.resourceVersion },
          { op: "add", path: "/spec", value: spec },
        ],
        { signal },
      ),
    );
    observe(answer);
  };

  const mySpec = (over: Observed | undefined): LeaseSpec => {
    const now = microTime(clock.date());
    const mine = over !== undefined && isMine(over);
    const transitions = over?.spec.leaseTransitions ?? 0;
    return {
      ...over?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: (mine ? over.spec.acquireTime : undefined) ?? now,
      renewTime: now,
      leaseTransitions: over === undefined || mine ? transitions : transitions + 1,
    };
  };

  const read = async (signal?: AbortSignal): Promise<Observed | undefined> => {
    const lease = await limited(signal, (signal) => client.get(Lease, ref, { signal }));
    if (lease === undefined) return (seen = undefined);
    return observe(lease);
  };

  const hold = async (signal: AbortSignal): Promise<boolean> => {
    // The holder knows what it wrote last and need not read it again; if somebody interfered the write is refused.
    if (seen !== undefined && isMine(seen)) {
      try {
        await write(mySpec(seen), seen, signal);
        return true;
      } catch (error) {
        if (!isStale(error)) throw error;
      }
    }
    const now = await read(signal);
    if (now === undefined) {
      const created = await limited(signal, (signal) =>
        client.create(
          Lease,
          { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { ...ref }, spec: mySpec(undefined) },
          { signal },
        ),
      );
      observe(created);
      return true;
    }
    if (!isMine(now) && !isFree(now)) return false;
    await write(mySpec(now), now, signal);
    return true;
  };

  return {
    retryPeriodMs,
    renewDeadlineMs,
    heldByAnother: () => seen !== undefined && !isMine(seen) && !isFree(seen),
    async tryHold(signal) {
      try {
        return await hold(signal);
      } catch (error) {
        if (signal.aborted) return false;
        if (isStale(error) || isAlreadyExists(error)) log.debug({ err: error, lease: name }, "the lease moved");
        else log.warn({ err: error, lease: name }, "cannot take or renew the lease");
        return false;
      }
    },
    async giveUp() {
      // A renewal that was under way may still land and move the version: look again, but not for ever.
      for (let attempt = 0, now = seen; attempt < 5; attempt++) {
        try {
          if (now === undefined || !isMine(now)) return false;
          const time = microTime(clock.date());
          const { holderIdentity: _, ...rest } = now.spec;
          await write(
            { ...rest, leaseDurationSeconds: 1, acquireTime: time, renewTime: time, holderIdentity: "" },
            now,
          );
          return true;
        } catch (error) {
          if (!isStale(error)) {
            log.warn({ err: error, lease: name }, "cannot release the lease; it will expire");
            return false;
          }
          now = await read().catch(() => undefined);
        }
      }
      return false;
    },
  };
}

/** A failed `test` of a JSON patch is answered 422, a lost race inside the server 409. */
function isStale(error: unknown): boolean {
  return isConflict(error) || isRefused(error);
}
