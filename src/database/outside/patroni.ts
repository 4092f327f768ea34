// Port: what the Database needs of Patroni's REST API. Implemented by external/patroni-rest.ts.
// https://patroni.readthedocs.io/en/latest/rest_api.html
import type { JsonMap } from "../../postgres/json.ts";
import type { ServerAddress } from "./postgres.ts";

/** Patroni's dynamic configuration, one for the whole cluster. In a patch, null removes a key and maps are merged. */
export type DynamicConfiguration = JsonMap;

/** What one member says about itself. */
export interface PatroniStatus {
  /**
   * Its name: that of its Pod. An address can be another Pod's by now, and all instances of a Database have one password: whoever asks for
   * something that cannot be taken back looks at the name first. "" where it says none.
   */
  readonly name: string;
  /** E.g. "running", "starting", "stopped", "start failed", "in archive recovery". */
  readonly state: string;
  /**
   * "primary" or "replica" by what PostgreSQL says while it runs, else what Patroni last made of it ("uninitialized",
   * "demoted", …). Not proof of the leader lock.
   */
  readonly role: string;
  /** Absent while PostgreSQL does not run. */
  readonly timeline: number | undefined;
  /** PostgreSQL must be restarted for a parameter to come into force. */
  readonly pendingRestart: boolean;
  /** It is a replica that streams, from whomever. */
  readonly streaming: boolean;
  /** Patroni's own version, e.g. "4.0.7". */
  readonly version: string;
}

/** It says of itself that it is the member of this name, and that it leads. */
export const isLeading = ({ name, role, state }: PatroniStatus, member: string): boolean =>
  name === member && role === "primary" && state === "running";

/** What became of a request that takes its time: "underWay" when Patroni did not say in time how it ended. */
export type Answered = "done" | "underWay";

/**
 * A member of a Patroni cluster.
 *
 * Any member answers for the configuration of the whole cluster, also one whose PostgreSQL is down: a mistake in the
 * parameters can be taken back when it stopped every server.
 * @throws PortError (Unreachable also while the cluster has no configuration yet, and when two patches collided), or the
 * signal's reason once it is aborted; then a write may or may not have happened.
 */
export interface Patroni {
  /** The member at `address`, live. */
  status(address: ServerAddress, signal: AbortSignal): Promise<PatroniStatus>;

  /** The dynamic configuration as it is kept, not as the member last saw it. */
  configuration(address: ServerAddress, signal: AbortSignal): Promise<DynamicConfiguration>;

  /**
   * Merges `patch` into the dynamic configuration. Idempotent. Members follow within a loop: what can be reloaded is, what
   * needs a restart shows as `pendingRestart`. Answers the whole configuration as it is kept then.
   */
  configure(address: ServerAddress, patch: DynamicConfiguration, signal: AbortSignal): Promise<DynamicConfiguration>;

  /**
   * Restarts PostgreSQL of the member at `address`, if a parameter waits for that. Patroni goes on also when nobody waits for
   * its answer; what came of it shows in the member's state.
   * @throws PortError (PatroniRefused when it does not: nothing waits for a restart, another action runs, it did not start)
   */
  restart(address: ServerAddress, signal: AbortSignal): Promise<Answered>;

  /**
   * Has the member at `address` throw its data away and copy the leader's. It has only begun when this answers; how far it is shows in
   * the member's state. "underWay" also where it was asked for before.
   * @throws PortError (PatroniRefused when it leads, nobody leads, or it is doing something else)
   */
  reinitialize(address: ServerAddress, signal: AbortSignal): Promise<Answered>;

  /**
   * Hands the leadership over from one member to another, in good order: nothing is done unless `leader` leads and
   * `candidate` can take over. Both are names of members.
   * @throws PortError (PatroniRefused with Patroni's reason)
   */
  switchover(
    address: ServerAddress,
    members: { readonly leader: string; readonly candidate: string },
    signal: AbortSignal,
  ): Promise<Answered>;
}
