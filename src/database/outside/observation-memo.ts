// Decides when to look outside again: what lives there cannot be watched. Owns the facts last seen of each object.
import { createHash } from "node:crypto";

interface Entry<F> {
  readonly fingerprint: string;
  readonly facts: F;
  readonly observedAtMs: number;
}

/**
 * The facts last seen of each object, good until the object's fingerprint changes or they are old.
 * Held in memory only: after a restart everything is looked at once. Times are those of a monotonic clock.
 */
export class ObservationMemo<F> {
  readonly #entries = new Map<string, Entry<F>>();
  readonly #maxAgeMs: number;

  /**
   * @param options.resyncEveryMs how often objects are reconciled without cause (±20%). Facts last for 0.7 of it, so that
   * each resync looks outside, and no event in between does.
   */
  constructor(options: { readonly resyncEveryMs: number }) {
    this.#maxAgeMs = 0.7 * options.resyncEveryMs;
  }

  /** The facts of the object with this uid, or undefined when it is time to observe. */
  recall(uid: string, fingerprint: string, nowMs: number): F | undefined {
    const entry = this.#entries.get(uid);
    if (entry === undefined || entry.fingerprint !== fingerprint) return undefined;
    return nowMs - entry.observedAtMs < this.#maxAgeMs ? entry.facts : undefined;
  }

  /** The facts of the object, however old, if they are of this fingerprint. */
  last(uid: string, fingerprint: string): F | undefined {
    const entry = this.#entries.get(uid);
    return entry?.fingerprint === fingerprint ? entry.facts : undefined;
  }

  /** @param observedAtMs when the observation began: what changed while it ran may not be in it */
  remember(uid: string, fingerprint: string, facts: F, observedAtMs: number): void {
    this.#entries.set(uid, { fingerprint, facts, observedAtMs });
  }

  /** To be called when the object is gone, and when something is known to have changed outside. */
  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  /** How many objects are remembered. */
  get size(): number {
    return this.#entries.size;
  }
}

/** A digest of plain data, whatever the order of its keys. Passwords go in and cannot be read from it. */
export function fingerprint(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(value)) ?? "")
    .digest("base64");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  // Entries, not an object: some keys ("10", "__proto__") would not keep their place in one.
  return {
    entries: Object.entries(value)
      .filter(([, child]) => child !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  };
}
