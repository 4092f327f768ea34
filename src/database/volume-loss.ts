// Instances that lose what they hold: their volume is lost, is being deleted, or is gone. Which they are, and what becomes of them in
// words. Pure.
import { primaryOf, type Instance } from "./instances.ts";
import { isGoing, isLost } from "./volumes.ts";

/** There is a volume, and it is not being deleted. */
export function hasVolume({ volume }: Instance): boolean {
  return volume !== undefined && !isGoing(volume);
}

/** Its volume was there before its StatefulSet was made, and has been taken away since. */
export function isVanished({ statefulSet, volume }: Instance): boolean {
  return statefulSet !== undefined && volume === undefined;
}

/** What it holds cannot last: the volume is lost, or goes with its Pod. */
export function losesVolume({ volume }: Instance): boolean {
  return volume !== undefined && (isLost(volume) || isGoing(volume));
}

/** For people: how an instance loses its volume, and what becomes of it; undefined of an instance that does not. */
export function volumeLoss(instance: Instance, instances: readonly Instance[]): string | undefined {
  const { volume, podName } = instance;
  const primary = primaryOf(instances);
  // While somebody leads, one that is gone is made anew at once.
  if (!(isVanished(instance) && primary === undefined) && !losesVolume(instance)) return undefined;
  const what =
    volume === undefined
      ? "it is gone, with the data on it"
      : isLost(volume)
        ? `its PersistentVolume ${volume.spec?.volumeName ?? ""} is gone, with the data on it`
        : "it is being deleted, and goes with its Pod";
  if (primary === undefined)
    return `${what}; it is not made anew before another instance leads, which may have the data`;
  if (primary !== instance) return `${what}; the instance is filled again from ${primary.podName}`;
  return instances.some((other) => other.streaming && !losesVolume(other))
    ? `${what}; another instance takes over, then this one is filled again`
    : `${what}; no other instance has a copy: keep ${podName} running and raise spec.replicas, then it is replaced`;
}
