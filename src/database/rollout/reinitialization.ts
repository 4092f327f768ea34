// Replicas whose data are of no use any more: which one is filled anew next. Pure.
import type { Act } from "./acts.ts";
import { primaryOf, stayingOf, type Instance } from "../instances.ts";
import { isServing } from "../status/view.ts";
import { losesVolume } from "../volume-loss.ts";

/**
 * The next act, or undefined when there is nothing to do or something to wait for.
 * @param givenUp by name: the replicas that have been of no use for a while, and why
 */
export function planReinitialization(
  instances: readonly Instance[],
  { takingUp, givenUp }: { readonly takingUp: boolean; readonly givenUp: ReadonlyMap<string, string> },
): Act | undefined {
  const primary = primaryOf(instances);
  // Only from one that serves, and keeps what it has: until then this may be all that there is.
  if (takingUp || primary === undefined || !isServing(primary) || losesVolume(primary)) return undefined;
  if (primary.retired || instances.some(({ deleting }) => deleting)) return undefined;
  const staying = stayingOf(instances);
  // One at a time: each copy is work for the primary, which must have room for the WAL meanwhile.
  if (primary.diskFull || staying.some(({ state }) => state === "creating replica")) return undefined;
  const instance = staying.find(
    (other) =>
      givenUp.has(other.name) && !isServing(other) && !other.holdsKey && !losesVolume(other) && !other.diskFull,
  );
  if (instance === undefined) return undefined;
  return { type: "reinitialize", instance, because: givenUp.get(instance.name) ?? "" };
}
