// Looks up what the objects of a troubled instance do not tell: Events from the cache, and, only while something is wrong, its
// StorageClass and the end of its log. What cannot be read is left out, and never fails a pass.
import {
  findCondition,
  isNotFound,
  KubeEvent,
  StorageClass,
  type Cache,
  type KubeClient,
  type Log,
} from "../../runtime/index.ts";
import type { Database } from "../api.ts";
import { primaryOf, type Instance } from "../instances.ts";
import { readInstanceLog, type InstanceLog } from "./instance-log.ts";
import { lastWords } from "./last-words.ts";
import { occurredAtMs } from "./refusals.ts";
import type { StartFailures } from "./start-failures.ts";
import { outlookOf, type RefillConditions } from "./refill.ts";
import type { Evidence, UnusableData } from "./troubles.ts";
import type { UnusableReplicas } from "./unusable-replicas.ts";
import { isUnbound } from "../volumes.ts";

export interface EvidenceContext {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly value: {
    readonly startFailures: StartFailures;
    readonly unusableReplicas: UnusableReplicas;
    readonly monotonicMs: () => number;
  };
}

export interface Found {
  readonly evidence: Evidence;
  /** Neither StorageClasses nor logs are watched: when to look again whether a missing one is there, or what a replica says. */
  readonly lookAgainMs?: number;
}

const missingAgainMs = 30_000;

/** What became of the pass, as far as a replica that is of no use waits for it. */
export interface PassConditions extends RefillConditions {
  readonly failing: boolean;
}

export async function readEvidence(
  database: Readonly<Database>,
  instances: readonly Instance[],
  context: EvidenceContext,
  conditions: PassConditions = { takingUp: false, failing: false },
): Promise<Found> {
  const troubled = instances.filter(({ ready, deleting, retired }) => !ready && !deleting && !retired);
  const [classes, unusable, startFailures] = await Promise.all([
    readClasses(troubled, context),
    readUnusable(instances, context, { ...conditions, paused: database.spec.paused === true }),
    readStartFailures(troubled, context),
  ]);
  const dueMs = [...([...classes.values()].includes(undefined) ? [missingAgainMs] : []), ...unusable.againMs];
  return {
    evidence: {
      refusals: readRefusals(database, troubled, context.cache),
      classes,
      startFailures,
      unusable: unusable.data,
    },
    ...(dueMs.length === 0 ? {} : { lookAgainMs: Math.min(...dueMs) }),
  };
}

/** While nobody leads no replica follows: it says nothing of its data. */
async function readUnusable(
  instances: readonly Instance[],
  context: EvidenceContext,
  conditions: PassConditions & { readonly paused: boolean },
) {
  const data = new Map<string, UnusableData>();
  const againMs: number[] = [];
  const primary = primaryOf(instances);
  const { unusableReplicas, monotonicMs } = context.value;
  const look = async (instance: Instance, leading: Instance): Promise<void> => {
    const looked = await unusableReplicas.look(instance, leading, monotonicMs(), () => readLog(instance, context));
    const { unusable } = looked;
    if (looked.againMs !== undefined) againMs.push(looked.againMs);
    if (unusable === undefined) return;
    data.set(instance.name, {
      words: unusable.words,
      outlook: outlookOf(instance, instances, unusable, conditions),
    });
  };
  if (primary !== undefined) await Promise.all(instances.map((instance) => look(instance, primary)));
  if (primary === undefined || conditions.paused) unusableReplicas.suspend(instances);
  return { data, againMs };
}

function readLog(instance: Instance, context: EvidenceContext): Promise<InstanceLog | undefined> {
  return attempt(`log of ${instance.podName}`, context, () => readInstanceLog(instance, context));
}

/**
 * Of each StatefulSet without a Pod why it was refused last. Events outlive what they tell of by an hour: one from before Ready
 * last changed is of an earlier occasion.
 */
function readRefusals(database: Readonly<Database>, troubled: readonly Instance[], cache: Cache): Evidence["refusals"] {
  const waiting = new Set(troubled.flatMap(({ pod, statefulSet }) => (pod ? [] : (statefulSet?.metadata.uid ?? []))));
  const refusals = new Map<string, string>();
  if (waiting.size === 0) return refusals;
  const { namespace } = database.metadata;
  const since = Date.parse(findCondition(database.status?.conditions, "Ready")?.lastTransitionTime ?? "");
  const events = cache
    .list(KubeEvent, namespace === undefined ? {} : { namespace })
    .filter(({ regarding: { uid = "" } }) => waiting.has(uid))
    .filter((event) => !(occurredAtMs(event) < since - clockSkewMs))
    .toSorted((a, b) => occurredAtMs(a) - occurredAtMs(b));
  for (const { regarding, note } of events) refusals.set(regarding.uid ?? "", note);
  return refusals;
}

/** Both times are whole seconds, of two machines. */
const clockSkewMs = 2_000;

async function readClasses(troubled: readonly Instance[], context: EvidenceContext): Promise<Evidence["classes"]> {
  const volumes = troubled.flatMap(({ volume }) => (volume !== undefined && isUnbound(volume) ? [volume] : []));
  const names = new Set(volumes.flatMap(({ spec }) => spec?.storageClassName || []));
  const classes = new Map<string, { provisioner: string } | undefined>();
  for (const name of names) {
    const { client, signal } = context;
    await attempt(`StorageClass ${name}`, context, async () => {
      classes.set(name, await client.get(StorageClass, { name }, { signal }));
    });
  }
  return classes;
}

async function readStartFailures(
  troubled: readonly Instance[],
  context: EvidenceContext,
): Promise<Evidence["startFailures"]> {
  const { startFailures, monotonicMs } = context.value;
  const failures = new Map();
  const read = async (instance: Instance): Promise<void> => {
    const failure = await startFailures.of(instance, monotonicMs(), async () => {
      const log = await readLog(instance, context);
      return log === undefined ? undefined : lastWords(log.text);
    });
    if (failure !== undefined) failures.set(instance.pod?.metadata.uid ?? "", failure);
  };
  await Promise.all(troubled.filter(({ pod }) => pod !== undefined).map(read));
  return failures;
}

/** The operator may lack the right, the node may be gone: then less is known, and nothing else is wrong. */
async function attempt<T>(
  what: string,
  { signal, log }: EvidenceContext,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    signal.throwIfAborted();
    if (!isNotFound(error)) log.debug({ err: error, what }, "could not be read");
    return undefined;
  }
}
