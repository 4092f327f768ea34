// Instances whose volume is lost, or is taken away by somebody: which one is filled again from the primary next. And volumes
// that hold nothing and are not what the spec asks for. Pure.
// A volume goes in steps that can be taken up anywhere: (of the primary) another instance takes over → the claim of a lost one is
// deleted → the Pod that holds it is → the claim is made anew when it is gone (resolve.ts), and Patroni fills it.
import type { Act } from "./acts.ts";
import type { Database } from "../api.ts";
import { primaryOf, stayingOf, type Instance } from "../instances.ts";
import { isServing } from "../status/view.ts";
import { losesVolume } from "../volume-loss.ts";
import { isGoing, isLost, isMistaken } from "../volumes.ts";

/** The next act, or undefined when there is nothing to do or something to wait for. */
export function planReplacement({ spec }: Readonly<Database>, instances: readonly Instance[]): Act | undefined {
  // Only while another instance leads: until then this one may be all that there is.
  const primary = primaryOf(instances);
  if (primary === undefined) return undefined;
  const handover = losesVolume(primary) ? planHandover(primary, instances) : undefined;
  const staying = stayingOf(instances);
  // One that is too many goes first, and not before the primary is one that keeps what it has.
  if (staying.length > (spec.replicas ?? 1)) return handover;
  for (const instance of staying.filter((other) => other !== primary && losesVolume(other)).toSorted(byService)) {
    const act = planRefill(instance, staying);
    if (act !== undefined) return act;
  }
  return handover;
}

/** A volume that is made anew though it is not lost. Nothing else waits for it. */
export function planDiscard({ spec }: Readonly<Database>, instances: readonly Instance[]): Act | undefined {
  const wanted = instances.filter(({ retired }) => !retired);
  const mistaken = wanted.find(({ volume }) => volume !== undefined && isMistaken(volume, spec.storage));
  return mistaken === undefined ? undefined : { type: "discardVolume", instance: mistaken };
}

/** A replica. One that serves is disturbed only while all others serve. */
function planRefill(instance: Instance, staying: readonly Instance[]): Act | undefined {
  const { volume, deleting } = instance;
  if (volume === undefined || deleting || (isServing(instance) && !othersServe(instance, staying))) return undefined;
  if (isLost(volume) && !isGoing(volume)) return { type: "abandonVolume", instance };
  const because = isGoing(volume)
    ? `volume ${volume.metadata.name} is being deleted, and is made anew`
    : `volume ${volume.metadata.name} was taken away, and has been made anew`;
  return holdsVolume(instance) ? { type: "deletePod", instance, because } : undefined;
}

/** One that is to go but still streams is better than none: it stays when it leads. */
function planHandover(primary: Instance, instances: readonly Instance[]): Act | undefined {
  const [candidate] = instances
    .filter((other) => other.streaming && other.statefulSet !== undefined && !other.deleting && !losesVolume(other))
    .toSorted((a, b) => Number(a.retired) - Number(b.retired));
  if (candidate === undefined) return undefined;
  return {
    type: "switchover",
    instance: primary,
    candidate,
    because: `volume ${primary.name} is lost or taken away`,
  };
}

const othersServe = (instance: Instance, staying: readonly Instance[]): boolean =>
  staying.every((other) => other === instance || isServing(other));

/** A Pod that no node has does not keep a claim from going; its successor waits for the new one. */
const holdsVolume = ({ pod }: Instance): boolean =>
  pod !== undefined && (pod.spec?.nodeName !== undefined || pod.status?.phase === "Running");

/** What does not serve anyway comes first. */
const byService = (a: Instance, b: Instance): number => Number(isServing(a)) - Number(isServing(b));
