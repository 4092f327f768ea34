import { describe, expect, test } from "vitest";
import { cacheOf, Informer, type InformerError, type InformerOptions } from "../../../src/runtime/kube/informer.ts";
import { ConfigMap, Pod } from "../../../src/runtime/kube/kinds.ts";
import type { Delta } from "../../../src/runtime/kube/store.ts";
import { FedClient, initialEnd } from "../../support/fed-client.ts";
import { settle, VirtualClock } from "../../../testing/virtual-clock.ts";

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
  test("rule 15: is synced when the whole collection is in the store and its handlers were told", async () => {
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

  test("tells one that comes late what the watch told, not what our writes are ahead of it by", async () => {
    const { client, informer } = await start();
    await client.feed({ type: "ADDED", object: object("a", 5) });
    await client.feed(initialEnd(9));
    informer.store.written(object("b", 10), "created");
    informer.store.deleted({ namespace: "shop", name: "a" }, "uid-a");
    const late: string[] = [];
    informer.subscribe(({ type, object }) => late.push(`${type} ${object.metadata.name}`));
    await client.feed({ type: "ADDED", object: object("b", 10) });
    await client.feed({ type: "DELETED", object: object("a", 11) });
    expect(late).toEqual(["initial a", "added b", "deleted a"]);
  });

  test("tells each handler of each change once, also when handlers come and go while changes are told", async () => {
    const { client, informer } = await start();
    const late: string[] = [];
    const leaving: string[] = [];
    const end = informer.subscribe((delta) => leaving.push(delta.object.metadata.name));
    let came = false;
    informer.subscribe(() => {
      end();
      if (!came) informer.subscribe(({ type, object }) => late.push(`${type} ${object.metadata.name}`));
      came = true;
    });
    await client.feed({ type: "ADDED", object: object("a", 5) });
    await client.feed({ type: "ADDED", object: object("b", 6) });
    await client.feed(initialEnd(9));
    expect(late).toEqual(["initial a", "initial b"]);
    expect(leaving).toEqual(["a"]);
    await client.feed({ type: "MODIFIED", object: object("a", 10) });
    expect(late).toEqual(["initial a", "initial b", "updated a"]);
  });

  test("without a replay tells only what changes from now on", async () => {
    const { client, informer } = await start();
    await client.feed({ type: "ADDED", object: object("a", 5) });
    await client.feed(initialEnd(9));
    const late: string[] = [];
    informer.subscribe(({ type }) => late.push(type), { replay: false });
    await client.feed({ type: "MODIFIED", object: object("a", 10) });
    expect(late).toEqual(["updated"]);
  });

  test("rule 26: is read whole by its handlers: none sees a half of what was read again", async () => {
    const { client, clock, informer } = await start();
    for (const name of ["a", "b", "c"]) await client.feed({ type: "ADDED", object: object(name, 5) });
    await client.feed(initialEnd(9));
    const seen: string[] = [];
    informer.subscribe(
      ({ type, object }) => {
        const names = informer.store.list().map(({ metadata }) => metadata.name);
        seen.push(`${type} ${object.metadata.name}: ${names.toSorted().join()}`);
      },
      { replay: false },
    );
    await client.feed({ type: "ERROR", object: { code: 410 } });
    await clock.advance(0);
    await client.feed({ type: "ADDED", object: object("c", 5) });
    await client.feed({ type: "ADDED", object: object("d", 12) });
    await client.feed(initialEnd(20));
    expect(seen).toEqual(["deleted a: c,d", "deleted b: c,d", "added d: c,d"]);
  });

  test("rule 32: waits for no handler, and tells of changes in their order", async () => {
    const { client, informer } = await start();
    const begun: (string | undefined)[] = [];
    // An async function fits the type of a handler, for whoever does not lint.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises
    informer.subscribe(async ({ object }) => {
      begun.push(object.metadata.resourceVersion);
      await new Promise(() => {});
    });
    await client.feed(initialEnd(9));
    await client.feed({ type: "ADDED", object: object("orders", 10) });
    await client.feed({ type: "MODIFIED", object: object("orders", 11) });
    await client.feed({ type: "DELETED", object: object("orders", 12) });
    expect(begun).toEqual(["10", "11", "12"]);
  });

  test("rule 17: outlives a handler whose promise is rejected, and a transform that throws: the object stays as it came", async () => {
    const failure = new Error("bug");
    const { client, informer, told, errors } = await start({
      transform: (one) => {
        if (one.metadata.name === "odd") throw failure;
        return { ...one, data: {} };
      },
    });
    // eslint-disable-next-line @typescript-eslint/no-misused-promises
    informer.subscribe(async () => Promise.reject(failure));
    await client.feed({ type: "ADDED", object: object("odd", 5) });
    await client.feed(initialEnd(9));
    await client.feed({ type: "ADDED", object: object("orders", 10) });
    expect(told).toEqual(["initial odd", "added orders"]);
    expect(informer.store.list()).toEqual([object("odd", 5), { ...object("orders", 10), data: {} }]);
    expect(errors.map(({ type }) => type)).toEqual(["transform", "handler", "handler"]);
  });

  test("rule 17: outlives a handler that throws: the others are told, and the next change comes", async () => {
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

  test("rule 26: says that it lost its connection, and finds what was deleted meanwhile", async () => {
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
  expect(() => cache.covers(Pod, { namespace: "shop", name: "orders" })).toThrow("pods are not watched");
});

test.each([
  { watched: {}, covered: true, because: "everything is watched" },
  { watched: { namespaces: ["shop"] }, covered: true, because: "its namespace is watched" },
  { watched: { namespaces: ["bar"] }, covered: false, because: "another namespace is watched" },
  { watched: { labels: "app=shop" }, covered: false, because: "it may not bear the label" },
  { watched: { fields: "metadata.name=orders" }, covered: false, because: "a field may leave it out" },
])("what a cache lacks is surely not there: $covered, since $because", async ({ watched, covered }) => {
  const { informer } = await start(watched);
  expect(cacheOf([informer]).covers(ConfigMap, { namespace: "shop", name: "orders" })).toBe(covered);
});
