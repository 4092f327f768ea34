// A client whose writes the cache knows of at once, so that the next pass does not see the world before them.
import { clientAround, isWrite } from "./around.ts";
import type { DeleteOptions, KubeClient } from "./client.ts";
import { type Kind, type Ref, resourceName } from "./object.ts";
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

  return clientAround(client, async (call, options, send) => {
    const answer = await send(options);
    if (!isWrite(call)) return answer;
    const store = byResource.get(resourceName(call.kind));
    if (call.verb === "delete") store?.deleted(call.place as Ref, (options as unknown as DeleteOptions).uid);
    else store?.written(answer, call.verb === "create" ? "created" : "changed");
    return answer;
  });
}
