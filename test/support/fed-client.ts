// A port's fake: a client whose watches a test feeds by hand, one for each kind and namespace at a time.
import type { KubeClient, WatchCallOptions, WatchFrame } from "../../src/runtime/kube/client.ts";
import { ConfigMap } from "../../src/runtime/kube/kinds.ts";
import { type Kind, type KubeObject, resourceName } from "../../src/runtime/kube/object.ts";
import { settle } from "../../testing/virtual-clock.ts";

type Fed = WatchFrame<any> | Error;

export class FedClient implements Pick<KubeClient, "list" | "watch"> {
  readonly #feeds = new Map<string, (frame: Fed) => void>();

  list(): never {
    throw new Error("the collection is streamed");
  }

  /** An Error breaks the connection. Resolves when all that it led to has run. */
  feed(frame: Fed, namespace = "", kind: Kind = ConfigMap): Promise<void> {
    const feed = this.#feeds.get(`${resourceName(kind)} ${namespace}`);
    if (feed === undefined) throw new Error(`nobody watches ${resourceName(kind)} in "${namespace}"`);
    feed(frame);
    return settle();
  }

  async *watch<T extends KubeObject>(
    kind: Kind<T>,
    { namespace = "", signal }: WatchCallOptions,
  ): AsyncIterable<WatchFrame<T>> {
    const waiting: Fed[] = [];
    let wake = Promise.withResolvers<void>();
    const push = (frame: Fed): void => {
      waiting.push(frame);
      wake.resolve();
    };
    this.#feeds.set(`${resourceName(kind)} ${namespace}`, push);
    signal?.addEventListener("abort", () => push(signal.reason as Error));
    for (;;) {
      await wake.promise;
      wake = Promise.withResolvers();
      for (const frame of waiting.splice(0)) {
        if (frame instanceof Error) throw frame;
        yield frame;
      }
    }
  }
}

/** The frame that ends the first collection. */
export function initialEnd(version: number): WatchFrame<any> {
  const metadata = { name: "", resourceVersion: String(version), annotations: { "k8s.io/initial-events-end": "true" } };
  return { type: "BOOKMARK", object: { apiVersion: "v1", kind: "ConfigMap", metadata } };
}
