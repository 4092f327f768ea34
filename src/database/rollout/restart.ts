// Instances that do not run what is declared: which one is restarted next, and how. Pure.
// A changed Pod comes by deleting the old one, a parameter that needs a restart by restarting PostgreSQL in its Pod. One at a
// time, each streaming again before the next, the primary last.
import type { Act } from "./acts.ts";
import type { Database } from "../api.ts";
import { primaryOf, stayingOf, type Instance, type PendingChange } from "../instances.ts";
import { podChanges } from "./pod-changes.ts";
import { strandedOf } from "./stranded.ts";
import { isServing } from "../status/view.ts";
import { losesVolume } from "../volume-loss.ts";

/** What a plan must know beside the instances. */
export interface RestartConditions {
  /** Volumes are being taken up: others than these instances will come. */
  readonly takingUp: boolean;
  /** Patroni's configuration is as declared, and every member has had the time to say whether it must be restarted for it. */
  readonly configured: boolean;
}

/** The next act, or undefined when there is nothing to do or something to wait for. */
export function planRestart(
  { spec }: Readonly<Database>,
  instances: readonly Instance[],
  { takingUp, configured }: RestartConditions,
): Act | undefined {
  if (instances.some((instance) => instance.deleting)) return undefined;
  const staying = stayingOf(instances);
  const primary = primaryOf(instances);
  const stranded = strandedOf(staying, primary);
  if (stranded !== undefined) return renew(stranded);

  const leaving = instances.some(({ retired, statefulSet, pod }) => retired && (statefulSet ?? pod) !== undefined);
  if (primary === undefined || takingUp || leaving || staying.length !== (spec.replicas ?? 1)) return undefined;
  // Whatever is declared waits until the data are safe: it would not survive its Pod, nor perhaps a restart.
  if (losesVolume(primary)) return undefined;
  // What has the change and does not serve stops it: the next one might not serve either.
  if (!staying.every(isServing)) return undefined;
  // PostgreSQL does not start on a full disk.
  if (staying.some(({ diskFull }) => diskFull)) return undefined;
  // Which Pods are old is not known until the StatefulSet controller has seen the newest templates.
  if (!staying.every(({ runsCurrentTemplate, runsOldTemplate }) => runsCurrentTemplate || runsOldTemplate)) {
    return undefined;
  }
  const replicas = staying.filter((instance) => instance !== primary);
  return planRenewal(primary, replicas) ?? (configured ? planParameterRestart(primary, replicas) : undefined);
}

/** Pods of old templates. */
function planRenewal(primary: Instance, replicas: readonly Instance[]): Act | undefined {
  // As with fewer instances, the highest number first.
  const replica = replicas.findLast(({ runsOldTemplate }) => runsOldTemplate);
  if (replica !== undefined) return renew(replica);
  if (!primary.runsOldTemplate) return undefined;
  const [candidate] = replicas;
  // Alone it can only stop and come back. Else the others have the change: one of them takes over, and it is a replica.
  if (candidate === undefined) return renew(primary);
  return { type: "switchover", instance: primary, candidate, because: podChanges(primary) };
}

const renew = (instance: Instance): Act => ({ type: "deletePod", instance, because: podChanges(instance) });

/**
 * Parameters that wait for a restart. A replica must not have less than the primary of what its WAL may need
 * (https://www.postgresql.org/docs/17/hot-standby.html#HOT-STANDBY-ADMIN): where that is raised the replicas are first, where
 * it is lowered the primary is. Patroni starts a replica with the primary's value while that is the larger one, so that where
 * some are raised and others lowered the replicas are first, and once more after the primary.
 */
function planParameterRestart(primary: Instance, replicas: readonly Instance[]): Act | undefined {
  const pending = replicas.filter(({ pendingRestart }) => pendingRestart);
  const raised = pending.findLast(({ pendingChanges }) => pendingChanges.some((change) => wanted(change) > 0));
  const lowered = primary.pendingChanges.some((change) => wanted(change) < 0);
  const next = raised ?? (lowered ? primary : undefined) ?? pending.at(-1) ?? primary;
  if (!next.pendingRestart) return undefined;
  return { type: "restart", instance: next, because: parameterChanges(next) };
}

const neededByReplicas: ReadonlySet<string> = new Set([
  "max_connections",
  "max_worker_processes",
  "max_wal_senders",
  "max_prepared_transactions",
  "max_locks_per_transaction",
]);

/** How much more of it is wanted; 0 where no order follows from it. */
function wanted({ name, from, to }: PendingChange): number {
  if (!neededByReplicas.has(name.toLowerCase())) return 0;
  return Number(to) - Number(from) || 0;
}

function parameterChanges({ pendingChanges }: Instance): string {
  if (pendingChanges.length === 0) return "a parameter changed";
  return pendingChanges
    .map(({ name, from, to }) => `${name} from ${from || "nothing"} to ${to || "nothing"}`)
    .join(", ");
}
