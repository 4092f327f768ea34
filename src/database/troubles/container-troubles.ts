// What the kubelet says of a container that does not run: image, configuration, crash loop. Pure. In a loop the kubelet goes round
// (waiting, running, terminated), so that each state is read together with the one before: the same cause, the same words.
import type { Pod } from "../../runtime/index.ts";
import type { Reason } from "../api.ts";
import { postgresContainer } from "../instances.ts";
import { lastWords } from "./last-words.ts";

/** A cause, and for people what exactly it is. */
export interface Finding {
  readonly reason: Reason;
  readonly detail: string;
}

type Status = NonNullable<NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number]>;
type Terminated = NonNullable<NonNullable<Status["state"]>["terminated"]>;

/** What is wrong with PostgreSQL's container in a Pod that is not ready; undefined while it is on its way. */
export function containerTrouble(pod: Readonly<Pod>): Finding | undefined {
  const status = postgresContainer(pod);
  if (status === undefined) return undefined;
  const image = pod.spec?.containers.find(({ name }) => name === "postgres")?.image ?? status.image;
  const { waiting } = status.state ?? {};
  const ended = status.state?.terminated ?? status.lastState?.terminated;
  if (waiting?.reason !== undefined && imageReasons.has(waiting.reason)) {
    return {
      reason: "ImageUnavailable",
      detail: `image ${image} cannot be had: ${imageCause(waiting.message ?? waiting.reason)}`,
    };
  }
  if (!hasFailed(pod, status)) return undefined;
  return unsuitable(image, waiting?.message, ended) ?? notStarting(status) ?? crashing(pod, ended, waiting?.message);
}

/** pkg/kubelet/images/types.go */
const imageReasons = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
  "RegistryUnavailable",
  "SignatureValidationFailed",
]);

/** Said while it is pulled and while it waits for the next try; ports of single connections left out. */
function imageCause(message: string): string {
  return (
    message.replace(/^Back-off pulling image "[^"]*"(?:: \w+: )?/, "").replace(/:\d+->/g, "->") || "it cannot be pulled"
  );
}

/** One restart is an accident. Once it was ready it has left the loop, whatever the count says. */
function hasFailed(pod: Readonly<Pod>, { state, lastState, restartCount }: Status): boolean {
  if (state?.waiting !== undefined)
    return !["ContainerCreating", "PodInitializing"].includes(state.waiting.reason ?? "");
  if (state?.terminated !== undefined) return restartCount > 0;
  if (state?.running === undefined || lastState?.terminated === undefined || restartCount < 2) return false;
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  const [startedAt, unreadySince] = [state.running.startedAt, ready?.lastTransitionTime].map((time) =>
    Date.parse(time ?? ""),
  );
  return !(unreadySince! > startedAt!);
}

/** The program that the template asks for by name cannot be run. */
function unsuitable(image: string, waits: string | undefined, ended: Terminated | undefined): Finding | undefined {
  const text = [waits, ended?.message].filter((part) => part !== undefined).join("\n");
  const found = (detail: string): Finding => ({ reason: "ImageUnsuitable", detail: `image ${image} ${detail}` });
  if (/exec format error/i.test(text))
    return found("is made for another architecture than the node's: exec format error");
  const missing =
    /exec: .*?(?:not found in \$PATH|no such file or directory)|executable file .*? not found.*|No module named .*/i.exec(
      text,
    );
  if (missing !== null) return found(`lacks what images/postgres holds: ${missing[0]}`);
  if (ended?.exitCode === 126 || ended?.exitCode === 127)
    return found(`cannot run tini or Patroni: exit code ${ended.exitCode}`);
  return undefined;
}

/** E.g. CreateContainerConfigError: secret "orders-internal" not found. What was started once is a crash. */
function notStarting({ state }: Status): Finding | undefined {
  const { reason, message } = state?.waiting ?? {};
  if (reason === undefined || reason === "CrashLoopBackOff" || reason === "RunContainerError") return undefined;
  return { reason: "ContainerNotStarting", detail: message === undefined ? reason : `${reason}: ${message}` };
}

function crashing(pod: Readonly<Pod>, ended: Terminated | undefined, waits: string | undefined): Finding {
  const said = (ended?.message ?? "").trim();
  // What could not even be started says so in one line; what ran has left the end of its log.
  const words = ended === undefined ? waits : ended.reason === "StartError" ? said : lastWords(said);
  const how = `it ends again and again: ${endOf(pod, ended, words ?? "")}`;
  return { reason: "CrashLooping", detail: words === undefined || words === "" ? how : `${how}: ${words}` };
}

function endOf(pod: Readonly<Pod>, ended: Terminated | undefined, words: string): string {
  if (ended?.reason === "OOMKilled" || /OOM-killed/.test(words)) {
    const limit = pod.spec?.containers[0]?.resources?.limits?.["memory"];
    return limit === undefined ? "OOMKilled" : `OOMKilled at the memory limit of ${String(limit)}`;
  }
  if (ended === undefined || ended.reason === "StartError") return "it cannot be started";
  const signal = ended.signal || (ended.exitCode > 128 && ended.exitCode < 160 ? ended.exitCode - 128 : 0);
  return signal > 0 ? `killed by signal ${signal}` : `exit code ${ended.exitCode}`;
}
