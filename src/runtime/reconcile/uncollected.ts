// What a dead owner of the same name has left. Kubernetes' garbage collector takes it away, but for one case: it never learns that an
// owner has gone which was made again under its name while it did not watch, and sees a change of the same object instead
// (https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/controller/garbagecollector/graph_builder.go, processGraphChanges).
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { refTo, type Kind, type KubeObject } from "../kube/object.ts";
import type { Owner } from "./ownership.ts";

/** What it needs of the world. */
export interface CollectingContext {
  readonly client: KubeClient;
  /** Default: the time of this machine. */
  readonly clock?: Clock;
  readonly signal: AbortSignal;
}

/** Why it was deleted, for people. */
export const uncollected = ": its former owner is gone, and nobody collected it";

/** The garbage collector needs seconds. It does it in its own order, so it comes first. */
const collectedWithinMs = 60_000;

/**
 * Deletes what a former namesake of `owner` controls, as it was seen, when the garbage collector has had its time since `owner` came. Guarded by a live
 * read: a cache that is behind may take the owner that there is now for the former one.
 * @returns whether it was deleted
 */
export async function collectAfter(
  owner: Owner,
  kind: Kind,
  left: Readonly<KubeObject>,
  { client, clock, signal }: CollectingContext,
): Promise<boolean> {
  const { uid, creationTimestamp } = owner.object.metadata;
  const now = clock?.date() ?? new Date();
  if (creationTimestamp === undefined || now.getTime() - Date.parse(creationTimestamp) < collectedWithinMs)
    return false;
  const living = await client.get(owner.kind, refTo(owner.object), { signal });
  if (living === undefined || living.metadata.uid !== uid) return false;
  const { uid: uidLeft = "", resourceVersion } = left.metadata;
  const seen = resourceVersion === undefined ? { uid: uidLeft } : { uid: uidLeft, resourceVersion };
  await client.delete(kind, refTo(left), { ...seen, propagation: "Background", signal });
  return true;
}
