// A client bound to a span of time: its calls end with a signal, its writes need a condition and are told.
import { clientAround, isWrite } from "../kube/around.ts";
import type { CallOptions, KubeClient } from "../kube/client.ts";
import type { KubeObject } from "../kube/object.ts";

export interface Binding {
  /** For calls that bring none of their own. */
  readonly signal?: AbortSignal;
  /** Called right before each write; a throw rejects the write instead of sending it. */
  readonly beforeWrite?: () => void;
  /** Called with what the API server answered to a write, before the caller has it. Not to a delete: nothing of it remains. */
  readonly afterWrite?: (object: KubeObject) => void;
}

export function boundClient(client: KubeClient, { signal, beforeWrite, afterWrite }: Binding): KubeClient {
  const bound = <O extends CallOptions>(options: O): O =>
    signal === undefined || options.signal !== undefined ? options : { ...options, signal };
  return {
    ...clientAround(client, async (call, options, send) => {
      if (!isWrite(call)) return send(bound(options));
      beforeWrite?.();
      const answer = await send(bound(options));
      if (call.verb !== "delete") afterWrite?.(answer as KubeObject);
      return answer;
    }),
    watch: (kind, options) => client.watch(kind, bound(options)),
  };
}
