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

/**
 * Its Pod has another volume than its claim: one that was taken away by force while the Pod used it. A node gets a Pod only when
 * the claim is there, so that a claim made after that is another one. Both times are the API server's, in whole seconds.
 */
export function hasOtherVolume({ pod, volume }: Instance): boolean {
  const scheduled = pod?.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "True");
  return Date.parse(scheduled?.lastTransitionTime ?? "") < Date.parse(volume?.metadata.creationTimestamp ?? "");
}

/** What it holds cannot last: the volume is lost, or is there only as long as its Pod. */
export function losesVolume(instance: Instance): boolean {
  const { volume } = instance;
  if (volume === undefined) return isVanished(instance);
  return isLost(volume) || isGoing(volume) || hasOtherVolume(instance);
}

/** For people: how an instance loses its volume, and what becomes of it; undefined of an instance that does not. */
export function volumeLoss(instance: Instance, instances: readonly Instance[]): string | undefined {
  const { volume, podName } = instance;
  const primary = primaryOf(instances);
  if (!losesVolume(instance)) return undefined;
  // While another instance leads, one that is gone is made anew at once.
  if (volume === undefined && primary !== undefined && primary !== instance) return undefined;
  const what = wayOf(instance);
  if (primary === undefined)
    return `${what}; it is not made anew before another instance leads, which may have the data`;
  if (primary !== instance) return `${what}; the instance is filled again from ${primary.podName}`;
  return instances.some((other) => other.streaming && !losesVolume(other))
    ? `${what}; another instance takes over, then this one is filled again`
    : `${what}; no other instance has a copy: keep ${podName} running and raise spec.replicas, then it is replaced`;
}

function wayOf(instance: Instance): string {
  const { volume } = instance;
  if (volume === undefined) {
    return instance.role === "primary"
      ? "it was taken away, and the data on it go with the Pod"
      : "it is gone, with the data on it";
  }
  if (isLost(volume)) return `its PersistentVolume ${volume.spec?.volumeName ?? ""} is gone, with the data on it`;
  if (isGoing(volume)) return "it is being deleted, and goes with its Pod";
  return "it is newer than the Pod, whose own was taken away and goes with it";
}
