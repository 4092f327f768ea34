// A client whose writes the cache knows of at once, so that the next pass does not see the world before them.
import type { KubeClient } from "./client.ts";
import { type Kind, type KubeObject, resourceName } from "./object.ts";
import type { Store } from "./store.ts";

/**
 * Writes through `client`; each answer goes into the store of its kind, where there is one. Answers are then shared with
 * the cache: never change them.
 */
export function rememberingClient(
  client: KubeClient,
  stores: Iterable<{ readonly kind: Kind<any>; readonly store: Store<any> }>,
): KubeClient {
  const byResource = new Map<string, Store<any>>();
  for (const { kind, store } of stores) byResource.set(resourceName(kind), store);

  const remember = <T extends KubeObject>(kind: Kind<T>, answer: T, how: "created" | "changed"): T => {
    byResource.get(resourceName(kind))?.written(answer, how);
    return answer;
  };
  return {
    get: (kind, ref, options) => client.get(kind, ref, options),
    list: (kind, options) => client.list(kind, options),
    watch: (kind, options) => client.watch(kind, options),
    podLog: (pod, options) => client.podLog(pod, options),
    create: async (kind, body, options) => remember(kind, await client.create(kind, body, options), "created"),
    apply: async (kind, body, options) => remember(kind, await client.apply(kind, body, options), "changed"),
    applyStatus: async (kind, body, options) =>
      remember(kind, await client.applyStatus(kind, body, options), "changed"),
    patch: async (kind, ref, patch, options) =>
      remember(kind, await client.patch(kind, ref, patch, options), "changed"),
    async delete(kind, ref, options) {
      await client.delete(kind, ref, options);
      byResource.get(resourceName(kind))?.deleted(ref, options.uid);
    },
  };
}
