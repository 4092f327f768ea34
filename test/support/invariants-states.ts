// The invariants that are not about one write: of every state that the Pods go through, and of a world that has come to rest.
import { setTimeout as sleep } from "node:timers/promises";
import { Database } from "../../src/database/api.ts";
import { isReady as isPodReady, memberOf } from "../../src/database/instances.ts";
import { labels } from "../../src/database/names.ts";
import { Informer } from "../../src/runtime/kube/informer.ts";
import { Pod } from "../../src/runtime/kube/kinds.ts";
import type { KubeClient } from "../../src/runtime/index.ts";
import { auditLogEnd, isEvent, isLease, isWrite, readCalls, type Call } from "./audit.ts";

/**
 * I3: at most one Pod of a Database is labelled primary and accepts writes. One that was deposed says so itself: it stands on an
 * older timeline until it has been told. Answers sentences.
 */
export function primariesBeside(pods: readonly Pod[]): readonly string[] {
  const ofDatabase = Map.groupBy(pods, ({ metadata }) => metadata.labels?.[labels.database] ?? "");
  return [...ofDatabase].flatMap(([database, members]) => {
    const timelineOf = (pod: Pod): number => memberOf(pod).timeline ?? 0;
    const newest = Math.max(...members.map(timelineOf));
    const primaries = members
      .filter(
        (pod) => pod.metadata.labels?.[labels.role] === "primary" && isPodReady(pod) && timelineOf(pod) === newest,
      )
      .map(({ metadata }) => metadata.name);
    return primaries.length > 1 ? [`I3: ${database} has several primaries at once: ${primaries.join(", ")}`] : [];
  });
}

/** Looks at every state of the Pods of a namespace. Resolves when stopped. */
export function watchPods(
  client: KubeClient,
  namespace: string,
  violations: string[],
  stopped: AbortSignal,
): Promise<void> {
  const informer = new Informer({ client, kind: Pod, namespaces: [namespace], onError: () => undefined });
  informer.subscribe(() => violations.push(...primariesBeside(informer.store.list())));
  return informer.run(stopped);
}

/** What is looked at to see whether a world rests. */
export interface Resting {
  readonly client: Pick<KubeClient, "list">;
  readonly namespace: string;
  readonly auditLogPath: string;
  /** Of the operators that run: how much they have to do. */
  readonly metrics: readonly (() => Promise<string>)[];
}

/** How often in a row an operator must write by itself before that is taken for a habit: its last write may come late. */
const habit = 3;

/**
 * I12: where every Database is as declared, operators write nothing, their leases aside. A world that others still change, or one
 * that is not as declared, is not judged. Answers sentences. Takes half a second where nothing is written.
 */
export async function writesAtRest(resting: Resting): Promise<readonly string[]> {
  let restless: readonly Call[] = [];
  for (let times = 0; times < habit;) {
    if (!(await isAsDeclared(resting)) || !(await areIdle(resting))) return [];
    const from = await auditLogEnd(resting.auditLogPath);
    await sleep(400);
    const written = (await readCalls(resting.auditLogPath, resting.namespace, undefined, from)).filter(
      (call) => isWrite(call) && !isEvent(call) && !isLease(call),
    );
    const isOperators = ({ user }: Call): boolean => user.startsWith(`system:serviceaccount:${resting.namespace}:`);
    restless = written.filter(isOperators);
    if (restless.length === 0) return [];
    times = restless.length === written.length ? times + 1 : 0;
  }
  return [
    ...new Set(restless.map(({ verb, resource, name }) => `I12: ${verb} ${resource} ${name} at rest, again and again`)),
  ];
}

async function isAsDeclared({ client, namespace }: Resting): Promise<boolean> {
  const { items } = await client.list(Database, { namespace });
  return items.every(({ metadata, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    return ready?.status === "True" && ready.observedGeneration === metadata.generation;
  });
}

/** Nothing in the queues and no pass under way; waits for that a while. */
async function areIdle({ metrics }: Resting): Promise<boolean> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const texts = await Promise.all(metrics.map((read) => read()));
    if (!texts.some((text) => /^(workqueue_depth|controller_runtime_active_workers)\{[^\n]*\} [1-9]/m.test(text)))
      return true;
    await sleep(100);
  }
  return false;
}
