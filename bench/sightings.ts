// When an object was first seen as it should be: one watch of a kind, of the bench's own, on which no contestant has any influence.
import type { HttpClient, Kind, KubeObject } from "holdfast/runtime";

export interface Sightings<T> {
  /**
   * Resolves with `performance.now()` of the first change from now on after which the object is so; undefined stands for one that is gone.
   * Rejects when the signal aborts or the watch breaks.
   */
  when(name: string, isSo: (object: T | undefined) => boolean): Promise<number>;
}

/** Follows the kind in a namespace from now on. */
export async function watchFor<T extends KubeObject>(
  client: HttpClient,
  kind: Kind<T>,
  options: { readonly namespace: string; readonly signal: AbortSignal },
): Promise<Sightings<T>> {
  const waiting = new Map<string, { isSo: (object: T | undefined) => boolean; resolve: (at: number) => void }>();
  let { resourceVersion } = await client.list(kind, options);
  const followOnce = async (): Promise<void> => {
    for await (const frame of client.watch(kind, { ...options, resourceVersion, timeoutSeconds: 3600 })) {
      if (frame.type === "ERROR") throw new Error(`the watch of ${kind.plural} broke: ${JSON.stringify(frame.object)}`);
      resourceVersion = frame.object.metadata.resourceVersion ?? resourceVersion;
      if (frame.type === "BOOKMARK") continue;
      const { name } = frame.object.metadata;
      const one = waiting.get(name);
      if (one?.isSo(frame.type === "DELETED" ? undefined : frame.object) !== true) continue;
      waiting.delete(name);
      one.resolve(performance.now());
    }
  };
  // The API server ends a watch that does not keep up with it; nothing of it is lost.
  const follow = async (): Promise<never> => {
    for (;;) {
      await followOnce();
      options.signal.throwIfAborted();
    }
  };
  const ended = follow();
  ended.catch(() => undefined); // those who wait are told
  return {
    when: (name, isSo) => Promise.race([new Promise<number>((resolve) => waiting.set(name, { isSo, resolve })), ended]),
  };
}
