// Instances whose volume is lost, or is being deleted by somebody: which one is filled again from the primary next. And volumes
// that hold nothing and are not what the spec asks for. Pure.
// A volume goes in steps that can be taken up anywhere: (of the primary) another instance takes over → the claim of a lost one is
// deleted → the Pod that holds it is → the claim is made anew when it is gone (resolve.ts), and Patroni fills it.
import type { Act } from "./acts.ts";
import type { Database } from "./api.ts";
import { primaryOf, type Instance } from "./instances.ts";
import { isServing } from "./view.ts";
import { losesVolume } from "./volume-loss.ts";
import { isGoing, isMistaken } from "./volumes.ts";

/** The next act, or undefined when there is nothing to do or something to wait for. */
export function planReplacement({ spec }: Readonly<Database>, instances: readonly Instance[]): Act | undefined {
  const wanted = instances.filter(({ retired }) => !retired);
  const mistaken = wanted.find(({ volume }) => volume !== undefined && isMistaken(volume, spec.storage));
  if (mistaken !== undefined) return { type: "discardVolume", instance: mistaken };

  // Only while another instance leads: until then this one may be all that there is.
  const primary = primaryOf(instances);
  const staying = wanted.filter(({ statefulSet }) => statefulSet !== undefined);
  // One that is too many goes first.
  if (primary === undefined || staying.length > (spec.replicas ?? 1)) return undefined;
  const losing = staying.filter(losesVolume);
  for (const instance of losing.filter((other) => other !== primary).toSorted(byService)) {
    const act = planRefill(instance, staying);
    if (act !== undefined) return act;
  }
  return losing.includes(primary) ? planHandover(primary, staying) : undefined;
}

/** A replica. One that serves is disturbed only while all others serve. */
function planRefill(instance: Instance, staying: readonly Instance[]): Act | undefined {
  const { volume, deleting } = instance;
  if (volume === undefined || deleting || (isServing(instance) && !othersServe(instance, staying))) return undefined;
  if (!isGoing(volume)) return { type: "abandonVolume", instance };
  return holdsVolume(instance)
    ? { type: "deletePod", instance, because: `volume ${volume.metadata.name} is being deleted, and is made anew` }
    : undefined;
}

function planHandover(primary: Instance, staying: readonly Instance[]): Act | undefined {
  const candidate = staying.find((other) => other.streaming && !losesVolume(other));
  if (candidate === undefined || !othersServe(primary, staying)) return undefined;
  return {
    type: "switchover",
    instance: primary,
    candidate,
    because: `volume ${primary.name} is lost or being deleted`,
  };
}

const othersServe = (instance: Instance, staying: readonly Instance[]): boolean =>
  staying.every((other) => other === instance || isServing(other));

/** A Pod that no node has does not keep a claim from going; its successor waits for the new one. */
const holdsVolume = ({ pod }: Instance): boolean =>
  pod !== undefined && (pod.spec?.nodeName !== undefined || pod.status?.phase === "Running");

/** What does not serve anyway comes first. */
const byService = (a: Instance, b: Instance): number => Number(isServing(a)) - Number(isServing(b));
