// The live look before the data of a replica are thrown away: whatever led to that may be over, and addresses another Pod's by now.
import { isDeepStrictEqual } from "node:util";
import { Endpoints, PersistentVolumeClaim, Pod, refTo, type Context } from "../../runtime/index.ts";
import { primaryOf, type Instance } from "../instances.ts";
import { namesOf } from "../names.ts";
import { neverLed } from "../past-primaries.ts";
import { isLeading, type Patroni } from "../outside/patroni.ts";
import { patroniAddress } from "../outside/wishes.ts";
import type { ResolvedDatabase } from "../resolve.ts";
import { readInstanceLog } from "../troubles/instance-log.ts";
import { losesNothing } from "../troubles/refill.ts";
import { unusableFor, type Unusable } from "../troubles/unusable-data.ts";

/**
 * The log says the same still, and nothing after it; Pod and volume are those of the plan; replica and primary say of themselves who they are,
 * and what makes it safe (refill.ts).
 * @throws ApiError, PortError
 */
export async function isStillUnusable<V>(
  { instance, unusable }: { readonly instance: Instance; readonly unusable: Unusable },
  world: { readonly instances: readonly Instance[]; readonly resolved: ResolvedDatabase; readonly patroni: Patroni },
  context: Context<V>,
): Promise<boolean> {
  const { instances, resolved, patroni } = world;
  const { signal } = context;
  const primary = primaryOf(instances);
  if (primary === undefined || primary.podName === instance.podName) return false;
  if (!isDeepStrictEqual(await saidNow(instance, context), unusable)) return false;
  const live = await liveObjects(instance, resolved.name, context);
  if (live === undefined) return false;
  const [leader, own] = await Promise.all([
    patroni.status(patroniAddress(resolved, primary), signal),
    patroni.status(patroniAddress(resolved, instance), signal),
  ]);
  const isOther = own.name !== instance.podName || own.role === "primary" || own.streaming;
  if (!isLeading(leader, primary.podName) || isOther || own.state === "creating replica") return false;
  const held = {
    timeline: own.timeline,
    neverLed: neverLed(instance.podName, live.volume, live.configuration, leader.timeline),
  };
  // One that asks for WAL runs, and one without a control file does not.
  const { type } = unusable.cause;
  const fits = type === "walRemoved" ? own.state === "running" : own.state !== "running" && own.timeline === undefined;
  return fits && losesNothing(held, { timeline: leader.timeline }, unusable.cause);
}

/** undefined also where the log cannot be read, or not to its end. */
async function saidNow<V>(instance: Instance, { client, signal, log }: Context<V>): Promise<Unusable | undefined> {
  try {
    const read = await readInstanceLog(instance, { client, signal });
    return read?.whole === true ? unusableFor(read.text) : undefined;
  } catch (error) {
    signal.throwIfAborted();
    log.debug({ err: error, instance: instance.name }, "its log could not be read");
    return undefined;
  }
}

/** As long as its Pod has the address that is about to be asked; undefined where anything is another one by now. */
async function liveObjects<V>({ pod, volume, ip }: Instance, database: string, { client, signal }: Context<V>) {
  if (pod === undefined || volume === undefined || ip === undefined) return undefined;
  const endpoints = { ...refTo(pod), name: namesOf(database).configurationEndpoints };
  const [livePod, liveClaim, configuration] = await Promise.all([
    client.get(Pod, refTo(pod), { signal }),
    client.get(PersistentVolumeClaim, refTo(volume), { signal }),
    client.get(Endpoints, endpoints, { signal }),
  ]);
  for (const [live, planned] of [[livePod, pod] as const, [liveClaim, volume] as const]) {
    if (live === undefined || live.metadata.uid !== planned.metadata.uid) return undefined;
    if (live.metadata.deletionTimestamp !== undefined) return undefined;
  }
  return livePod?.status?.podIP === ip ? { volume: liveClaim, configuration } : undefined;
}
