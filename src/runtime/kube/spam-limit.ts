// A token bucket for each key: a burst, then a trickle. Remembers a bounded number of keys.
import type { Clock } from "../clock.ts";
import { keepNewest } from "../keep-newest.ts";

export interface SpamLimit {
  /** Whether one more is allowed for this key now; if so it is counted. */
  allows(key: string): boolean;
}

/** @param options.maxKeys the key that was asked for longest ago is forgotten, and has its whole burst again */
export function createSpamLimit(options: {
  readonly clock: Clock;
  readonly burst: number;
  readonly refillEveryMs: number;
  readonly maxKeys: number;
}): SpamLimit {
  const { clock, burst, refillEveryMs, maxKeys } = options;
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    allows(key) {
      const now = clock.now();
      const bucket = buckets.get(key) ?? { tokens: burst, at: now };
      const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillEveryMs);
      const allowed = tokens >= 1;
      buckets.delete(key);
      buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, at: now });
      keepNewest(buckets, maxKeys);
      return allowed;
    },
  };
}
