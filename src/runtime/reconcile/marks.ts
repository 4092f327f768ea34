// Labels and annotations of an object that is otherwise not written here: sets or removes some of them, and nothing else.
import jsonPatch from "fast-json-patch";
import type { CreateOptions, JsonPatch, KubeClient } from "../kube/client.ts";
import { isNotFound } from "../kube/errors.ts";
import type { Kind, KubeObject } from "../kube/object.ts";
import { patchGuarded } from "./guarded-patch.ts";

type Values = Readonly<Record<string, string | undefined>>;

/** A value sets a mark, undefined removes it; what is not named stays as it is. */
export interface Marked {
  readonly labels?: Values | undefined;
  readonly annotations?: Values | undefined;
}

/** Marks `seen`, and no namesake of it. One that is gone needs no marks. @throws ApiError, with 409 where it has changed since. */
export async function writeMarks<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  seen: Readonly<T>,
  marked: Marked,
  options: CreateOptions,
): Promise<void> {
  const patch = marksPatch(seen, marked);
  if (patch.length === 0) return;
  try {
    await patchGuarded(client, kind, seen, patch, options);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Pure: for `patchGuarded`; empty where `seen` is marked so already. */
export function marksPatch({ metadata }: Readonly<KubeObject>, marked: Marked): JsonPatch {
  return (["labels", "annotations"] as const).flatMap((field): JsonPatch => {
    const there = metadata[field];
    const wanted = Object.entries({ ...there, ...marked[field] }).filter(([, value]) => value !== undefined);
    const path = `/metadata/${field}`;
    const changes = jsonPatch.compare(there ?? {}, Object.fromEntries(wanted)) as JsonPatch;
    if (changes.length === 0) return [];
    // Null is how an absent one is tested: what somebody has set meanwhile must not be overwritten by an empty one.
    const room: JsonPatch =
      there === undefined
        ? [
            { op: "test", path, value: null },
            { op: "add", path, value: {} },
          ]
        : [];
    return [...room, ...changes.map((change) => ({ ...change, path: `${path}${change.path}` }))];
  });
}
