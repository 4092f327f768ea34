// What a pass found → what its four conditions say, and why. Pure; nothing in it changes by itself: no clock, no lag.
import { maxMessageLength, shortened, type NewCondition } from "../../runtime/index.ts";
import { reasons, type ConditionType, type Reason, type Remark } from "../api.ts";
import { children } from "../children/index.ts";
import { failureOf } from "../failures.ts";
import type { Instance } from "../instances.ts";
import type { Pass } from "../pass.ts";
import { amountOf } from "../quantity.ts";
import { remarkOf } from "../troubles/troubles.ts";
import { isServing, type View } from "./view.ts";
import { capacityOf, requestOf } from "../volumes.ts";

/** What is said of each condition, transition times aside. */
export type Verdicts = Readonly<Record<ConditionType, Pick<NewCondition, "status"> & Remark>>;

/** The weightiest obstacle speaks for Ready; a condition is true only while it is. */
export function verdictsOf(view: View, pass: Pass): Verdicts {
  const failure = failureOf(pass);
  const trouble = remarkOf(view.lasting);
  const availability = available(view, pass);
  const lack = shortfall(view);
  const change = changeOf(view, pass);
  const isAvailable = availability.status === "True";

  // The weightiest first.
  const obstacle: Remark | undefined =
    (view.deleting ? change : undefined) ??
    (view.paused ? paused : undefined) ??
    // What only an edit can mend; then the cause, before what fails because of it.
    (failure?.waitsForEdit === true ? failure : undefined) ??
    (trouble === undefined ? undefined : isAvailable ? lack : trouble) ??
    failure ??
    pass.progress ??
    (isAvailable ? undefined : availability) ??
    lack ??
    change ??
    unfinished(pass);
  return {
    Ready:
      obstacle === undefined
        ? yes("AsDeclared", `${view.declared} of ${view.declared} instances serve`)
        : no(advised(obstacle)),
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

/**
 * With what a person should do: many read nothing but `kubectl describe`. Of a remedy that begins with "Wait" only what helps if
 * that does not end. A long cause is shortened, never the remedy.
 */
function advised({ reason, message }: Remark): Remark {
  const remedy = reasons[reason].replace(/^Wait.*?\.(?: |$)/, "");
  if (remedy === "") return { reason, message };
  const advice = `. What to do: ${remedy}`;
  return { reason, message: shortened(message.replace(/\.$/, ""), maxMessageLength - advice.length) + advice };
}

function available(view: View, pass: Pass) {
  const { known, deleting, primary, hadPrimary, existing, troubles } = view;
  if (!known) return { status: "Unknown", ...(deleting ? deletion(pass) : (failureOf(pass) ?? unknown)) } as const;
  if (primary !== undefined && isServing(primary)) {
    const asFarAs = primary.diskFull ? " as far as its volume has room for them" : "";
    return yes("PrimaryAvailable", `${primary.podName} accepts writes${asFarAs}`);
  }
  const cause = deleting ? undefined : remarkOf(troubles.filter(({ instance }) => mayKeepFromLeading(view, instance)));
  if (cause !== undefined) return no({ ...cause, message: `no primary: ${cause.message}` });
  const pods = existing.map(view.describe);
  const states = pods.length === 0 ? "no instance exists yet" : pods.join(", ");
  if (pass.resolved?.takingUp === true) {
    return no({ reason: "TakingUpVolumes", message: `others start when one leads: ${states}` });
  }
  return no({ reason: hadPrimary ? "NoPrimary" : "WaitingForPrimary", message: `no primary: ${states}` });
}

/** The one that should lead cannot, or none that could take over is there. What is wrong with a mere replica is another matter. */
function mayKeepFromLeading({ existing }: View, name: string): boolean {
  const last = existing.find(({ lastPrimary }) => lastPrimary);
  return last?.name === name || existing.every(({ ready }) => !ready);
}

const unknown: Remark = { reason: "ReconcileFailed", message: "the instances were not looked at" };

/** What is less than declared. */
function shortfall(view: View): Remark | undefined {
  const { serving, declared, staying, idle, primary, troubles } = view;
  const cause = remarkOf(troubles);
  const count = `${serving.length} of ${declared} instances serve`;
  if (cause !== undefined && (view.lasting.length > 0 || serving.length < declared)) {
    return { ...cause, message: `${count}: ${cause.message}` };
  }
  if (serving.length >= declared) return undefined;
  const [deaf, broken] = [idle.filter((instance) => instance.ready), idle.filter((instance) => !instance.ready)];
  if (broken.length > 0) {
    return { reason: "InstanceNotReady", message: `${count}: ${broken.map(view.describe).join(", ")}` };
  }
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
  const states = idle.map(view.describe).join(", ");
  if (pass.resolved.takingUp && primary === undefined) {
    return { reason: "TakingUpVolumes", message: `others start when one leads: ${states}` };
  }
  if (!hadPrimary)
    return { reason: "Creating", message: states === "" ? "making the first instances" : `starting: ${states}` };
  if (staying.length < declared) {
    return { reason: "AddingInstances", message: `${staying.length} of ${declared} instances exist` };
  }
  // A Pod that is gone for now is either on its way back as declared, or joins: while others are old it is the former.
  const old = staying.filter(({ pod, runsCurrentTemplate }) => pod !== undefined && !runsCurrentTemplate);
  if (old.length > 0) {
    const waits = idle.filter((instance) => !old.includes(instance)).map(view.describe);
    const names = `not as declared yet: ${old.map(({ podName }) => podName).join(", ")}`;
    return { reason: "RollingOut", message: waits.length === 0 ? names : `${names}; first ${waits.join(", ")}` };
  }
  const joining = idle.filter(
    ({ pod, state }) => pod === undefined || state === undefined || state === "creating replica",
  );
  if (joining.length > 0) {
    return { reason: "AddingInstances", message: `joining: ${joining.map(view.describe).join(", ")}` };
  }
  if (staying.length > declared || leaving.length > 0) {
    const going = leaving.map(({ podName }) => podName).join(", ");
    const many = `${staying.length} instances for ${declared}`;
    return { reason: "RetiringInstances", message: going === "" ? many : `removing ${going}` };
  }
  const growing = staying.filter((instance) => isGrowing(instance, view, pass));
  if (growing.length > 0) {
    return { reason: "ResizingVolumes", message: `growing: ${growing.map(({ name }) => name).join(", ")}` };
  }
  const pending = staying.filter((instance) => instance.pendingRestart);
  if (pending.length > 0) {
    const pods = pending.map(({ podName }) => podName).join(", ");
    return { reason: "RollingOut", message: `a changed parameter needs a restart: ${pods}` };
  }
  const behind = pass.facts?.behind ?? [];
  if (behind.length > 0) {
    return { reason: "Provisioning", message: `parameters are not in force in ${behind.join(", ")}` };
  }
  if (primary !== undefined && pass.facts?.provisioned !== true) {
    return { reason: "Provisioning", message: "role, database and parameters are not known to be as declared yet" };
  }
  return undefined;
}

/** The volume is bound and smaller than what is asked for and declared. */
function isGrowing({ name }: Instance, { declaredSize }: View, { applied }: Pass): boolean {
  const volume = applied?.persistentVolumeClaims?.find(({ metadata }) => metadata.name === name);
  if (volume === undefined) return false;
  const [asked, there] = [requestOf(volume), capacityOf(volume)];
  if (asked === undefined || there === undefined) return false;
  // What was asked for before and taken back can stand in the request for ever: Kubernetes lowers it only to above what there is.
  return amountOf(there) < amountOf(asked) && amountOf(there) < amountOf(declaredSize);
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
