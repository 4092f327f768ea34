// Whether a replica whose data are of no use is filled anew without anybody's hand: only where nothing can be lost, whoever wrote the
// words of its log; and what that waits for. Pure.
import { primaryOf, type Instance } from "../instances.ts";
import { isServing } from "../status/view.ts";
import { losesVolume } from "../volume-loss.ts";
import type { Unusable, UnusableCause } from "./unusable-data.ts";

/** What is looked at of an instance: as the cache has it, or live. */
export interface Held {
  readonly timeline?: number | undefined;
  readonly neverLed: boolean;
}

/**
 * Whatever `replica` holds the primary has as well:
 * - It is on the primary's timeline and asks for older WAL than the primary has. All WAL of a timeline comes from its primary.
 * - Its copy was cut off, and its volume was never a primary's (past-primaries.ts).
 */
export function losesNothing(replica: Held, primary: Pick<Held, "timeline">, cause: UnusableCause): boolean {
  if (cause.type === "walRemoved") {
    return cause.timeline === primary.timeline && replica.timeline === primary.timeline;
  }
  return cause.type === "copyCutOff" && replica.neverLed;
}

/** What else there is beside the instances. */
export interface RefillConditions {
  /** Volumes are being taken up: others than these instances will come. */
  readonly takingUp: boolean;
}

/** For people: what becomes of a replica whose data are of no use. Fits behind a semicolon, and in front of a colon. */
export function outlookOf(
  instance: Instance,
  instances: readonly Instance[],
  { cause }: Unusable,
  conditions: RefillConditions & { readonly paused: boolean; readonly failing: boolean },
): string {
  const primary = primaryOf(instances);
  const from = primary?.podName ?? "the primary";
  if (primary === undefined || !losesNothing(instance, primary, cause)) {
    return `it may hold what ${from} lacks, so look at it, then delete its claim, and it is made anew`;
  }
  const waitsFor = conditions.paused
    ? "the Database is not paused any more"
    : conditions.failing
      ? "what fails has been mended"
      : refillWaitsFor(instances, conditions);
  return `it will be filled anew from ${from}${waitsFor === undefined ? "" : ` once ${waitsFor}`}`;
}

/** What has to be so before a replica is filled anew, if it is not: it fits behind "once". */
export function refillWaitsFor(instances: readonly Instance[], { takingUp }: RefillConditions): string | undefined {
  const primary = primaryOf(instances);
  // Only from one that serves, and keeps what it has: until then this may be all that there is.
  if (primary === undefined) return "an instance leads";
  if (takingUp) return "the volumes that were kept have been taken up";
  if (!isServing(primary)) return `${primary.podName} serves`;
  if (losesVolume(primary)) return `another instance leads than ${primary.podName}, which loses its volume`;
  if (primary.retired) return `${primary.podName} is not to go any more`;
  const leaving = instances.find(({ deleting }) => deleting);
  if (leaving !== undefined) return `${leaving.podName} is gone`;
  // Each copy is work for the primary, which must have room for the WAL meanwhile.
  if (primary.diskFull) return `${primary.podName} has room on its disk`;
  const filling = instances.find(({ state, retired }) => state === "creating replica" && !retired);
  return filling === undefined ? undefined : `${filling.podName} has been filled`;
}
