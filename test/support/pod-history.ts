// What became of the Pods of a namespace while one looked on: which went, and how many served at the least.
import { memberOf } from "../../src/database/instances.ts";
import { Informer } from "../../src/runtime/kube/informer.ts";
import { Pod } from "../../src/runtime/kube/kinds.ts";
import type { Scenario } from "./scenario.ts";

export interface PodHistory extends AsyncDisposable {
  /** The names of Pods that went, in order: as often as they did. */
  readonly gone: readonly string[];
  /** At the worst moment so far. */
  readonly leastServing: number;
}

/** Looks on from now, when as many serve as there are. */
export async function watchPods({ admin, namespace }: Scenario): Promise<PodHistory> {
  const ended = new AbortController();
  const informer = new Informer({ client: admin, kind: Pod, namespaces: [namespace], onError: () => undefined });
  const gone: string[] = [];
  let leastServing = Infinity;
  const running = informer.run(ended.signal);
  await informer.synced;
  informer.subscribe((delta) => {
    if (delta.type === "deleted") gone.push(delta.object.metadata.name);
    leastServing = Math.min(leastServing, informer.store.list().filter(serves).length);
  });
  return {
    gone,
    get leastServing() {
      return leastServing;
    },
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await running.catch(() => undefined);
    },
  };
}

function serves(pod: Readonly<Pod>): boolean {
  const { role, streaming } = memberOf(pod);
  const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  return ready && (role === "primary" || streaming === true);
}
