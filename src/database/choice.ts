// Which instances must exist: those that do, then volumes that have none, then new numbers, until there are enough. Pure.
// Throws InvalidSpec where a person has to say which volume has the newest data.
import { InvalidSpec } from "./api.ts";
import { primaryOf, type Instance } from "./instances.ts";
import { annotations } from "./names.ts";
import { hasVolume } from "./volume-loss.ts";
import { isLost } from "./volumes.ts";

export interface Choice {
  /** Ascending. */
  readonly numbers: readonly number[];
  /** Volumes are being taken up: others follow when the primary leads. */
  readonly takingUp: boolean;
}

/**
 * While nobody leads and there are volumes of an earlier life (of another uid, or with the mark of the last primary), only
 * what runs already on a volume and the last primary's instance may exist: an empty or lagging one could win the race for the
 * leader key, and the true data would be refused as foreign.
 * @param uid of the Database
 * @throws InvalidSpec LastPrimaryUnknown
 */
export function chooseInstances(uid: string, replicas: number, instances: readonly Instance[]): Choice {
  const usable = instances.filter(({ retired }) => !retired);
  const fromEarlier = (instance: Instance): boolean =>
    instance.lastPrimary || instance.volume?.metadata.annotations?.[annotations.ownerUid] !== uid;
  if (primaryOf(instances) === undefined && usable.some((instance) => hasVolume(instance) && fromEarlier(instance))) {
    const first = chooseFirst(usable);
    return { numbers: sorted(first), takingUp: first.length < replicas };
  }

  // A StatefulSet that somebody deletes still counts: it is put back when it is gone.
  const running = usable.filter(({ statefulSet }) => statefulSet !== undefined);
  const used = new Set(instances.map(numberOf));
  const fresh = naturals().filter((number) => !used.has(number));
  const wanted = [...waitingOf(usable).map(numberOf), ...fresh.take(replicas)];
  const missing = Math.max(0, replicas - running.length);
  return { numbers: sorted([...running.map(numberOf), ...wanted.slice(0, missing)]), takingUp: false };
}

/** Those that may exist before anybody leads. A lost volume counts only where nothing else is left: it must not look like none. */
function chooseFirst(usable: readonly Instance[]): readonly number[] {
  const alive = usable.filter(({ statefulSet, volume }) => statefulSet !== undefined && volume !== undefined);
  const marked = usable.filter(({ lastPrimary }) => lastPrimary);
  if (marked.length > 1 && alive.length === 0) {
    throw new InvalidSpec(
      "LastPrimaryUnknown",
      `volumes ${names(marked)} all carry ${annotations.lastPrimary}: "true"; which of them has the newest data?`,
    );
  }
  const known = [...alive, ...marked.filter(isSound)];
  if (known.length > 0) return [...new Set(known.map(numberOf))];

  const waiting = waitingOf(usable);
  const left = waiting.filter(isSound);
  // Deletion marks every volume, so that a lost "true" shows: the others say "false". Without marks nobody has ever led.
  const haveLed = left.some(({ volume }) => volume?.metadata.annotations?.[annotations.lastPrimary] === "false");
  if (left.length > 1 && haveLed) {
    throw new InvalidSpec(
      "LastPrimaryUnknown",
      `the volume of the last primary is gone; which of ${names(left)} has the newest data?`,
    );
  }
  return [...left, ...waiting].slice(0, 1).map(numberOf);
}

/** Volumes without an instance. */
const waitingOf = (usable: readonly Instance[]): readonly Instance[] =>
  usable.filter((instance) => instance.statefulSet === undefined && hasVolume(instance));

const isSound = (instance: Instance): boolean =>
  hasVolume(instance) && instance.volume !== undefined && !isLost(instance.volume);

const numberOf = ({ number }: Instance): number => number;
const names = (instances: readonly Instance[]): string => instances.map(({ name }) => name).join(", ");
const sorted = (numbers: readonly number[]): readonly number[] => numbers.toSorted((a, b) => a - b);

function* naturals(): Generator<number> {
  for (let number = 1; ; number++) yield number;
}
