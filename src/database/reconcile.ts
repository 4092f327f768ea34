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
import { Database, InvalidSpec } from "./api.ts";
import { children } from "./children/index.ts";
import { cleanup, type Waiting } from "./cleanup.ts";
import { primaryOf, readInstances } from "./instances.ts";
import { annotations, fieldManager, finalizer, managedByHoldfast } from "./names.ts";
import { provision, type ProvisionMemo, type ProvisionPorts } from "./provision.ts";
import { readReferences, recheckAfterMs } from "./references.ts";
import { resolve, type ResolveSettings } from "./resolve.ts";
import { performAct, planRollout } from "./rollout.ts";
import { computeStatus, type Pass } from "./status.ts";
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

export async function reconcile(database: Readonly<Database>, context: Context<Operator>): Promise<Outcome> {
  const ended = await finalize(Database, database, finalizer, (raw) => cleanup(raw, context), context); //      IO
  if (ended === "removed") context.value.memo.forget(database.metadata.uid ?? "");
  if (ended === "added" || ended === "removed") return awaitChange;

  const { pass, requeueAfterMs } =
    ended === "present" ? await attempt(database, context) : waiting(database, ended, context);
  context.signal.throwIfAborted();
  const status = computeStatus(database, pass, context.value.now()); //                                         pure
  await writeStatus(Database, database, status, fieldManager, context); //                                      IO
  // What waits for an edit of something that is not watched is looked at again after a while.
  const isWaiting = pass.failure instanceof InvalidSpec && requeueAfterMs !== undefined;
  if (pass.failure !== undefined && !isWaiting) throw pass.failure;
  return requeueAfterMs === undefined ? awaitChange : requeue(requeueAfterMs);
}

interface Attempt {
  readonly pass: Pass;
  readonly requeueAfterMs?: number | undefined;
}

/** Steps 3 to 8. A failure ends the steps, never the pass: what was reached so far still becomes status. */
async function attempt(database: Readonly<Database>, context: Context<Operator>): Promise<Attempt> {
  const { settings, ports, memo, contested, monotonicMs } = context.value;
  const instances = readInstances(refTo(database), context.cache); //                                           cache
  if (database.spec.paused === true) return { pass: { instances } };
  let pass: Pass = { instances };
  let requeueAfterMs: number | undefined;
  try {
    const references = await readReferences(database, context); //                                              IO, cache
    requeueAfterMs = recheckAfterMs(references);
    const resolved = resolve(database, references, instances, settings); //                                     pure
    pass = { ...pass, resolved };

    const owner = { object: database, kind: Database };
    const marks = { fieldManager, labels: managedByHoldfast, ownerUidAnnotation: annotations.ownerUid, contested };
    const { applied, failures } = await applyChildren(resolved, owner, children, marks, context); //            IO
    pass = { ...pass, applied, failures };

    const act = planRollout(database, instances); //                                                            pure
    // Its own writes do not wake it: the next step of the act is taken in a pass of its own.
    if (act !== undefined && (await performAct(act, database, context))) requeueAfterMs = 0; //                 IO

    const primary = primaryOf(instances);
    if (primary !== undefined) {
      const request = provisionRequest(database, resolved, primary); //                                         pure
      const { serverVersion, changes } = await provision(request, ports, memo, monotonicMs(), context.signal); // IO
      pass = { ...pass, facts: { provisioned: true, serverVersion } };
      tell(database, changes, context);
    }
    return { pass: { ...pass, failure: failures[0]?.error }, requeueAfterMs };
  } catch (failure) {
    return { pass: { ...pass, failure }, requeueAfterMs };
  }
}

/** A deletion that is not done yet. */
function waiting(database: Readonly<Database>, { waitingFor }: Waiting, context: Context<Operator>): Attempt {
  const instances = readInstances(refTo(database), context.cache);
  return { pass: { instances, progress: { reason: "Deleting", message: `waiting for ${waitingFor}` } } };
}

function tell(database: Readonly<Database>, changes: readonly string[], { log, events }: Context<Operator>): void {
  if (changes.length === 0) return;
  const message = `Provided ${changes.join("; ")}`;
  log.info(message);
  events.emit(database, { type: "Normal", reason: "Provisioning", message });
}
