// What a pass found → the Database's status. Pure. A condition is true only while it is; the weightiest obstacle speaks for
// Ready; and nothing in here changes by itself: no clock, no lag.
import {
  ApiError,
  isForbidden,
  isRefused,
  setCondition,
  TerminalError,
  type ChildFailure,
  type NewCondition,
} from "../runtime/index.ts";
import {
  isReason,
  type Condition,
  type ConditionType,
  type Database,
  type DatabaseStatus,
  type InstanceStatus,
  type Phase,
  type Reason,
} from "./api.ts";
import { children, type AppliedDatabase } from "./children/index.ts";
import { primaryOf, type Instance } from "./instances.ts";
import { databaseSelector, namesOf, ports, serviceHost } from "./names.ts";
import { amountOf } from "./quantity.ts";
import type { ResolvedDatabase } from "./resolve.ts";

/** What one pass found out. What it did not come to is absent. */
export interface Pass {
  readonly resolved?: ResolvedDatabase | undefined;
  readonly applied?: AppliedDatabase | undefined;
  readonly instances?: readonly Instance[] | undefined;
  /** What was seen outside. */
  readonly facts?: ProvisionedFacts | undefined;
  /** What a planned act (rollout, retirement, cleanup) is doing or waiting for. */
  readonly progress?: Remark | undefined;
  /** What ended the pass early. */
  readonly failure?: unknown;
  /** Children that failed. */
  readonly failures?: readonly ChildFailure[] | undefined;
}

export interface ProvisionedFacts {
  /** Role, database and configuration are as declared. */
  readonly provisioned: boolean;
  readonly serverVersion: string;
}

/** A reason of the closed list, and for people what exactly it is about. */
export interface Remark {
  readonly reason: Reason;
  readonly message: string;
}

/** @param now for the transition time of conditions that change */
export function computeStatus(database: Readonly<Database>, pass: Pass, now: Date): DatabaseStatus {
  const { metadata, status: previous } = database;
  const names = namesOf(metadata.name);
  const view = viewOf(database, pass);
  const conditions = conditionsOf(view, pass);
  const secretKnown = pass.applied?.credentialsSecret !== undefined || previous?.secretName !== undefined;
  const host = (service: string): string => `${serviceHost(service, metadata.namespace ?? "")}:${ports.postgres}`;
  const isTrue = (type: ConditionType): boolean => conditions[type].status === "True";

  return {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    phase: phaseOf(view, pass, isTrue),
    ready: isTrue("Ready"),
    ...(view.known ? counts(view) : {}),
    ...optional("version", pass.facts?.serverVersion ?? previous?.version),
    endpoint: host(names.service),
    readEndpoint: host(names.replicasService),
    ...(secretKnown ? { secretName: names.credentialsSecret } : {}),
    selector: Object.entries(databaseSelector(metadata.name))
      .map(([label, value]) => `${label}=${value}`)
      .join(","),
    ...(view.known ? { instances: view.present.map(instanceStatus) } : {}),
    conditions: stamped(database, conditions, now),
  };
}

function counts({ existing, serving, declared, primary }: View) {
  return {
    replicas: existing.length,
    readyReplicas: serving.length,
    readyInstances: `${serving.length}/${declared}`,
    ...optional("primary", primary?.podName),
  };
}

/** The reason of a condition, an Event and a metric for an error of whatever kind. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof ApiError) {
    return isForbidden(error) ? "Forbidden" : isRefused(error) ? "Refused" : "ReconcileFailed";
  }
  const reason = (error as { reason?: unknown } | undefined)?.reason;
  return typeof reason === "string" && isReason(reason) ? reason : "ReconcileFailed";
}

/** The instances, sorted by what they mean for the status. */
interface View {
  readonly deleting: boolean;
  readonly paused: boolean;
  readonly declared: number;
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
}

function viewOf({ metadata, spec }: Readonly<Database>, pass: Pass): View {
  const instances = pass.instances ?? [];
  const present = instances.filter(({ statefulSet, pod }) => statefulSet !== undefined || pod !== undefined);
  const existing = present.filter((instance) => instance.statefulSet !== undefined);
  const staying = existing.filter((instance) => !instance.retired);
  return {
    deleting: metadata.deletionTimestamp !== undefined,
    paused: spec.paused === true,
    declared: spec.replicas ?? 1,
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
  };
}

/** A primary that accepts writes, or a replica that streams from it on its timeline. */
const isServing = (instance: Instance): boolean =>
  instance.role === "primary" ? instance.ready && instance.state === "running" : instance.streaming;

type Verdicts = Readonly<Record<ConditionType, Pick<NewCondition, "status"> & Remark>>;

function conditionsOf(view: View, pass: Pass): Verdicts {
  const failure = failureOf(pass);
  const availability = available(view, pass);
  const lack = shortfall(view);
  const change = changeOf(view, pass);
  const isAvailable = availability.status === "True";

  // The weightiest first.
  const obstacle: Remark | undefined =
    (view.deleting ? change : undefined) ??
    (view.paused ? paused : undefined) ??
    failure ??
    pass.progress ??
    (isAvailable ? undefined : availability) ??
    lack ??
    change ??
    unfinished(pass);
  return {
    Ready:
      obstacle === undefined ? yes("AsDeclared", `${view.declared} of ${view.declared} instances serve`) : no(obstacle),
    Available: availability,
    Progressing:
      change !== undefined && failure === undefined && (view.deleting || !view.paused)
        ? yes(change.reason, change.message)
        : no((view.paused ? paused : failure) ?? { reason: "Settled", message: "no change is under way" }),
    Degraded: !isAvailable
      ? no({ reason: availability.reason, message: "it does not serve at all: see Available" })
      : lack === undefined
        ? no({ reason: "NotDegraded", message: `${view.serving.length} of ${view.declared} instances serve` })
        : yes(lack.reason, lack.message),
  };
}

const paused: Remark = { reason: "Paused", message: "spec.paused is true: nothing is changed or mended" };

const yes = (reason: Reason, message: string) => ({ status: "True", reason, message }) as const;
const no = ({ reason, message }: Remark) => ({ status: "False", reason, message }) as const;

function available({ known, deleting, primary, hadPrimary, existing }: View, pass: Pass) {
  if (!known) return { status: "Unknown", ...(deleting ? deletion(pass) : (failureOf(pass) ?? unknown)) } as const;
  if (primary !== undefined && isServing(primary)) return yes("PrimaryAvailable", `${primary.podName} accepts writes`);
  const pods = existing.map(describe);
  const states = pods.length === 0 ? "no instance exists yet" : pods.join(", ");
  if (pass.resolved?.takingUp === true) {
    return no({ reason: "TakingUpVolumes", message: `others start when one leads: ${states}` });
  }
  return no({ reason: hadPrimary ? "NoPrimary" : "WaitingForPrimary", message: `no primary: ${states}` });
}

const unknown: Remark = { reason: "ReconcileFailed", message: "the instances were not looked at" };

/** What is less than declared. */
function shortfall({ serving, declared, staying, idle, primary }: View): Remark | undefined {
  if (serving.length >= declared) return undefined;
  const count = `${serving.length} of ${declared} instances serve`;
  const [deaf, broken] = [idle.filter((instance) => instance.ready), idle.filter((instance) => !instance.ready)];
  if (broken.length > 0) return { reason: "InstanceNotReady", message: `${count}: ${broken.map(describe).join(", ")}` };
  if (deaf.length > 0) {
    const from = primary === undefined ? "" : ` from ${primary.podName} on timeline ${primary.timeline ?? "?"}`;
    const names = deaf.map(({ podName }) => podName).join(", ");
    return { reason: "ReplicaNotStreaming", message: `${count}: ${names} not streaming${from}` };
  }
  return { reason: "AddingInstances", message: `${count}: ${declared - staying.length} not made yet` };
}

/** The change that is under way. */
function changeOf(view: View, pass: Pass): Remark | undefined {
  const { deleting, declared, hadPrimary, staying, leaving, idle, primary, known } = view;
  if (deleting) return deletion(pass);
  if (pass.progress !== undefined) return pass.progress;
  if (!known || pass.resolved === undefined) return undefined;
  const states = idle.map(describe).join(", ");
  if (pass.resolved.takingUp && primary === undefined) {
    return { reason: "TakingUpVolumes", message: `others start when one leads: ${states}` };
  }
  if (!hadPrimary)
    return { reason: "Creating", message: states === "" ? "making the first instances" : `starting: ${states}` };
  if (staying.length < declared) {
    return { reason: "AddingInstances", message: `${staying.length} of ${declared} instances exist` };
  }
  const joining = idle.filter(
    ({ pod, state }) => pod === undefined || state === undefined || state === "creating replica",
  );
  if (joining.length > 0) return { reason: "AddingInstances", message: `joining: ${joining.map(describe).join(", ")}` };
  if (staying.length > declared || leaving.length > 0) {
    const going = leaving.map(({ podName }) => podName).join(", ");
    const many = `${staying.length} instances for ${declared}`;
    return { reason: "RetiringInstances", message: going === "" ? many : `removing ${going}` };
  }
  const old = staying.filter((instance) => !instance.runsCurrentTemplate || wasJustChanged(instance, pass));
  if (old.length > 0)
    return { reason: "RollingOut", message: `not as declared yet: ${old.map(({ podName }) => podName).join(", ")}` };
  const growing = staying.filter((instance) => isGrowing(instance, pass));
  if (growing.length > 0) {
    return { reason: "ResizingVolumes", message: `growing: ${growing.map(({ name }) => name).join(", ")}` };
  }
  const pending = staying.filter((instance) => instance.pendingRestart);
  if (pending.length > 0) {
    const pods = pending.map(({ podName }) => podName).join(", ");
    return { reason: "RollingOut", message: `a changed parameter needs a restart: ${pods}` };
  }
  if (primary !== undefined && pass.facts?.provisioned !== true) {
    return { reason: "Provisioning", message: "role, database and parameters are not known to be as declared yet" };
  }
  return undefined;
}

/** This pass itself has changed its template: what the cache said of it before is about another one. */
function wasJustChanged({ name, statefulSet }: Instance, { applied }: Pass): boolean {
  const written = applied?.statefulSets?.find(({ metadata }) => metadata.name === name);
  return written !== undefined && written.metadata.generation !== statefulSet?.metadata.generation;
}

/** The volume is bound and smaller than what is asked for. */
function isGrowing({ name }: Instance, { applied }: Pass): boolean {
  const volume = applied?.persistentVolumeClaims?.find(({ metadata }) => metadata.name === name);
  const [asked, there] = [volume?.spec?.resources?.requests?.["storage"], volume?.status?.capacity?.["storage"]];
  return asked !== undefined && there !== undefined && amountOf(String(there)) < amountOf(String(asked));
}

function deletion({ progress }: Pass): Remark {
  return progress ?? { reason: "Deleting", message: "the Database is being deleted" };
}

/** A pass that did not come to its end knows nothing of what it left out. */
function unfinished({ resolved, applied }: Pass): Remark | undefined {
  if (resolved === undefined) return { reason: "Creating", message: "the spec has not been looked at yet" };
  const left = Object.keys(children).filter((child) => applied?.[child as keyof typeof children] === undefined);
  return left.length === 0 ? undefined : { reason: "Creating", message: `not applied yet: ${left.join(", ")}` };
}

function failureOf({ failure, failures = [] }: Pass): Remark | undefined {
  // What waits for an edit before what is tried again by itself.
  const child = failures.find(({ error }) => error === failure || (failure === undefined && isTerminal(error)));
  const error = failure ?? child?.error ?? failures[0]?.error;
  if (error === undefined) return undefined;
  const name = (child ?? (failure === undefined ? failures[0] : undefined))?.child;
  return { reason: reasonOf(error), message: name === undefined ? messageOf(error) : `${name}: ${messageOf(error)}` };
}

const isTerminal = (error: unknown): boolean => error instanceof TerminalError || isRefused(error);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A word for each state, for people. */
function describe({ podName, pod, role, state, ready, deleting }: Instance): string {
  if (deleting) return `${podName} is being deleted`;
  if (pod === undefined) return `${podName} does not exist`;
  if (ready) return `${podName} is ${role ?? state ?? "ready"}`;
  const { phase, containerStatuses, conditions } = pod.status ?? {};
  const waiting = containerStatuses?.map((container) => container.state?.waiting).find((found) => found !== undefined);
  if (waiting !== undefined) return `${podName} waits: ${waiting.reason ?? "unknown"}`;
  const unscheduled = conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  if (unscheduled !== undefined)
    return `${podName} is not scheduled: ${unscheduled.message ?? unscheduled.reason ?? ""}`;
  return `${podName} is ${state ?? phase?.toLowerCase() ?? "pending"}, not ready`;
}

function phaseOf(view: View, pass: Pass, isTrue: (type: ConditionType) => boolean): Phase {
  if (view.deleting) return "Deleting";
  if (view.paused) return "Paused";
  if (isTrue("Ready")) return "Ready";
  if ([pass.failure, ...(pass.failures ?? []).map(({ error }) => error)].some(isTerminal)) return "Failed";
  if (!view.hadPrimary) return view.existing.length === 0 ? "Pending" : "Creating";
  if (!isTrue("Available")) return view.known ? "Failed" : "Pending";
  if (isTrue("Progressing")) return view.unchanged ? "Creating" : "Updating";
  return isTrue("Degraded") ? "Degraded" : "Updating";
}

function instanceStatus({ name, role, ready, streaming, node }: Instance): InstanceStatus {
  return {
    name,
    ...optional("role", role),
    ready,
    ...(role === "primary" ? {} : { streaming }),
    ...optional("node", node),
  };
}

/** The old list with the new verdicts: conditions that we do not know keep their place. */
function stamped({ metadata, status }: Readonly<Database>, verdicts: Verdicts, now: Date): Condition[] {
  const generation = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  return Object.entries(verdicts).reduce<Condition[]>(
    (list, [type, verdict]) => [...setCondition(list, { type, ...verdict, ...generation }, now)],
    [...(status?.conditions ?? [])],
  );
}

function optional<K extends string, V>(key: K, value: V | undefined): { [Name in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [Name in K]?: V };
}
