// How often the primary of each Database changed, as Patroni's Endpoints tell it, since this process leads.
import { Endpoints, keyOf, refTo, type Key, type MeasuredWorld, type Ref } from "../../runtime/index.ts";
import { Database } from "../api.ts";
import { leaderOf } from "../instances.ts";
import { labels, namesOf } from "../names.ts";

interface Tally {
  leader: string;
  failovers: number;
  switchovers: number;
}

/** Counts from its making on, and forgets with the Database. */
export class PrimaryChanges {
  readonly #cache: MeasuredWorld["cache"];
  readonly #tallies = new Map<Key, Tally>();

  constructor({ cache, subscribe }: Pick<MeasuredWorld, "cache" | "subscribe">) {
    this.#cache = cache;
    for (const endpoints of cache.list(Endpoints)) this.#see(endpoints);
    subscribe(Endpoints, (delta) => {
      if (delta.type !== "deleted") this.#see(delta.object);
      // A living Patroni writes it again. Without a Database nobody would forget the count later.
      else if (cache.get(Database, refTo(delta.object)) === undefined) this.#forget(refTo(delta.object));
    });
    subscribe(Database, (delta) => {
      if (delta.type === "deleted") this.#forget(refTo(delta.object));
    });
  }

  /** Another instance led than before, and nobody had asked for it. */
  failovers(database: Ref): number {
    return this.#tallies.get(keyOf(database))?.failovers ?? 0;
  }

  /** Another instance led than before, as somebody had asked Patroni. */
  switchovers(database: Ref): number {
    return this.#tallies.get(keyOf(database))?.switchovers ?? 0;
  }

  #see(endpoints: Readonly<Endpoints>): void {
    const database = refTo(endpoints);
    if (endpoints.metadata.labels?.[labels.database] !== database.name) return;
    // Between two primaries the key is held by nobody.
    const leader = leaderOf(endpoints);
    if (leader === undefined) return;
    const tally = this.#tallies.get(keyOf(database));
    if (tally === undefined) {
      this.#tallies.set(keyOf(database), { leader, failovers: 0, switchovers: 0 });
    } else if (tally.leader !== leader) {
      if (this.#isAskedToYield(tally.leader, database)) tally.switchovers += 1;
      else tally.failovers += 1;
      tally.leader = leader;
    }
  }

  /**
   * A switchover that was asked for stands in Endpoints of its own, with who shall yield, until after the new primary took
   * the leader key (manual_failover in patroni/dcs/kubernetes.py, process_unhealthy_cluster in patroni/ha.py, v4.0.7).
   */
  #isAskedToYield(leader: string, database: Ref): boolean {
    const name = namesOf(database.name).switchoverEndpoints;
    return this.#cache.get(Endpoints, { ...database, name })?.metadata.annotations?.["leader"] === leader;
  }

  #forget(database: Ref): void {
    this.#tallies.delete(keyOf(database));
  }
}
