// Updates that are a beginning: nothing may hold them back. Pure.
import type { Delta } from "../kube/store.ts";

/**
 * The object has begun to go, or took the place of a namesake (another uid). Whether a deletion raises the generation depends on
 * the kind, and a finalizer that nobody looks at again is never removed (https://github.com/kubernetes/kubernetes/pull/27269).
 */
export function isBeginning(delta: Delta): boolean {
  if (delta.type !== "updated") return false;
  const [before, now] = [delta.old.metadata, delta.object.metadata];
  return before.uid !== now.uid || before.deletionTimestamp !== now.deletionTimestamp;
}
