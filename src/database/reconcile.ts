// THE MAIN PATH: one pass over one Database. Level-triggered: it is told which, never why.
import {
  applyChildren,
  awaitChange,
  finalize,
  refTo,
  requeue,
  writeStatus,
  type Context,
  type ContestedPaths,
  type Outcome,
} from "../runtime/index.ts";
import { performAct } from "./rollout/acts.ts";
import { Database } from "./api.ts";
import { children } from "./children/index.ts";
import { cleanup } from "./cleanup.ts";
import { readEvidence } from "./troubles/evidence.ts";
import { mostUrgent, named, patienceMs } from "./failures.ts";
import { readInstances } from "./instances.ts";
import { annotations, commonLabels, fieldManager, finalizer } from "./names.ts";
import { provideOutside, type OutsideWorld } from "./outside/outside.ts";
import { readReferences, recheckAfterMs } from "./references.ts";
import { resolve, type ResolveSettings } from "./resolve.ts";
import { planRollout } from "./rollout/rollout.ts";
import type { Pass } from "./pass.ts";
import { withStrays } from "./stray-volumes.ts";
import type { StartFailures } from "./troubles/start-failures.ts";
import { computeStatus } from "./status/status.ts";
import type { UnusableReplicas } from "./troubles/unusable-replicas.ts";
import { troublesOf } from "./troubles/troubles.ts";
import { warningOf } from "./troubles/warnings.ts";

/** What a pass needs beside the runtime's context: ports to the outside, settings, and memory of what was observed. */
export interface Operator extends OutsideWorld {
  readonly settings: ResolveSettings;
  readonly contested: ContestedPaths;
  readonly startFailures: StartFailures;
  readonly unusableReplicas: UnusableReplicas;
  /** Wall clock, for conditions. */
  readonly now: () => Date;
}

export async function reconcile(database: Readonly<Database>, context: Context<Operator>): Promise<Outcome> {
  const { pass, requeueAfterMs } = await deleteOrAttempt(database, context);
  if (pass === undefined) return awaitChange;
  context.signal.throwIfAborted();
  const { troubles, lookAgainMs } = await findTroubles(database, pass, context); //                             cache, IO
  const status = computeStatus(database, { ...pass, troubles }, context.value.now()); //                        pure
  const { result } = await writeStatus(Database, database, status, fieldManager, context); //                   IO
  const warning = result === "updated" ? warningOf(database, status) : undefined; //                            pure
  if (warning !== undefined) context.events.emit(database, warning);
  const againMs = soonest(requeueAfterMs, lookAgainMs);
  // What has to be done, or looked at, earlier than the failure would be tried again.
  const isDue = againMs !== undefined && againMs < patienceMs(pass.failure);
  if (pass.failure !== undefined && !isDue) throw pass.failure;
  if (pass.failure !== undefined) {
    context.log[warning === undefined ? "debug" : "warn"](
      { err: pass.failure, againMs },
      "failed, and looked at again",
    );
  }
  return againMs === undefined ? awaitChange : requeue(againMs, pass.failure);
}

/** What is wrong with the instances, whatever became of the pass. A deletion takes them as they are. */
async function findTroubles(database: Readonly<Database>, pass: Pass, context: Context<Operator>) {
  const { instances = [], resolved, failure } = pass;
  if (database.metadata.deletionTimestamp !== undefined) return { troubles: [] };
  const { evidence, lookAgainMs } = await readEvidence(database, instances, context, {
    takingUp: resolved?.takingUp === true,
    failing: failure !== undefined,
  });
  return { troubles: troublesOf(instances, evidence), lookAgainMs };
}

/** Without a pass there is nothing to tell: the finalizer has just come or gone. */
async function deleteOrAttempt(database: Readonly<Database>, context: Context<Operator>): Promise<Partial<Attempt>> {
  const deleting = (waitingFor: string, failure?: unknown, requeueAfterMs?: number): Attempt => {
    const progress = { reason: "Deleting", message: waitingFor } as const;
    return { pass: { instances: readInstances(refTo(database), context.cache), progress, failure }, requeueAfterMs };
  };
  try {
    const ended = await finalize(Database, database, finalizer, (raw) => cleanup(raw, context), context); //    IO
    if (ended === "removed") context.value.memo.forget(database.metadata.uid ?? "");
    if (ended === "added" || ended === "removed") return {};
    if (ended !== "present") return deleting(`waiting for ${ended.waitingFor}`, undefined, ended.againInMs);
  } catch (failure) {
    if (database.metadata.deletionTimestamp === undefined) throw failure;
    return deleting(`cleaning up failed and is tried again: ${String(failure)}`, failure);
  }
  return attempt(database, context);
}

interface Attempt {
  readonly pass: Pass;
  readonly requeueAfterMs?: number | undefined;
}

/** All that is not deleting. A failure ends the steps, never the pass: what was reached so far still becomes status. */
async function attempt(database: Readonly<Database>, context: Context<Operator>): Promise<Attempt> {
  const { settings, ports, contested, unusableReplicas, monotonicMs } = context.value;
  const cached = readInstances(refTo(database), context.cache); //                                              cache
  let pass: Pass = { instances: cached };
  if (database.spec.paused === true) return { pass };
  let requeueAfterMs: number | undefined;
  try {
    const found = await withStrays(database, cached, context); //                                               IO, cache
    const references = await readReferences(database, context); //                                              IO, cache
    requeueAfterMs = recheckAfterMs(references);
    const resolved = resolve(database, references, found, settings); //                                         pure
    pass = { ...pass, resolved };

    const owner = { object: database, kind: Database };
    const marks = {
      fieldManager,
      labels: commonLabels(database.metadata.name),
      ownerUidAnnotation: annotations.ownerUid,
      contested,
    };
    const written = await applyChildren(resolved, owner, children, marks, context); //                          IO
    const { applied } = written;
    const failures = written.failures.map(({ child, error }) => ({ child, error: named(error) }));
    // What was just written counts: its echo wakes nobody.
    const instances = readInstances(refTo(database), context.cache); //                                         cache
    pass = { ...pass, instances, applied, failures };

    const outside = await provideOutside(database, resolved, instances, context); //                            IO
    pass = { ...pass, facts: outside.facts };

    const configured = outside.facts?.provisioned === true;
    const givenUp = unusableReplicas.givenUp(instances, monotonicMs()); //                                      memory
    const act = planRollout(database, instances, { takingUp: resolved.takingUp, configured, givenUp }); //      pure
    const situation = {
      database,
      resolved,
      instances,
      patroni: ports.patroni,
      unusableReplicas,
      now: context.value.now(),
    };
    const actAgainMs = act === undefined ? undefined : await performAct(act, situation, context); //            IO
    requeueAfterMs = soonest(requeueAfterMs, outside.againInMs, actAgainMs);
    const failed = [...failures.map(({ error }) => error), outside.failure].filter((error) => error !== undefined);
    return { pass: { ...pass, failure: mostUrgent(failed) }, requeueAfterMs };
  } catch (failure) {
    return { pass: { ...pass, failure }, requeueAfterMs };
  }
}

const soonest = (...times: readonly (number | undefined)[]): number | undefined => {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};
