import { describe, expect, test } from "vitest";
import type { KubeClient, WatchCallOptions, WatchFrame } from "../../../src/runtime/kube/client.ts";
import { cacheOf, Informer, type InformerError, type InformerOptions } from "../../../src/runtime/kube/informer.ts";
import { ConfigMap, Pod } from "../../../src/runtime/kube/kinds.ts";
import type { Delta } from "../../../src/runtime/kube/store.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";

const object = (name: string, version: number, namespace = "shop", labels?: Record<string, string>): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name,
    namespace,
    uid: `uid-${name}`,
    resourceVersion: String(version),
    ...(labels === undefined ? {} : { labels }),
  },
});
const initialEnd = (version: number): WatchFrame<ConfigMap> => {
  const mark = object("", version);
  return {
    type: "BOOKMARK",
    object: { ...mark, metadata: { ...mark.metadata, annotations: { "k8s.io/initial-events-end": "true" } } },
  };
};

/** A client whose watches a test feeds by hand: one for each namespace at a time. */
class FedClient implements Pick<KubeClient, "list" | "watch"> {
  readonly #feeds = new Map<string, (frame: WatchFrame<any> | Error) => void>();

  list(): never {
    throw new Error("the collection is streamed");
  }

  feed(frame: WatchFrame<ConfigMap> | Error, namespace = ""): Promise<void> {
    this.#feeds.get(namespace)?.(frame);
    return settle();
  }

  async *watch(_: unknown, { namespace = "", signal }: WatchCallOptions): AsyncIterable<WatchFrame<any>> {
    const waiting: (WatchFrame<any> | Error)[] = [];
    let wake = Promise.withResolvers<void>();
    const push = (frame: WatchFrame<any> | Error): void => {
      waiting.push(frame);
      wake.resolve();
    };
    this.#feeds.set(namespace, push);
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

async function start(options: Partial<InformerOptions<ConfigMap>> = {}) {
  const clock = new VirtualClock();
  const client = new FedClient();
  const errors: (InformerError & { error: unknown })[] = [];
  const stop = new AbortController();
  const informer = new Informer({
    client,
    kind: ConfigMap,
    clock,
    onError: (error, about) => errors.push({ error, ...about }),
    ...options,
  });
  const told: string[] = [];
  informer.subscribe((delta: Delta<ConfigMap>) => told.push(`${delta.type} ${delta.object.metadata.name}`));
  const ended = informer.run(stop.signal);
  await settle();
  return { clock, client, errors, stop, informer, told, ended };
}

describe("an informer", () => {
  test("is synced when the whole collection is in the store and its handlers were told", async () => {
    const { client, informer, told } = await start();
    let toldAtSync: string[] = [];
    void informer.synced.then(() => (toldAtSync = [...told]));
    await client.feed({ type: "ADDED", object: object("orders", 5) });
    expect(informer.isSynced).toBe(false);
    expect(told).toEqual([]);
    await client.feed(initialEnd(9));
    expect(informer.isSynced).toBe(true);
    expect(toldAtSync).toEqual(["initial orders"]);
    expect(informer.store.get({ namespace: "shop", name: "orders" })).toEqual(object("orders", 5));
  });

  test("tells handlers of every change in order, and late ones of all that is there first", async () => {
    const { client, informer, told } = await start();
    await client.feed(initialEnd(9));
    await client.feed({ type: "ADDED", object: object("orders", 10) });
    const late: string[] = [];
    const end = informer.subscribe((delta) => late.push(delta.type));
    await client.feed({ type: "MODIFIED", object: object("orders", 11) });
    end();
    await client.feed({ type: "DELETED", object: object("orders", 12) });
    expect(told).toEqual(["added orders", "updated orders", "deleted orders"]);
    expect(late).toEqual(["initial", "updated"]);
  });

  test("outlives a handler that throws: the others are told, and the next change comes", async () => {
    const failure = new Error("bug");
    const { client, informer, told, errors } = await start();
    informer.subscribe(() => {
      throw failure;
    });
    await client.feed(initialEnd(9));
    await client.feed({ type: "ADDED", object: object("orders", 10) });
    await client.feed({ type: "MODIFIED", object: object("orders", 11) });
    expect(told).toEqual(["added orders", "updated orders"]);
    expect(errors).toEqual([
      { error: failure, type: "handler", kind: ConfigMap },
      { error: failure, type: "handler", kind: ConfigMap },
    ]);
  });

  test("says that it lost its connection, and finds what was deleted meanwhile", async () => {
    const { client, clock, told, errors } = await start();
    await client.feed({ type: "ADDED", object: object("orders", 5) });
    await client.feed(initialEnd(9));
    await client.feed({ type: "ERROR", object: { code: 410, reason: "Expired" } });
    expect(errors).toMatchObject([{ type: "disconnected", kind: ConfigMap, retryInMs: 0 }]);
    await clock.advance(0);
    await client.feed(initialEnd(20));
    expect(told).toEqual(["initial orders", "deleted orders"]);
  });

  test("knows when it heard something last, and when something changed last", async () => {
    const { client, clock, informer } = await start();
    await client.feed(initialEnd(9));
    await client.feed({ type: "ADDED", object: object("orders", 10) });
    const changedAt = clock.date();
    await clock.advance(60_000);
    await client.feed({ type: "BOOKMARK", object: object("", 11) });
    expect(informer.lastHeardAt).toEqual(clock.date());
    expect(informer.lastEventAt).toEqual(changedAt);
  });

  test("of several namespaces is synced when all are, and forgets nothing of one when another is read again", async () => {
    const { client, clock, informer, told } = await start({ namespaces: ["shop", "bar"] });
    await client.feed({ type: "ADDED", object: object("orders", 5) }, "shop");
    await client.feed(initialEnd(9), "shop");
    expect(informer.isSynced).toBe(false);
    await client.feed(initialEnd(8), "bar");
    expect(informer.isSynced).toBe(true);
    await client.feed({ type: "ERROR", object: { code: 410 } }, "bar");
    await clock.advance(0);
    await client.feed(initialEnd(30), "bar");
    expect(told).toEqual(["initial orders"]);
  });

  test("remembers only those writes that its watch will tell of", async () => {
    const { client, informer } = await start({ namespaces: ["shop"], labels: "app=orders" });
    await client.feed(initialEnd(9), "shop");
    informer.store.written(object("a", 10, "shop", { app: "orders" }), "created");
    informer.store.written(object("b", 11, "shop", { app: "other" }), "created");
    informer.store.written(object("c", 12, "bar", { app: "orders" }), "created");
    expect(informer.store.list().map(({ metadata }) => metadata.name)).toEqual(["a"]);
  });

  test("ends with its signal; who still waits for it to be synced is told", async () => {
    const { stop, ended, informer, clock } = await start();
    stop.abort(new Error("shutdown"));
    await ended;
    await expect(informer.synced).rejects.toThrow("shutdown");
    expect(clock.pending).toBe(0);
  });
});

test("a cache reads each kind from its store, and refuses kinds that nobody watches", async () => {
  const { client, informer } = await start();
  await client.feed({ type: "ADDED", object: object("orders", 5) });
  await client.feed(initialEnd(9));
  const cache = cacheOf([informer]);
  expect(cache.get(ConfigMap, { namespace: "shop", name: "orders" })).toEqual(object("orders", 5));
  expect(cache.list(ConfigMap, { namespace: "bar" })).toEqual([]);
  expect(() => cache.get(Pod, { namespace: "shop", name: "orders" })).toThrow("pods are not watched");
  expect(() => cache.list(Pod)).toThrow("pods are not watched");
});
