// Remembers which replicas do not follow, since when, and whether their logs say that they never will: an interruption is no reason to
// throw data away, so that what is found has to last.
import { keepNewest } from "../../runtime/index.ts";
import { postgresContainer, primaryOf, restartsOf, type Instance } from "../instances.ts";
import type { InstanceLog } from "./instance-log.ts";
import { unusableFor, type Unusable } from "./unusable-data.ts";

interface Entry {
  /** The container, and who leads: what cannot follow one primary may follow another. */
  readonly occasion: string;
  /** What Patroni says of it: where that changes something happens, which is given the time that it takes. */
  posture: string;
  /** Since when that is so, and it may be acted upon; Infinity while it may not. */
  steadySinceMs: number;
  /** When its log is read. */
  dueMs: number;
  /** How often in a row that failed. */
  failures: number;
  found?: { readonly unusable: Unusable; readonly atMs: number };
}

export interface Patience {
  /** How long a replica may not follow before its log is read: most join, or come back, within that. */
  readonly beforeLookMs: number;
  /** How long after its log said so it is given up. */
  readonly beforeActMs: number;
}

const defaultPatience: Patience = { beforeLookMs: 15_000, beforeActMs: 45_000 };
/** Between two looks. After each that fails twice as long. */
const lookAgainMs = 30_000;
const maxLookAgainMs = 5 * 60_000;
/** Pods that were replaced are never asked about again. */
const maxEntries = 1_000;

/** In memory only: after a restart of the operator it begins anew. Times are those of a monotonic clock. */
export class UnusableReplicas {
  readonly #entries = new Map<string, Entry>();
  readonly #patience: Patience;

  constructor(patience: Patience = defaultPatience) {
    this.#patience = patience;
  }

  /**
   * Looks at an instance while `primary` leads.
   * @param readLog called once for each look; undefined where it cannot be had
   * @returns why its data are of no use, if that is known; and when to look again, where there is something to look at
   */
  async look(
    replica: Instance,
    primary: Instance,
    nowMs: number,
    readLog: () => Promise<InstanceLog | undefined>,
  ): Promise<{ readonly unusable?: Unusable; readonly againMs?: number }> {
    const uid = uidOf(replica);
    if (!mayBeUnusable(replica)) {
      this.#entries.delete(uid);
      return {};
    }
    const entry = this.#entryOf(uid, replica, primary, nowMs);
    if (entry.found === undefined) {
      if (nowMs < entry.dueMs) return { againMs: entry.dueMs - nowMs };
      const log = await readLog();
      entry.failures = log === undefined ? entry.failures + 1 : 0;
      const againMs = Math.min(lookAgainMs * 2 ** entry.failures, maxLookAgainMs);
      entry.dueMs = nowMs + againMs;
      const unusable = unusableFor(log?.text ?? "");
      if (unusable === undefined) return { againMs };
      entry.found = { unusable, atMs: nowMs };
    }
    const waitsMs = this.#dueMs(entry) - nowMs;
    return { unusable: entry.found.unusable, againMs: waitsMs > 0 ? Math.min(waitsMs, maxLookAgainMs) : lookAgainMs };
  }

  /** While nothing may be done, or nobody leads: patience begins anew when that is over. */
  suspend(instances: readonly Instance[]): void {
    for (const instance of instances) {
      const entry = this.#entries.get(uidOf(instance));
      if (entry !== undefined) entry.steadySinceMs = Infinity;
    }
  }

  /** Something was done to it, or tried: what was known is to be found anew. */
  forget(instance: Instance): void {
    this.#entries.delete(uidOf(instance));
  }

  /** By name: those that have been of no use for long enough, and why. */
  givenUp(instances: readonly Instance[], nowMs: number): ReadonlyMap<string, Unusable> {
    const primary = primaryOf(instances);
    if (primary === undefined) return new Map();
    return new Map(
      instances.flatMap((instance) => {
        const entry = this.#entries.get(uidOf(instance));
        if (entry?.found === undefined || nowMs < this.#dueMs(entry) || !mayBeUnusable(instance)) return [];
        const isSame = entry.occasion === occasionOf(instance, primary) && entry.posture === postureOf(instance);
        return isSame ? [[instance.name, entry.found.unusable] as const] : [];
      }),
    );
  }

  /** When it is given up. */
  #dueMs({ found, steadySinceMs }: Entry): number {
    return Math.max(found?.atMs ?? Infinity, steadySinceMs) + this.#patience.beforeActMs;
  }

  #entryOf(uid: string, replica: Instance, primary: Instance, nowMs: number): Entry {
    const occasion = occasionOf(replica, primary);
    const posture = postureOf(replica);
    const known = this.#entries.get(uid);
    if (known?.occasion === occasion) {
      if (known.posture !== posture || known.steadySinceMs === Infinity) known.steadySinceMs = nowMs;
      known.posture = posture;
      return known;
    }
    const dueMs = nowMs + this.#patience.beforeLookMs;
    const entry: Entry = { occasion, posture, steadySinceMs: nowMs, dueMs, failures: 0 };
    this.#entries.delete(uid);
    this.#entries.set(uid, entry);
    keepNewest(this.#entries, maxEntries);
    return entry;
  }
}

const uidOf = ({ pod }: Instance): string => pod?.metadata.uid ?? "";

/** Patroni runs in it, it does not follow, and is not being filled. */
function mayBeUnusable(instance: Instance): boolean {
  const { pod, role, holdsKey, state, deleting, retired } = instance;
  if (pod === undefined || role === "primary" || holdsKey || deleting || retired) return false;
  return postgresContainer(pod)?.state?.running !== undefined && state !== "creating replica" && !instance.streaming;
}

const occasionOf = (replica: Instance, primary: Instance): string =>
  `${restartsOf(replica)} ${primary.pod?.metadata.uid ?? ""} ${primary.timeline ?? ""}`;

const postureOf = ({ state = "", timeline }: Instance): string => `${state} ${timeline ?? ""}`;
