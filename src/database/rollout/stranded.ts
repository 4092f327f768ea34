// Instances that do not serve and were made from what is not declared any more. Pure.
// A StatefulSet does not replace a Pod that never became ready (https://github.com/kubernetes/kubernetes/issues/67250): without
// this, an image or a placement that was taken back would not come back, and a remedy would not reach what it is for.
import type { Instance } from "../instances.ts";
import { isServing } from "../status/view.ts";
import { losesVolume } from "../volume-loss.ts";

/**
 * The one whose Pod may be replaced though not all others serve, if there is one.
 * @param staying the instances that are not to go; none is being deleted
 */
export function strandedOf(staying: readonly Instance[], primary: Instance | undefined): Instance | undefined {
  // While nobody leads, what is there only as long as its Pod may be all that there is.
  const mayGo = (instance: Instance): boolean => primary !== undefined || !losesVolume(instance);
  const old = staying.filter(
    (instance) => instance.runsOldTemplate && instance !== primary && !isServing(instance) && mayGo(instance),
  );
  // Whatever is wrong elsewhere, nothing has run in it that could come back.
  const unborn = old.find((instance) => isPending(instance) && isDown(instance));
  if (unborn !== undefined) return unborn;
  const renewed = staying.filter(({ runsCurrentTemplate }) => runsCurrentTemplate);

  if (primary !== undefined) {
    // What may come back by itself is not given what has not served elsewhere: one bad change would take one after another.
    return renewed.every(isServing) ? old.findLast(isInterruptible) : undefined;
  }
  // While nobody leads no replica serves, and one that is up may be about to take over: only what is down is replaced.
  const isUp = staying.some(({ ready }) => ready);
  if (isUp && renewed.some(isDown)) return undefined;
  return old.find((instance) => isDown(instance) || (staying.length === 1 && isInterruptible(instance)));
}

/**
 * Words of Patroni's at which a Pod may go without harm. At others it may be copying or rewinding data, which cut off would be
 * left unusable.
 */
const interruptible: ReadonlySet<string> = new Set([
  "running",
  "starting",
  "start failed",
  "initdb failed",
  "custom bootstrap failed",
]);

const isInterruptible = (instance: Instance): boolean =>
  isDown(instance) ||
  interruptible.has(instance.state ?? "") ||
  // Patroni adds what came of it: "restart failed (start failed)".
  instance.state?.startsWith("restart failed") === true;

/** PostgreSQL does not run in it, nor is anything about to. */
function isDown(instance: Instance): boolean {
  const { pod, state } = instance;
  if (pod === undefined || isStarting(instance)) return false;
  const runs = pod.status?.containerStatuses?.some((container) => container.state?.running !== undefined);
  return runs !== true || state === "start failed" || state === "initdb failed";
}

const isPending = ({ pod }: Instance): boolean => pod?.status?.phase === "Pending";

/**
 * A node has it, and nothing is known to keep its container from starting. SIGTERM is lost on a process 1 that does not handle
 * it yet: a Pod that goes just then takes all of its grace period.
 */
function isStarting(instance: Instance): boolean {
  const { containerStatuses = [] } = instance.pod?.status ?? {};
  const isKeptBack = containerStatuses.some(({ state }) => {
    const reason = state?.waiting?.reason ?? "ContainerCreating";
    return reason !== "ContainerCreating" && reason !== "PodInitializing";
  });
  return isPending(instance) && instance.node !== undefined && !isKeptBack;
}
