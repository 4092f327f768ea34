// The instances of a Database, sorted by what they mean for its status, and a word for each. Pure.
import type { Database } from "../api.ts";
import { primaryOf, stayingOf, type Instance } from "../instances.ts";
import type { Pass } from "../pass.ts";
import type { Trouble } from "../troubles/troubles.ts";

/** The instances, sorted by what they mean for the status. */
export interface View {
  readonly deleting: boolean;
  readonly paused: boolean;
  readonly declared: number;
  /** Of each volume. */
  readonly declaredSize: string;
  /** The first pass of a Database that has never been another. */
  readonly unchanged: boolean;
  /** false: the cache was not asked. */
  readonly known: boolean;
  readonly primary: Instance | undefined;
  /** There has been a primary once. */
  readonly hadPrimary: boolean;
  /** Have something that runs, or will. A volume alone does not count. */
  readonly present: readonly Instance[];
  /** Have a StatefulSet. */
  readonly existing: readonly Instance[];
  /** Existing, and meant to stay. */
  readonly staying: readonly Instance[];
  /** Removed, or being removed, and still there. */
  readonly leaving: readonly Instance[];
  /** Staying, and doing what they are for. */
  readonly serving: readonly Instance[];
  readonly idle: readonly Instance[];
  /** What is wrong with instances, the most telling first. */
  readonly troubles: readonly Trouble[];
  /** Those of them that do not pass by themselves. */
  readonly lasting: readonly Trouble[];
  /** A word for the state of an instance, for people. */
  readonly describe: (instance: Instance) => string;
}

export function viewOf({ metadata, spec }: Readonly<Database>, pass: Pass): View {
  const { instances = [], troubles = [] } = pass;
  const present = instances.filter(({ statefulSet, pod }) => statefulSet !== undefined || pod !== undefined);
  const existing = present.filter((instance) => instance.statefulSet !== undefined);
  const staying = stayingOf(instances);
  return {
    deleting: metadata.deletionTimestamp !== undefined,
    paused: spec.paused === true,
    declared: spec.replicas ?? 1,
    declaredSize: spec.storage.size,
    unchanged: metadata.generation === 1,
    known: pass.instances !== undefined,
    primary: primaryOf(instances),
    hadPrimary: instances.some((instance) => instance.lastPrimary || instance.role === "primary"),
    present,
    existing,
    staying,
    leaving: present.filter((instance) => instance.retired),
    serving: staying.filter(isServing),
    idle: staying.filter((instance) => !isServing(instance)),
    troubles,
    lasting: troubles.filter(({ passing }) => !passing),
    describe: (instance) =>
      describe(
        instance,
        troubles.find((trouble) => trouble.instance === instance.name),
      ),
  };
}

/** A primary that accepts writes, or a replica that streams from it on its timeline. */
export const isServing = (instance: Instance): boolean =>
  instance.role === "primary" ? instance.ready && instance.state === "running" : instance.streaming;

function describe(instance: Instance, trouble: Trouble | undefined): string {
  const { podName, pod, role, state, ready, deleting } = instance;
  if (deleting) return `${podName} is being deleted`;
  if (trouble !== undefined) return `${trouble.subject}: ${trouble.detail}`;
  if (pod === undefined) return `${podName} does not exist`;
  if (ready) return `${podName} is ${role ?? state ?? "ready"}`;
  const { phase, containerStatuses } = pod.status ?? {};
  const waiting = containerStatuses?.map((container) => container.state?.waiting).find((found) => found !== undefined);
  if (waiting !== undefined) return `${podName} waits: ${waiting.reason ?? "unknown"}`;
  return `${podName} is ${state ?? phase?.toLowerCase() ?? "pending"}, not ready`;
}
