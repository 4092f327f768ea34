// More instances than declared: which one goes, and how far it has gone. Pure.
// An instance goes in steps that can be taken up anywhere: its volume is marked retired → its StatefulSet is deleted →
// (policy Delete) its volume is deleted. What is marked is not desired any more, so that a pass that was cut off goes on.
import { controllerOf } from "../../runtime/index.ts";
import type { Act } from "./acts.ts";
import type { Database } from "../api.ts";
import { primaryOf, type Instance } from "../instances.ts";
import { annotations } from "../names.ts";
import { losesVolume } from "../volume-loss.ts";

/** The next act, or undefined when there is nothing to do or something to wait for. */
export function planRetirement(database: Readonly<Database>, instances: readonly Instance[]): Act | undefined {
  const primary = primaryOf(instances);
  if (primary?.retired === true) return { type: "keep", instance: primary };
  // Only while another instance leads and keeps what it has: until then this one may be the one that takes over, or hold what
  // no other one does.
  if (primary === undefined || losesVolume(primary)) return undefined;
  for (const instance of instances.filter(({ retired }) => retired)) {
    const { statefulSet, pod } = instance;
    if (statefulSet !== undefined) {
      if (statefulSet.metadata.deletionTimestamp === undefined) return { type: "stop", instance };
    } else if (pod === undefined) {
      if (isRemoved(instance, database)) return { type: "removeVolume", instance };
    } else if (pod.metadata.deletionTimestamp === undefined) {
      // It is collected, unless somebody orphaned it.
      if (controllerOf(pod) !== undefined) return undefined;
      return { type: "deletePod", instance, because: "its instance is retired" };
    }
  }
  const staying = instances.filter(
    ({ retired, statefulSet, volume }) => !retired && (statefulSet ?? volume) !== undefined,
  );
  if (staying.length <= (database.spec.replicas ?? 1)) return undefined;
  const [candidate] = staying.filter((instance) => instance !== primary).toSorted(byWorth);
  return candidate === undefined ? undefined : { type: "retire", instance: candidate };
}

/** What has least to lose goes first, then the highest number. */
const byWorth = (a: Instance, b: Instance): number =>
  Number(losesVolume(b)) - Number(losesVolume(a)) || Number(a.streaming) - Number(b.streaming) || b.number - a.number;

/** The policy is Delete, and was when it was retired: what was kept once is not taken back by an edit. */
function isRemoved({ volume }: Instance, { metadata, spec }: Readonly<Database>): boolean {
  const { annotations: marks = {}, deletionTimestamp } = volume?.metadata ?? {};
  const isOurs = marks[annotations.ownerUid] === metadata.uid;
  const mayGo = spec.deletionPolicy === "Delete" && marks[annotations.retired] === "Delete";
  return isOurs && mayGo && deletionTimestamp === undefined;
}
