// Replicas whose data are of no use any more: which one is filled anew next. Pure.
import type { Act } from "./acts.ts";
import { primaryOf, stayingOf, type Instance } from "../instances.ts";
import { isServing } from "../status/view.ts";
import { losesNothing, refillWaitsFor, type RefillConditions } from "../troubles/refill.ts";
import type { Unusable } from "../troubles/unusable-data.ts";
import { losesVolume } from "../volume-loss.ts";

/**
 * The next act, or undefined when there is nothing to do or something to wait for.
 * @param givenUp by name: the replicas that have been of no use for a while, and why
 */
export function planReinitialization(
  instances: readonly Instance[],
  { givenUp, ...conditions }: RefillConditions & { readonly givenUp: ReadonlyMap<string, Unusable> },
): Act | undefined {
  const primary = primaryOf(instances);
  if (primary === undefined || refillWaitsFor(instances, conditions) !== undefined) return undefined;
  for (const instance of stayingOf(instances)) {
    const unusable = givenUp.get(instance.name);
    if (unusable === undefined || isServing(instance) || instance.holdsKey) continue;
    if (losesVolume(instance) || instance.diskFull || !losesNothing(instance, primary, unusable.cause)) continue;
    return { type: "reinitialize", instance, unusable };
  }
  return undefined;
}
