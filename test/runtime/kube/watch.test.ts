import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import type { KubeClient, WatchFrame } from "../../../src/runtime/kube/client.ts";
import { sleep } from "../../../src/runtime/clock.ts";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { ConfigMap } from "../../../src/runtime/kube/kinds.ts";
import { watchCollection, type WatchSignal } from "../../../src/runtime/kube/watch.ts";
import { settle, VirtualClock } from "../../../testing/virtual-clock.ts";

const object = (name: string, version: number, annotations?: Record<string, string>): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name,
    namespace: "shop",
    resourceVersion: String(version),
    ...(annotations === undefined ? {} : { annotations }),
  },
});
const added = (name: string, version: number): WatchFrame<ConfigMap> => ({
  type: "ADDED",
  object: object(name, version),
});
const bookmark = (version: number): WatchFrame<ConfigMap> => ({ type: "BOOKMARK", object: object("", version) });
const initialEnd = (version: number): WatchFrame<ConfigMap> => ({
  type: "BOOKMARK",
  object: object("", version, { "k8s.io/initial-events-end": "true" }),
});
const failure = (status: number, reason = "", more: object = {}): ApiError =>
  new ApiError(`answered ${status}`, { status, reason, ...more });
const expiredFrame: WatchFrame<ConfigMap> = {
  type: "ERROR",
  object: { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" },
};
const refusesStreaming = failure(422, "Invalid");

/** What the API server does with one call: a watch gives these frames and then ends, fails or hangs. */
type Scripted =
  | { readonly frames: readonly WatchFrame<ConfigMap>[]; readonly ending: "end" | "end in time" | "hang" | Error }
  | { readonly page: readonly ConfigMap[]; readonly version: number; readonly more?: string }
  | Error;

/** Runs the iterable against a script, with a clock of its own; a call beyond the script hangs. */
function run(...script: Scripted[]) {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const signals: WatchSignal<ConfigMap>[] = [];
  const calls: string[] = [];
  const next = (call: string, options: object): Scripted => {
    const {
      signal: _,
      timeoutSeconds: __,
      labels: ___,
      fields: ____,
      namespace: _____,
      ...told
    } = options as Record<string, unknown>;
    calls.push([call, ...Object.entries(told).map(([name, value]) => `${name}=${String(value)}`)].join(" "));
    return script.shift() ?? { frames: [], ending: "hang" };
  };
  const client: Pick<KubeClient, "list" | "watch"> = {
    list: async (_, options = {}) => {
      const step = next("list", options);
      if (step instanceof Error) throw step;
      if (!("page" in step)) throw new Error("the script has a watch here");
      const more = step.more === undefined ? {} : { continue: step.more };
      return { items: [...step.page], resourceVersion: String(step.version), ...more } as never;
    },
    async *watch(_, options) {
      const step = next("watch", options);
      if (step instanceof Error) throw step;
      if (!("frames" in step)) throw new Error("the script has a list here");
      yield* step.frames as WatchFrame<never>[];
      if (step.ending instanceof Error) throw step.ending;
      if (step.ending === "end in time") await sleep(clock, (options.timeoutSeconds ?? 0) * 1_000, options.signal);
      if (step.ending === "end" || step.ending === "end in time") return;
      await new Promise((_, reject) => {
        const { signal } = options;
        if (signal?.aborted === true) reject(signal.reason as Error);
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    },
  };
  /** Of which objects of collections it was said what is kept of them. */
  const prepared: string[] = [];
  const ended = (async () => {
    const prepare = (one: ConfigMap): ConfigMap => {
      prepared.push(one.metadata.name);
      return one;
    };
    const options = { signal: stop.signal, clock, random: () => 0.5, prepare };
    for await (const signal of watchCollection(client, ConfigMap, options)) signals.push(signal);
  })();
  const told = (): string[] =>
    signals.map((signal) => {
      if (signal.type === "synced")
        return `synced ${signal.resourceVersion}: ${signal.items.map((one) => one.metadata.name).join()}`;
      if (signal.type === "changed") return `${signal.frame} ${signal.object.metadata.name}`;
      if (signal.type === "bookmark") return `bookmark ${signal.resourceVersion}`;
      return `retry in ${signal.retryInMs}`;
    });
  return { clock, stop, ended, calls, told, prepared };
}

const streamList = "watch sendInitialEvents=true resourceVersionMatch=NotOlderThan";

describe("the first collection", () => {
  test("rule 24: is streamed, whole before anything of it is told, and its connection is the watch", async () => {
    const world = run({
      frames: [added("a", 5), added("b", 3), bookmark(7), initialEnd(9), added("c", 10)],
      ending: "hang",
    });
    await settle();
    expect(world.told()).toEqual(["synced 9: a,b", "ADDED c"]);
    expect(world.calls).toEqual([streamList]);
  });

  test("is rid of what is not kept as it comes, not when it is whole", async () => {
    const streamed = run({ frames: [added("a", 5), added("b", 3)], ending: "hang" });
    await settle();
    expect(streamed.told()).toEqual([]);
    expect(streamed.prepared).toEqual(["a", "b"]);

    const listed = run(refusesStreaming, { page: [object("a", 50)], version: 9, more: "token" }, new Error("reset"));
    await settle();
    expect(listed.told()).toEqual([expect.stringMatching(/^retry/)]);
    expect(listed.prepared).toEqual(["a"]);
  });

  test("shows what changed while it was read out", async () => {
    const gone: WatchFrame<ConfigMap> = { type: "DELETED", object: object("a", 8) };
    const world = run({ frames: [added("a", 5), added("b", 3), gone, initialEnd(9)], ending: "hang" });
    await settle();
    expect(world.told()).toEqual(["synced 9: b"]);
  });

  test("rules 19, 24: is listed in pages where the server cannot stream, then watched from the list's version, not from an object's", async () => {
    const world = run(
      refusesStreaming,
      { page: [object("a", 50)], version: 9, more: "token" },
      { page: [object("b", 3)], version: 9 },
      { frames: [added("c", 10)], ending: "hang" },
    );
    await settle();
    expect(world.told()).toEqual(["synced 9: a,b", "ADDED c"]);
    expect(world.calls).toEqual([
      streamList,
      "list limit=500",
      "list limit=500 continue=token",
      "watch resourceVersion=9",
    ]);
  });

  test("is not taken for whole when its stream ends or dies before the mark", async () => {
    const world = run({ frames: [added("a", 5)], ending: new Error("reset") }, { page: [object("b", 3)], version: 9 });
    await settle();
    expect(world.told()).toEqual(["synced 9: b"]);
  });

  test("is listed where a stream never comes to its end", async () => {
    const world = run({ frames: [added("a", 5)], ending: "hang" }, { page: [], version: 9 });
    await world.clock.advance(60_000);
    expect(world.told()).toEqual(["synced 9: "]);
  });

  test("rule 28: is read from the start when a page's token has expired, then without pages", async () => {
    const world = run(
      refusesStreaming,
      { page: [object("a", 1)], version: 9, more: "token" },
      failure(410, "Expired"),
      { page: [object("b", 1)], version: 12 },
    );
    await settle();
    await world.clock.advance(0);
    expect(world.told()).toEqual(["retry in 0", "synced 12: b"]);
    expect(world.calls.slice(1, 4)).toEqual(["list limit=500", "list limit=500 continue=token", "list"]);
  });

  // Rule 23 is about watches that begin at "" or "0", where the first frames come in no order. None of ours does: the first ones
  // ask for initial events, all others name the version that a list, a bookmark or a frame after those gave.
  test("rule 23: the versions in a stream that breaks are no place to go on from: it is asked for again, whole", async () => {
    const world = run(
      { frames: [added("a", 50), bookmark(60), added("b", 3)], ending: failure(0, "NoAnswer") },
      { frames: [added("b", 3), initialEnd(70)], ending: new Error("reset") },
    );
    await world.clock.advance(10_000);
    expect(world.told()).toEqual(["retry in 800", "synced 70: b", "retry in 1600"]);
    expect(world.calls).toEqual([streamList, streamList, "watch resourceVersion=70"]);
  });

  test.each([403, 404, 429, 500])("is tried again with backoff after %i, streamed still", async (status) => {
    const world = run(failure(status), { frames: [initialEnd(9)], ending: "hang" });
    await world.clock.advance(800);
    expect(world.told()).toEqual(["retry in 800", "synced 9: "]);
    expect(world.calls).toEqual([streamList, streamList]);
  });
});

describe("a watch", () => {
  const synced: Scripted = { frames: [initialEnd(9)], ending: new Error("reset") };

  test("rule 22: goes on from the newest version that was told, bookmarks included", async () => {
    const world = run(
      { frames: [initialEnd(9), added("a", 10), bookmark(20)], ending: new Error("reset") },
      { frames: [added("b", 21)], ending: new Error("reset") },
    );
    await world.clock.advance(10_000);
    expect(world.told()).toEqual(["synced 9: ", "ADDED a", "bookmark 20", "retry in 800", "ADDED b", "retry in 1600"]);
    expect(world.calls).toEqual([streamList, "watch resourceVersion=20", "watch resourceVersion=21"]);
  });

  test("rule 27: goes on from the version of a deletion", async () => {
    const gone: WatchFrame<ConfigMap> = { type: "DELETED", object: object("a", 12) };
    const world = run({ frames: [added("a", 5), initialEnd(9), gone], ending: new Error("reset") });
    await world.clock.advance(800);
    expect(world.told()).toEqual(["synced 9: a", "DELETED a", "retry in 800"]);
    expect(world.calls).toEqual([streamList, "watch resourceVersion=12"]);
  });

  // Rule 25 asks for the last version first, so that a cache never goes back in time. We ask for the most recent state instead
  // (no resourceVersion): it cannot be older either, and "too large" cannot be the answer. Since Kubernetes 1.31 that is served
  // from the API server's memory (https://github.com/kubernetes/enhancements/issues/2340).
  test("rule 25: what has expired is read again as it is now, in a list too, not as some API server remembers it", async () => {
    const world = run(
      refusesStreaming,
      { page: [object("a", 5)], version: 9 },
      { frames: [expiredFrame], ending: "hang" },
      { page: [object("b", 25)], version: 30 },
    );
    await world.clock.advance(0);
    expect(world.told()).toEqual(["synced 9: a", "retry in 0", "synced 30: b"]);
    expect(world.calls).toEqual([
      streamList,
      "list limit=500",
      "watch resourceVersion=9",
      "list limit=500",
      "watch resourceVersion=30",
    ]);
  });

  test.each([
    { form: "as an answer", step: failure(410, "Expired") },
    { form: "as a frame", step: { frames: [expiredFrame], ending: "hang" } as Scripted },
    { form: "with the reason Gone", step: failure(400, "Gone") },
    {
      form: "as a version of the future",
      step: failure(504, "Timeout", { details: { causes: [{ reason: "ResourceVersionTooLarge" }] } }),
    },
  ])("rule 20: whose version is too old or unknown, $form, reads the collection again", async ({ step }) => {
    const world = run({ frames: [initialEnd(9)], ending: "hang" }, step, {
      frames: [added("b", 30), initialEnd(31)],
      ending: "hang",
    });
    // The server ends the first one in time, which is no failure.
    await world.clock.advance(900_000);
    expect(world.calls.slice(0, 3)).toEqual([streamList, "watch resourceVersion=9", streamList]);
    expect(world.told()).toContain("synced 31: b");
  });

  const errorFrame = (code: number): WatchFrame<ConfigMap> => ({
    type: "ERROR",
    object: { kind: "Status", code, message: "etcd" },
  });

  test("rule 21: ends with any other ERROR frame, and nothing after it is read", async () => {
    const world = run({ frames: [initialEnd(9), errorFrame(500), added("a", 10)], ending: "end" });
    await world.clock.advance(800);
    expect(world.told()).toEqual(["synced 9: ", "retry in 800"]);
    expect(world.calls).toEqual([streamList, "watch resourceVersion=9"]);
  });

  test("rule 21: that meets an ERROR twice at one place goes around it: the collection is read again", async () => {
    const world = run(
      { frames: [initialEnd(9), added("a", 10), errorFrame(500)], ending: "hang" },
      { frames: [added("b", 11), errorFrame(500)], ending: "hang" },
      { frames: [errorFrame(500)], ending: "hang" },
      { frames: [initialEnd(40)], ending: "hang" },
    );
    await world.clock.advance(10_000);
    expect(world.calls).toEqual([streamList, "watch resourceVersion=10", "watch resourceVersion=11", streamList]);
  });

  test("that is told twice in a frame to wait reads nothing again", async () => {
    const overloaded: Scripted = { frames: [errorFrame(429)], ending: "hang" };
    const world = run({ frames: [initialEnd(9)], ending: new Error("reset") }, overloaded, overloaded);
    await world.clock.advance(10_000);
    expect(world.calls).toEqual([streamList, ...Array<string>(3).fill("watch resourceVersion=9")]);
  });

  test.each([
    { what: "overload", error: failure(429, "TooManyRequests", { retryAfterMs: 7_000 }), retry: "retry in 7000" },
    { what: "a refused connection", error: failure(0, "NoAnswer"), retry: "retry in 1600" },
    { what: "a lost permission", error: failure(403, "Forbidden"), retry: "retry in 1600" },
  ])("rule 29: after $what goes on where it was, without reading all again", async ({ error, retry }) => {
    const world = run(synced, error);
    await world.clock.advance(20_000);
    expect(world.told()).toEqual(["synced 9: ", "retry in 800", retry]);
    expect(world.calls).toEqual([streamList, "watch resourceVersion=9", "watch resourceVersion=9"]);
  });

  test("is opened again at once when the server ended it in time", async () => {
    const world = run({ frames: [initialEnd(9), bookmark(12)], ending: "end" });
    await settle();
    expect(world.told()).toEqual(["synced 9: ", "bookmark 12"]);
    expect(world.calls).toEqual([streamList, "watch resourceVersion=12"]);
  });

  test("that lasted until the server ended it forgives the failures before it", async () => {
    const ended: Scripted = { frames: [], ending: "end in time" };
    const world = run({ frames: [initialEnd(9)], ending: new Error("reset") }, failure(500), ended, failure(500));
    await world.clock.advance(460_000);
    expect(world.told().slice(1)).toEqual(["retry in 800", "retry in 1600", "retry in 800"]);
  });

  test("rule 31: that the server ends at once, without a frame, counts as failed: it is not asked without end", async () => {
    const world = run(
      synced,
      { frames: [], ending: "end" },
      { frames: [], ending: "end" },
      { frames: [], ending: "end" },
    );
    await world.clock.advance(13_000);
    expect(world.told().slice(1)).toEqual(["retry in 800", "retry in 1600", "retry in 3200", "retry in 6400"]);
  });

  test("rule 31: backs off to 30 s, and only a healthy stretch of two minutes forgives", async () => {
    const failing = Array.from({ length: 7 }, () => failure(500));
    const world = run(synced, ...failing, { frames: [added("a", 10)], ending: "hang" }, failure(500));
    await world.clock.advance(130_000);
    const retries = (): string[] => world.told().filter((line) => line.startsWith("retry"));
    expect(retries()).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000].map((ms) => `retry in ${ms}`));
    // The watch that hangs is ended by us: that is a failure after a healthy stretch.
    await world.clock.advance(480_000);
    expect(retries().slice(8)).toEqual(["retry in 800", "retry in 1600"]);
  });
});

test("a hundred broken connections leave nothing behind: no timer, nobody who waits for the end", async () => {
  const broken: Scripted = { frames: [bookmark(10)], ending: new Error("reset") };
  const world = run({ frames: [initialEnd(9)], ending: "hang" }, ...Array.from({ length: 100 }, () => broken));
  await settle();
  const before = getEventListeners(world.stop.signal, "abort").length;
  await world.clock.advance(5_000_000);
  expect(world.calls.length).toBeGreaterThan(100);
  expect(getEventListeners(world.stop.signal, "abort")).toHaveLength(before);
  world.stop.abort();
  await world.ended;
  expect(world.clock.pending).toBe(0);
});

describe("silence", () => {
  test.each([
    { drawn: 0, seconds: 300 },
    { drawn: 0.5, seconds: 450 },
    { drawn: 0.999, seconds: 599 },
  ])("rule 30: the server is asked to end a watch after 5 to 10 min, at random: $seconds s", async (given) => {
    const stop = new AbortController();
    const asked: (number | undefined)[] = [];
    const client: Pick<KubeClient, "list" | "watch"> = {
      list: () => Promise.reject(new Error("it is streamed")),
      // eslint-disable-next-line require-yield
      async *watch(_, { timeoutSeconds }) {
        asked.push(timeoutSeconds);
        stop.abort();
      },
    };
    for await (const _ of watchCollection(client, ConfigMap, { signal: stop.signal, random: () => given.drawn }));
    expect(asked).toEqual([given.seconds]);
  });

  test("rule 30: of a connection that the server should have ended is ended by us", async () => {
    const world = run({ frames: [initialEnd(9)], ending: "hang" });
    // random() is 0.5, so the server is asked for 450 s; it has 15 s of grace.
    await world.clock.advance(464_000);
    expect(world.calls).toHaveLength(1);
    await world.clock.advance(2_000);
    expect(world.told()).toEqual(["synced 9: ", "retry in 800"]);
  });

  test("is noticed sooner where bookmarks used to come", async () => {
    const world = run({ frames: [initialEnd(9), bookmark(10)], ending: "hang" });
    await world.clock.advance(149_000);
    expect(world.calls).toHaveLength(1);
    await world.clock.advance(2_000);
    expect(world.told().at(-1)).toBe("retry in 800");
  });
});

describe("the end", () => {
  test.each([
    { where: "in a watch", script: [{ frames: [initialEnd(9)], ending: "hang" } as Scripted] },
    { where: "while the collection is streamed", script: [{ frames: [], ending: "hang" } as Scripted] },
    { where: "in a backoff", script: [failure(500)] },
  ])("comes with the signal, $where, and leaves no timer behind", async ({ script }) => {
    const world = run(...script);
    await settle();
    world.stop.abort(new Error("shutdown"));
    await world.ended;
    const calls = world.calls.length;
    expect(world.clock.pending).toBe(0);
    await world.clock.advance(60_000);
    expect(world.calls).toHaveLength(calls);
  });
});
