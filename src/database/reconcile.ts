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
import { performAct } from "./acts.ts";
import { Database, InvalidSpec } from "./api.ts";
import { children } from "./children/index.ts";
import { cleanup } from "./cleanup.ts";
import { mostUrgent } from "./failures.ts";
import { primaryOf, readInstances } from "./instances.ts";
import { annotations, commonLabels, fieldManager, finalizer } from "./names.ts";
import { provision, type ProvisionMemo, type ProvisionPorts } from "./provision.ts";
import { readReferences, recheckAfterMs } from "./references.ts";
import { resolve, type ResolveSettings } from "./resolve.ts";
import { planRollout } from "./rollout.ts";
import type { Pass } from "./pass.ts";
import { computeStatus } from "./status.ts";
import { provisionRequest } from "./wishes.ts";

/** What a pass needs beside the runtime's context: ports to the outside, settings, and memory of what was observed. */
export interface Operator {
  readonly settings: ResolveSettings;
  readonly ports: ProvisionPorts;
  readonly memo: ProvisionMemo;
  readonly contested: ContestedPaths;
  /** Wall clock, for conditions. */
  readonly now: () => Date;
  /** Monotonic, in milliseconds. */
  readonly monotonicMs: () => number;
}

/** Two of Patroni's loops. */
const settleMs = 10_000;

export async function reconcile(database: Readonly<Database>, context: Context<Operator>): Promise<Outcome> {
  const { pass, requeueAfterMs } = await deleteOrAttempt(database, context);
  if (pass === undefined) return awaitChange;
  context.signal.throwIfAborted();
  const status = computeStatus(database, pass, context.value.now()); //                                         pure
  await writeStatus(Database, database, status, fieldManager, context); //                                      IO
  // What the spec refers to may be edited without an event: it is looked at again after a while.
  const isWaiting = pass.failure instanceof InvalidSpec && requeueAfterMs !== undefined;
  if (pass.failure !== undefined && !isWaiting) throw pass.failure;
  return requeueAfterMs === undefined ? awaitChange : requeue(requeueAfterMs);
}

/** Step 2. Without a pass there is nothing to tell: the finalizer has just come or gone. */
async function deleteOrAttempt(database: Readonly<Database>, context: Context<Operator>): Promise<Partial<Attempt>> {
  const deleting = (waitingFor: string, failure?: unknown): Attempt => {
    const progress = { reason: "Deleting", message: waitingFor } as const;
    return { pass: { instances: readInstances(refTo(database), context.cache), progress, failure } };
  };
  try {
    const ended = await finalize(Database, database, finalizer, (raw) => cleanup(raw, context), context); //    IO
    if (ended === "removed") context.value.memo.forget(database.metadata.uid ?? "");
    if (ended === "added" || ended === "removed") return {};
    if (ended !== "present") return deleting(`waiting for ${ended.waitingFor}`);
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

/** Steps 3 to 8. A failure ends the steps, never the pass: what was reached so far still becomes status. */
async function attempt(database: Readonly<Database>, context: Context<Operator>): Promise<Attempt> {
  const { settings, ports, memo, contested, monotonicMs } = context.value;
  const found = readInstances(refTo(database), context.cache); //                                               cache
  let pass: Pass = { instances: found };
  if (database.spec.paused === true) return { pass };
  let requeueAfterMs: number | undefined;
  try {
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
    const { applied, failures } = await applyChildren(resolved, owner, children, marks, context); //            IO
    // What was just written counts: its echo wakes nobody.
    const instances = readInstances(refTo(database), context.cache); //                                         cache
    pass = { ...pass, instances, applied, failures };

    const act = planRollout(database, instances); //                                                            pure
    // Its own writes do not wake it: the next step of the act is taken in a pass of its own.
    const primary = primaryOf(instances);
    if (act !== undefined && (await performAct(act, database, primary, context))) requeueAfterMs = 0; //        IO

    if (primary !== undefined) {
      const request = provisionRequest(database, resolved, primary); //                                         pure
      const now = monotonicMs();
      const facts = await provision(request, ports, memo, now, context.signal); //                              IO
      // Patroni's members take a changed configuration up, or ask for a restart, within a loop: until then nobody knows.
      const settlesInMs = (facts.configuredAtMs ?? -Infinity) + settleMs - now;
      if (settlesInMs > 0) requeueAfterMs = Math.min(requeueAfterMs ?? settlesInMs, settlesInMs);
      pass = { ...pass, facts: { provisioned: settlesInMs <= 0, serverVersion: facts.serverVersion } };
      tell(database, facts.changes, context);
    }
    return { pass: { ...pass, failure: mostUrgent(failures.map(({ error }) => error)) }, requeueAfterMs };
  } catch (failure) {
    return { pass: { ...pass, failure }, requeueAfterMs };
  }
}

function tell(database: Readonly<Database>, changes: readonly string[], { log, events }: Context<Operator>): void {
  if (changes.length === 0) return;
  const message = `Provided ${changes.join("; ")}`;
  log.info(message);
  events.emit(database, { type: "Normal", reason: "Provisioning", message });
}
