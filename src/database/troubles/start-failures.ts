// Remembers in which Pods PostgreSQL does not start, and what it said. Patroni tries again every few seconds and says "starting" in
// between: without a memory the status would swing to and fro, and the log be read each time.
import { keepNewest } from "../../runtime/index.ts";
import { restartsOf, type Instance } from "../instances.ts";
import type { StartFailure } from "./troubles.ts";

interface Entry extends StartFailure {
  /** The container, and how Patroni calls the failure. */
  readonly occasion: string;
  readonly readAtMs: number;
}

/** The cause may be another one by now. */
const readAgainAfterMs = 60_000;
/** Pods that were replaced are never asked about again. */
const maxEntries = 1_000;

/** In memory only: after a restart of the operator Patroni's next failure tells. Times are those of a monotonic clock. */
export class StartFailures {
  readonly #entries = new Map<string, Entry>();

  /**
   * What is known about this instance, which is not ready.
   * @param read the words of its log; called once for each occasion, and again after a while when it failed again
   * @returns undefined where PostgreSQL has not failed to start since it ran last
   */
  async of(
    instance: Instance,
    nowMs: number,
    read: () => Promise<string | undefined>,
  ): Promise<StartFailure | undefined> {
    const uid = instance.pod?.metadata.uid ?? "";
    if (instance.state === "running") this.#entries.delete(uid);
    const known = this.#entries.get(uid);
    if (!hasFailed(instance)) return known;
    const occasion = `${restartsOf(instance)} ${instance.state ?? ""}`;
    if (known?.occasion === occasion && nowMs - known.readAtMs < readAgainAfterMs) return known;
    const entry = { crashed: instance.state === "crashed", words: await read(), occasion, readAtMs: nowMs };
    this.#entries.delete(uid);
    this.#entries.set(uid, entry);
    keepNewest(this.#entries, maxEntries);
    return entry;
  }
}

/** "start failed", "restart failed (…)", "initdb failed", "crashed": set_state in patroni/postgresql/__init__.py and bootstrap.py. */
const hasFailed = ({ state = "" }: Instance): boolean => /\bfailed\b/.test(state) || state === "crashed";
