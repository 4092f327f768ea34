// The acts of a rollout, and how one is done. Each is a step that can be taken up anywhere: a pass that was cut off plans it again.
import {
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  refTo,
  StatefulSet,
  writeMarks,
  type Context,
} from "../../runtime/index.ts";
import type { Database, Reason } from "../api.ts";
import { leaderOf, type Instance } from "../instances.ts";
import { annotations } from "../names.ts";
import { isLeading, type Patroni } from "../outside/patroni.ts";
import { PortError } from "../outside/port-error.ts";
import type { ResolvedDatabase } from "../resolve.ts";
import { remove } from "../removal.ts";
import { isStillUnusable } from "./last-look.ts";
import type { Unusable } from "../troubles/unusable-data.ts";
import type { UnusableReplicas } from "../troubles/unusable-replicas.ts";
import { losesVolume } from "../volume-loss.ts";
import { patroniAddress } from "../outside/wishes.ts";

export type Act =
  /** There are more instances than declared: mark this one. */
  | { readonly type: "retire"; readonly instance: Instance }
  /** It was marked, and leads all the same (a failover came between): it stays, another one goes. */
  | { readonly type: "keep"; readonly instance: Instance }
  /** It is marked: stop it by deleting its StatefulSet. */
  | { readonly type: "stop"; readonly instance: Instance }
  /** It is marked and stopped, and the policy is not to keep volumes. */
  | { readonly type: "removeVolume"; readonly instance: Instance }
  /** Its volume was never bound and is not what the spec asks for: it holds nothing, and is made anew. */
  | { readonly type: "discardVolume"; readonly instance: Instance }
  /** Its volume is lost: it is made anew, and filled from the primary. */
  | { readonly type: "abandonVolume"; readonly instance: Instance }
  /** Its Pod goes in good order and comes back from its StatefulSet as declared. `because` fits behind a colon. */
  | { readonly type: "deletePod"; readonly instance: Instance; readonly because: string }
  /** PostgreSQL is restarted in its Pod, for parameters that wait for that. */
  | { readonly type: "restart"; readonly instance: Instance; readonly because: string }
  /** What a replica holds is of no use any more: Patroni throws it away and fills it anew from the primary. */
  | { readonly type: "reinitialize"; readonly instance: Instance; readonly unusable: Unusable }
  /** The primary hands over to a replica that streams. */
  | {
      readonly type: "switchover";
      readonly instance: Instance;
      readonly candidate: Instance;
      readonly because: string;
    };

/** What an act was planned from, and how Patroni is reached. */
export interface Situation {
  readonly database: Readonly<Database>;
  readonly resolved: ResolvedDatabase;
  readonly instances: readonly Instance[];
  readonly patroni: Patroni;
  /** What is remembered of replicas that do not follow. */
  readonly unusableReplicas: Pick<UnusableReplicas, "forget">;
  /** Wall clock: how old an object is. */
  readonly now: Date;
}

/**
 * The next step is taken in a pass of its own: our own writes do not wake us. Not after what Patroni did, which shows when its
 * members say so; nor when nothing was done, since the plan is then made again when the cache has caught up.
 */
const nextStepMs = 0;
/** Two of Patroni's loops. Only while a request of ours is under way, or the world does not look as it was planned from. */
const lookAgainMs = 10_000;

/** A volume that was made only now may be bound yet. */
const timeToBindMs = 10_000;

const takesAway: ReadonlySet<Act["type"]> = new Set([
  "retire",
  "stop",
  "removeVolume",
  "abandonVolume",
  "reinitialize",
]);

/** What the instance holds may be gone after it. Without a sound volume PostgreSQL may not come back after a restart either. */
const endsCopy = ({ type, instance }: Act): boolean =>
  takesAway.has(type) || ((type === "deletePod" || type === "restart") && (instance.retired || losesVolume(instance)));

/**
 * Does what was planned, if a live read says that the same instance leads as in the plan: the cache can be behind a failover.
 * @returns when to look again at the latest, in milliseconds; undefined where changes tell
 * @throws ApiError, PortError (PatroniRefused with what it said)
 */
export async function performAct<V>(act: Act, situation: Situation, context: Context<V>): Promise<number | undefined> {
  const { events, log } = context;
  const { database } = situation;
  const { instance } = act;
  if (act.type !== "keep" && !(await isStillDue(act, situation, context))) return lookAgainMs;
  const tell: Tell = (reason, message) => {
    log.info({ instance: instance.name }, message);
    events.emit(database, { type: "Normal", reason, message });
  };
  switch (act.type) {
    case "retire":
      if (instance.volume === undefined) await stop(instance, context);
      else await mark(instance, database.spec.deletionPolicy ?? "Retain", context);
      tell("RetiringInstances", `Instance ${instance.name} is retired: ${database.spec.replicas ?? 1} are declared`);
      return nextStepMs;
    case "keep":
      await mark(instance, undefined, context);
      tell("RetiringInstances", `Instance ${instance.name} became the primary while it was being retired: it stays`);
      return nextStepMs;
    case "stop":
      await stop(instance, context);
      return nextStepMs;
    case "removeVolume":
      await removeVolume(instance, context);
      tell("RetiringInstances", `Volume ${instance.name} is deleted, as the deletion policy says`);
      return nextStepMs;
    case "discardVolume": {
      const bindsForMs = maybeBoundMs(instance, situation.now);
      if (bindsForMs > 0) return bindsForMs;
      await removeVolume(instance, context);
      tell("ReplacingInstance", `Volume ${instance.name} is made anew: it was never bound, and is not as declared`);
      return nextStepMs;
    }
    case "abandonVolume":
      await removeVolume(instance, context);
      tell("ReplacingInstance", `Volume ${instance.name} is lost: it is made anew and filled from the primary`);
      return nextStepMs;
    case "deletePod":
      if (instance.pod === undefined) return undefined;
      await remove(Pod, instance.pod, context);
      tell("RollingOut", `Restarting ${instance.podName}: ${act.because}`);
      return nextStepMs;
    case "restart":
      return restart(act, situation, tell, context.signal);
    case "reinitialize":
      return reinitialize(act, situation, tell, context);
    case "switchover":
      return switchOver(act, situation, tell, context.signal);
  }
}

/** As log line and Event. */
type Tell = (reason: Reason, message: string) => void;
type Of<T extends Act["type"]> = Extract<Act, { readonly type: T }>;

/**
 * A live read says that the same instance leads as in the plan. And whatever was planned: no copy of the data is ended unless
 * another instance leads.
 */
async function isStillDue<V>(act: Act, situation: Situation, { client, signal }: Context<V>): Promise<boolean> {
  const { database, instances } = situation;
  const leader = leaderOf(await client.get(Endpoints, refTo(database), { signal }));
  const planned = instances.find(({ holdsKey }) => holdsKey)?.podName;
  const leading = instances.find(({ podName }) => podName === leader);
  if (leading?.podName !== planned) return false;
  return !endsCopy(act) || (leader !== act.instance.podName && (await leads(leading, situation, signal)));
}

/** The key and Ready outlive the Pod for a while when its node is lost: only itself can say that it still leads. */
async function leads(
  instance: Instance | undefined,
  { patroni, resolved }: Situation,
  signal: AbortSignal,
): Promise<boolean> {
  if (instance?.ip === undefined) return false;
  const ask = () => patroni.status(patroniAddress(resolved, instance), signal);
  return isLeading(await asked(`whether ${instance.podName} leads`, ask), instance.podName);
}

/** Whoever changes claims on their way in would have each made anew at once, for ever: one that is bound meanwhile stays. */
function maybeBoundMs({ volume }: Instance, now: Date): number {
  const ageMs = now.getTime() - Date.parse(volume?.metadata.creationTimestamp ?? "");
  // By a clock that is behind it is new.
  return timeToBindMs - Math.max(0, ageMs);
}

/** Not where a live look says that it is not the time, or no longer needed: the cache will tell. */
async function restart(
  { instance, because }: Of<"restart">,
  { patroni, resolved }: Situation,
  tell: Tell,
  signal: AbortSignal,
): Promise<number | undefined> {
  const address = patroniAddress(resolved, instance);
  const { name, state, pendingRestart } = await patroni.status(address, signal);
  if (name !== instance.podName || state !== "running" || !pendingRestart) return lookAgainMs;
  const what = `restart of PostgreSQL in ${instance.podName}`;
  const answered = await asked(what, () => patroni.restart(address, signal));
  tell("RollingOut", `Restarting PostgreSQL in ${instance.podName}: ${because}`);
  return answered === "done" ? undefined : lookAgainMs;
}

/** Not where the last look says otherwise. Patroni itself refuses while it is doing something else, e.g. rewinds. */
async function reinitialize<V>(
  act: Of<"reinitialize">,
  situation: Situation,
  tell: Tell,
  context: Context<V>,
): Promise<number | undefined> {
  const { instance, unusable } = act;
  const { patroni, resolved, unusableReplicas } = situation;
  const what = `filling ${instance.podName} anew`;
  // Whatever comes of it: it is not done twice for one finding.
  unusableReplicas.forget(instance);
  if (!(await asked(what, () => isStillUnusable(act, situation, context)))) return lookAgainMs;
  await asked(what, () => patroni.reinitialize(patroniAddress(resolved, instance), context.signal));
  tell("ReplacingInstance", `Instance ${instance.name} is filled anew from the primary: ${unusable.words}`);
  return lookAgainMs;
}

async function switchOver(
  { instance, candidate, because }: Of<"switchover">,
  { patroni, resolved }: Situation,
  tell: Tell,
  signal: AbortSignal,
): Promise<number | undefined> {
  const members = { leader: instance.podName, candidate: candidate.podName };
  const what = `switchover from ${members.leader} to ${members.candidate}`;
  const answered = await asked(what, () => patroni.switchover(patroniAddress(resolved, instance), members, signal));
  tell("RollingOut", `Switching over from ${members.leader} to ${members.candidate}: ${because}`);
  return answered === "done" ? undefined : lookAgainMs;
}

/** An error says by name what failed: addresses tell people little. */
async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof PortError ? error.about(what) : error;
  }
}

async function stop<V>({ statefulSet }: Instance, context: Context<V>): Promise<void> {
  if (statefulSet !== undefined) await remove(StatefulSet, statefulSet, context);
}

async function removeVolume<V>({ volume }: Instance, context: Context<V>): Promise<void> {
  if (volume !== undefined) await remove(PersistentVolumeClaim, volume, context);
}

async function mark<V>(
  { volume }: Instance,
  retired: "Retain" | "Delete" | undefined,
  { client, signal }: Context<V>,
): Promise<void> {
  if (volume === undefined) return;
  await writeMarks(
    client,
    PersistentVolumeClaim,
    volume,
    { annotations: { [annotations.retired]: retired } },
    { signal },
  );
}
