// Remembers which replicas do not follow, since when, and whether their logs say that they never will: an interruption is no reason to
// throw data away, so that what is found has to last.
import { primaryOf, type Instance } from "../instances.ts";
import { unusableFor } from "./unusable-data.ts";

interface Entry {
  /** The container, and who leads: what cannot follow one primary may follow another. */
  readonly occasion: string;
  /** When its log is read. */
  dueMs: number;
  found?: { readonly words: string; readonly atMs: number };
}

export interface Patience {
  /** How long a replica may not follow before its log is read: most join, or come back, within that. */
  readonly beforeLookMs: number;
  /** How long after its log said so it is given up. */
  readonly beforeActMs: number;
}

const defaultPatience: Patience = { beforeLookMs: 15_000, beforeActMs: 45_000 };
/** Between two looks. */
const lookAgainMs = 30_000;
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
    readLog: () => Promise<string | undefined>,
  ): Promise<{ readonly words?: string; readonly againMs?: number }> {
    const uid = replica.pod?.metadata.uid ?? "";
    if (!mayBeUnusable(replica)) {
      this.#entries.delete(uid);
      return {};
    }
    const entry = this.#entryOf(uid, occasionOf(replica, primary), nowMs);
    if (entry.found === undefined) {
      if (nowMs < entry.dueMs) return { againMs: entry.dueMs - nowMs };
      entry.dueMs = nowMs + lookAgainMs;
      const words = unusableFor((await readLog()) ?? "");
      if (words === undefined) return { againMs: lookAgainMs };
      entry.found = { words, atMs: nowMs };
    }
    const waitsMs = entry.found.atMs + this.#patience.beforeActMs - nowMs;
    return { words: entry.found.words, againMs: waitsMs > 0 ? waitsMs : lookAgainMs };
  }

  /** The names of those that have been of no use for long enough, and why. */
  givenUp(instances: readonly Instance[], nowMs: number): ReadonlyMap<string, string> {
    const primary = primaryOf(instances);
    if (primary === undefined) return new Map();
    return new Map(
      instances.flatMap((instance) => {
        const { found, occasion } = this.#entries.get(instance.pod?.metadata.uid ?? "") ?? {};
        if (found === undefined || nowMs - found.atMs < this.#patience.beforeActMs) return [];
        const isSame = occasion === occasionOf(instance, primary) && mayBeUnusable(instance);
        return isSame ? [[instance.name, found.words] as const] : [];
      }),
    );
  }

  #entryOf(uid: string, occasion: string, nowMs: number): Entry {
    const known = this.#entries.get(uid);
    if (known?.occasion === occasion) return known;
    const entry = { occasion, dueMs: nowMs + this.#patience.beforeLookMs };
    this.#entries.delete(uid);
    this.#entries.set(uid, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries) break;
      this.#entries.delete(oldest);
    }
    return entry;
  }
}

/** Patroni runs in it, it does not follow, and is not being filled. */
function mayBeUnusable(instance: Instance): boolean {
  const { pod, role, holdsKey, state, deleting, retired } = instance;
  if (pod === undefined || role === "primary" || holdsKey || deleting || retired) return false;
  const container = pod.status?.containerStatuses?.find(({ name }) => name === "postgres");
  return container?.state?.running !== undefined && state !== "creating replica" && !instance.streaming;
}

function occasionOf({ pod }: Instance, primary: Instance): string {
  const restarts = pod?.status?.containerStatuses?.find(({ name }) => name === "postgres")?.restartCount ?? 0;
  return `${restarts} ${primary.pod?.metadata.uid ?? ""} ${primary.timeline ?? ""}`;
}
