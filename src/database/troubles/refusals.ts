// Why a StatefulSet's Pod was refused (a quota, a policy, a webhook): its controller says so in Events alone. Which of them count,
// what is kept of them, and which change of one is news. Pure.
import type { KubeEvent, Predicate } from "../../runtime/index.ts";

/** What recordPodEvent writes (pkg/controller/statefulset/stateful_pod_control.go). */
export const refusalFields = "type=Warning,reason=FailedCreate,regarding.kind=StatefulSet";

/** Drops what nobody reads. */
export function asRefusal(event: KubeEvent): KubeEvent {
  const { name, namespace = "", uid = "", resourceVersion = "", creationTimestamp = "" } = event.metadata;
  return { ...event, metadata: { name, namespace, uid, resourceVersion, creationTimestamp } };
}

/** When it happened last, in milliseconds since 1970; 0 where nobody says. */
export function occurredAtMs({ metadata, deprecatedLastTimestamp, eventTime, series }: Readonly<KubeEvent>): number {
  const times = [series?.lastObservedTime, deprecatedLastTimestamp, eventTime, metadata.creationTimestamp];
  return Math.max(0, ...times.map((time) => Date.parse(time ?? "")).filter((time) => !Number.isNaN(time)));
}

/** Of one occasion the controller tries again and again, and counts: only other words, or a new occasion, are news. */
export const refusalChanged: Predicate<KubeEvent> = (delta) =>
  delta.type !== "updated" ||
  delta.old.note !== delta.object.note ||
  occurredAtMs(delta.object) - occurredAtMs(delta.old) > newOccasionAfterMs;

const newOccasionAfterMs = 30_000;
