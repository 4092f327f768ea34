// A client whose writes the cache knows of at once, so that the next pass does not see the world before them; nor, where a write was
// refused because the world is another one, what that write went by.
import { type Call, clientAround, isWrite } from "./around.ts";
import type { CallOptions, DeleteOptions, KubeClient } from "./client.ts";
import { ApiError } from "./errors.ts";
import { type Kind, type Ref, resourceName } from "./object.ts";
import type { Store } from "./store.ts";

/**
 * Writes through `client`; each answer goes into the store of its kind, where there is one. Answers are then shared with
 * the cache: never change them. What a refused write was about is read once, and remembered as well: a watch may be behind for
 * long, and every retry until then would be refused in the same way.
 */
export function rememberingClient(
  client: KubeClient,
  stores: Iterable<{ readonly kind: Kind<any>; readonly store: Store<any> }>,
): KubeClient {
  const byResource = new Map<string, Store<any>>();
  for (const { kind, store } of stores) byResource.set(resourceName(kind), store);

  async function readAgain(kind: Kind, ref: Ref, store: Store<any>, { signal }: CallOptions): Promise<void> {
    // Of what is created under a name that the API server is to choose there is nothing to read.
    if (!ref.name) return;
    const seen = store.get(ref);
    try {
      store.read(ref, seen, await client.get(kind, ref, signal === undefined ? {} : { signal }));
    } catch {
      // That the write was refused is what counts.
    }
  }

  return clientAround(client, async (call, options, send) => {
    const store = isWrite(call) ? byResource.get(resourceName(call.kind)) : undefined;
    if (store === undefined) return send(options);
    // A write names its object.
    const ref = call.place as Ref;
    let answer: Awaited<ReturnType<typeof send>>;
    try {
      answer = await send(options);
    } catch (error) {
      if (saysOtherwise(error, call)) await readAgain(call.kind, ref, store, options);
      throw error;
    }
    if (call.verb === "delete") store.deleted(ref, (options as unknown as DeleteOptions).uid);
    else store.written(answer, call.verb === "create" ? "created" : "changed");
    return answer;
  });
}

/** The object is not what the write took it for: it has changed, or is there, or gone. A `test` of a patch that fails is a 422. */
function saysOtherwise(error: unknown, { verb }: Call): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status === 409 || error.status === 404 || (error.status === 422 && verb === "patch");
}
