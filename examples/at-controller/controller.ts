// Runs the command of an At once, when its instant has come, as a Pod: due? → Pod → status.
import {
  ApiError,
  apply,
  awaitChange,
  defaultErrorPolicy,
  isForbidden,
  on,
  Pod,
  refTo,
  requeue,
  setCondition,
  TerminalError,
  writeStatus,
  type Context,
  type ControllerOptions,
  type NewCondition,
  type Outcome,
} from "holdfast/runtime";
import { At } from "./api.ts";
import { instantOf } from "./schedule.ts";

export interface AtSettings {
  /** Has a shell. */
  readonly image: string;
}

const name = "at-controller";
const marks = { fieldManager: name, labels: { "app.kubernetes.io/managed-by": name } };

export function atController(settings: AtSettings): ControllerOptions<At, AtSettings> {
  return {
    name: "at",
    for: At,
    // Only the spec counts: writing a status wakes nobody.
    when: on.generationChanged,
    owns: [{ kind: Pod, labels: `app.kubernetes.io/managed-by=${name}` }],
    value: settings,
    reconcile,
    // Nobody tells us when the name of the Pod is free again.
    errorPolicy: (error) =>
      error instanceof TerminalError && error.reason === "NameTaken" ? requeue(60_000) : defaultErrorPolicy(error),
  };
}

async function reconcile(at: Readonly<At>, context: Context<AtSettings>): Promise<Outcome> {
  if (at.status?.phase === "DONE" || at.metadata.deletionTimestamp !== undefined) return awaitChange;
  try {
    return await runWhenDue(at, context);
  } catch (error) {
    // What only people can mend: the schedule, a name that is taken, a quota.
    if (error instanceof TerminalError || (error instanceof ApiError && isForbidden(error))) {
      const { reason, message } = error;
      await tell(at, { phase: at.status?.phase ?? "PENDING", status: "False", reason, message }, context);
    }
    throw error;
  }
}

async function runWhenDue(at: Readonly<At>, context: Context<AtSettings>): Promise<Outcome> {
  const { cache, client, clock, signal, value } = context;
  const [running] = cache.list(Pod, { ownerUid: at.metadata.uid });
  // Deleted before its end: when it is gone we are woken, and create it again.
  if (running?.metadata.deletionTimestamp !== undefined) return awaitChange;

  // What has been started goes on, whatever becomes of the schedule.
  const started = running !== undefined || at.status?.phase === "RUNNING";
  const dueInMs = started ? 0 : instantOf(at.spec.schedule) - clock.date().getTime();
  if (dueInMs > 0) {
    const message = `starts at ${new Date(clock.date().getTime() + dueInMs).toISOString()}`;
    await tell(at, { phase: "PENDING", status: "Unknown", reason: "Scheduled", message }, context);
    return requeue(dueInMs);
  }

  // A cache may be behind, and a command must not run again after DONE: before it is started the API server is asked.
  if (running === undefined) {
    const live = await client.get(At, refTo(at), { signal });
    if (live?.metadata.resourceVersion !== at.metadata.resourceVersion) return requeue(0);
  }
  const owner = { object: at, kind: At };
  const { object: pod } = await apply(podOf(at, value), Pod, owner, { mode: "createOnce" }, marks, context);
  await tell(at, progressOf(pod), context);
  return awaitChange;
}

/** Of the same name as its At: a pass that is cut off and begins again finds the Pod that it made. */
function podOf({ metadata: { name, namespace }, spec: { command } }: Readonly<At>, { image }: AtSettings): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      containers: [{ name: "command", image, command: ["sh", "-c", command] }],
    },
  };
}

type Progress = Pick<NewCondition, "status" | "reason" | "message"> & Pick<NonNullable<At["status"]>, "phase">;

function progressOf({
  metadata: { name },
  status: { phase, message, containerStatuses } = {},
}: Readonly<Pod>): Progress {
  if (phase !== "Succeeded" && phase !== "Failed") {
    return { phase: "RUNNING", status: "Unknown", reason: "Running", message: `Pod ${name} runs the command` };
  }
  const ended = containerStatuses?.[0]?.state?.terminated;
  const how = ended === undefined ? (message ?? "no exit code") : `${ended.reason}, exit code ${ended.exitCode}`;
  const status = phase === "Succeeded" ? "True" : "False";
  return { phase: "DONE", status, reason: `Pod${phase}`, message: `Pod ${name}: ${how}` };
}

/** Writes the status where it differs, and an Event about the end. */
async function tell(at: Readonly<At>, { phase, ...progress }: Progress, context: Context<AtSettings>): Promise<void> {
  const condition = { type: "Succeeded", ...progress, observedGeneration: at.metadata.generation };
  const conditions = setCondition(at.status?.conditions, condition, context.clock.date());
  const { result } = await writeStatus(At, at, { phase, conditions }, name, context);
  if (phase !== "DONE" || result !== "updated") return;
  const { status, reason, message } = progress;
  context.events.emit(at, { type: status === "True" ? "Normal" : "Warning", reason, message });
}
