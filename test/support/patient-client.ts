// A client for who looks at a world whose API server may be killed at any time: what got no answer is asked again.
import { setTimeout as sleep } from "node:timers/promises";
import { clientAround, isWrite } from "../../src/runtime/kube/around.ts";
import { ApiError, isConflict, isNotFound, type KubeClient } from "../../src/runtime/index.ts";

/** @param patienceMs for how long it is asked again. Creations and JSON patches never are: they may have been carried out. */
export function patientClient(client: KubeClient, patienceMs = 30_000): KubeClient {
  return clientAround(client, async (call, options, send) => {
    const isRepeatable = !isWrite(call) || call.verb === "apply" || call.verb === "delete";
    const deadline = performance.now() + patienceMs;
    for (let tries = 1; ; tries += 1) {
      try {
        return await send(options);
      } catch (error) {
        // The first attempt has deleted it.
        const isDone = call.verb === "delete" && tries > 1 && (isNotFound(error) || isConflict(error));
        if (isDone) return undefined as Awaited<ReturnType<typeof send>>;
        const isOver = options.signal?.aborted === true || performance.now() > deadline;
        if (!isRepeatable || !isUnanswered(error) || isOver) throw error;
        await sleep(100);
      }
    }
  });
}

/** Not by an API server that was up and well. One that is answers 500 to an apply whose values are of the wrong type. */
function isUnanswered(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status > 500);
}
