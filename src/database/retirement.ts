// More instances than declared: which one goes, and how far it has gone. Pure.
// An instance goes in steps that can be taken up anywhere: its volume is marked retired → its StatefulSet is deleted →
// (policy Delete) its volume is deleted. What is marked is not desired any more, so that a pass that was cut off goes on.
import type { Act } from "./acts.ts";
import type { Database } from "./api.ts";
import { primaryOf, type Instance } from "./instances.ts";
import { annotations } from "./names.ts";

/** The next act, or undefined when there is nothing to do or something to wait for. */
export function planRetirement(database: Readonly<Database>, instances: readonly Instance[]): Act | undefined {
  const { replicas = 1, deletionPolicy } = database.spec;
  const primary = primaryOf(instances);
  for (const instance of instances.filter(({ retired }) => retired)) {
    if (instance === primary) return { type: "keep", instance };
    if (instance.deleting) return undefined;
    // Only while another instance leads: until then this one may be the one that takes over.
    if (instance.statefulSet !== undefined) return primary === undefined ? undefined : { type: "stop", instance };
    if (instance.pod !== undefined) return undefined;
    // Only while another instance leads: until then this volume might hold what no other one does.
    if (deletionPolicy === "Delete" && primary !== undefined && isOurs(instance, database)) {
      if (instance.volume?.metadata.deletionTimestamp === undefined) return { type: "removeVolume", instance };
    }
  }
  const staying = instances.filter(({ retired }) => !retired);
  if (staying.length <= replicas || primary === undefined) return undefined;
  const [candidate] = staying
    .filter((instance) => instance !== primary)
    .toSorted((a, b) => Number(a.streaming) - Number(b.streaming) || b.number - a.number);
  return candidate === undefined ? undefined : { type: "retire", instance: candidate };
}

function isOurs({ volume }: Instance, { metadata }: Readonly<Database>): boolean {
  return volume?.metadata.annotations?.[annotations.ownerUid] === metadata.uid;
}
