// Which changes of Pods and Endpoints mean anything to a Database. Patroni writes both every few seconds, mostly to say that
// nothing happened: without these a Database at rest would be reconciled for ever.
import type { Endpoints, Pod, Predicate } from "../runtime/index.ts";
import { containerTrouble } from "./troubles/container-troubles.ts";
import { isDiskFull, isReady, leaderOf, memberOf } from "./instances.ts";

/** What Patroni or the kubelet says of an instance has changed in a word that counts: not the WAL position beside it. */
export const memberChanged: Predicate<Pod> = (delta) =>
  delta.type !== "updated" || observed(delta.old) !== observed(delta.object);

/** Another Pod holds the leader key. */
export const leaderChanged: Predicate<Endpoints> = (delta) =>
  delta.type !== "updated" || leaderOf(delta.old) !== leaderOf(delta.object);

function observed(pod: Readonly<Pod>): string {
  const { metadata, spec, status } = pod;
  return JSON.stringify([
    metadata.uid,
    metadata.deletionTimestamp,
    metadata.labels?.["controller-revision-hash"],
    spec?.nodeName,
    status?.podIP,
    status?.phase,
    status?.conditions?.find(({ type }) => type === "PodScheduled")?.message,
    status?.containerStatuses?.map(({ state }) => state?.waiting?.reason),
    isReady(pod),
    containerTrouble(pod),
    memberOf(pod),
    isDiskFull(pod),
  ]);
}
