import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cache, KubeClient } from "../../../src/runtime/index.ts";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { defineKind, type KubeObject } from "../../../src/runtime/kube/object.ts";
import { statusEqual, writeStatus } from "../../../src/runtime/reconcile/status.ts";

interface Shop extends KubeObject {
  status?: { readonly phase: string };
}
const Shop = defineKind<Shop>({ group: "example.org", version: "v1", kind: "Shop", plural: "shops", namespaced: true });

describe("writeStatus", () => {
  /** A cache that stands still, as behind a watch that lags, and an API server whose next answer to a write may be another. */
  function open() {
    const shop = (phase: string, version: number): Shop => ({
      apiVersion: "example.org/v1",
      kind: "Shop",
      metadata: { namespace: "shop", name: "a", uid: "a", resourceVersion: String(version) },
      status: { phase },
    });
    const cached = shop("Ready", 1);
    const world = { live: cached, answers: [] as (Error | "carriedOut")[], reads: 0 };
    const client = {
      get: async () => ((world.reads += 1), world.live),
      applyStatus: async (_: unknown, body: Shop) => {
        const answer = world.answers.shift();
        if (answer instanceof ApiError && answer.status >= 400 && answer.status < 500) throw answer;
        if (body.metadata.resourceVersion !== world.live.metadata.resourceVersion)
          throw new ApiError("", { status: 409, reason: "Conflict" });
        world.live = shop(body.status?.phase ?? "", Number(world.live.metadata.resourceVersion) + 1);
        if (answer instanceof Error) throw answer;
        return world.live;
      },
    } as unknown as KubeClient;
    const cache = { get: () => cached } as unknown as Cache;
    const { signal } = new AbortController();
    const write = (phase: string) => writeStatus(Shop, cached, { phase }, "test", { cache, client, signal });
    return { world, write };
  }
  const noAnswer = new ApiError("reset", { status: 0, reason: "NoAnswer" });
  const timeout = new ApiError("too slow", { status: 504, reason: "Timeout" });
  const aborted = new Error("the pass took too long");

  test.for([noAnswer, timeout, aborted])(
    "a status that was written without an answer (%s) is taken back, though the cache never knew of it",
    async (lost) => {
      const { world, write } = open();
      world.answers.push(lost);
      await expect(write("Failed")).rejects.toBe(lost);
      expect(world.live.status).toEqual({ phase: "Failed" });
      expect(await write("Ready")).toMatchObject({ result: "updated" });
      expect(world.live.status).toEqual({ phase: "Ready" });
      // From now on the cache is believed again.
      await write("Ready");
      expect(world.reads).toBe(1);
    },
  );

  test("also when the first look after it fails", async () => {
    const { world, write } = open();
    world.answers.push(noAnswer, noAnswer);
    await expect(write("Failed")).rejects.toBe(noAnswer);
    await expect(write("Ready")).rejects.toBe(noAnswer);
    await write("Ready");
    expect(world.live.status).toEqual({ phase: "Ready" });
  });

  test("of those that are never written again only so many are remembered, the newest", async () => {
    const shop = (uid: string): Shop => ({
      apiVersion: "example.org/v1",
      kind: "Shop",
      metadata: { namespace: "shop", name: uid, uid, resourceVersion: "1" },
      status: { phase: "Ready" },
    });
    const read: string[] = [];
    const client = {
      get: async (_: unknown, { name }: { name: string }) => (read.push(name), shop(name)),
      applyStatus: async () => Promise.reject(noAnswer),
    } as unknown as KubeClient;
    const cache = { get: () => undefined } as unknown as Cache;
    const { signal } = new AbortController();
    const write = (uid: string, phase: string) =>
      writeStatus(Shop, shop(uid), { phase }, "test", { cache, client, signal });
    const uids = Array.from({ length: 1_001 }, (_, number) => `shop-${number}`);
    for (const uid of uids) await expect(write(uid, "Failed")).rejects.toBe(noAnswer);
    for (const uid of ["shop-0", "shop-1", "shop-1000"]) await write(uid, "Ready");
    expect(read).toEqual(["shop-1", "shop-1000"]);
  });

  test("one that was refused leaves the cache in the right", async () => {
    const { world, write } = open();
    world.answers.push(new ApiError("no", { status: 403, reason: "Forbidden" }));
    await expect(write("Failed")).rejects.toMatchObject({ status: 403 });
    expect(await write("Ready")).toMatchObject({ result: "unchanged" });
    expect(world.reads).toBe(0);
  });
});

describe("statusEqual", () => {
  test.for([
    [{ phase: "Ready", primary: undefined }, { phase: "Ready" }, true, "undefined is absent"],
    [{ labels: { toString: "a" } }, { labels: { toString: "a" } }, true, "a key of this name must not be called"],
    [{ labels: { valueOf: "a" } }, { labels: { valueOf: "b" } }, false, "a key of this name must not be called"],
    [{ constructor: "a" }, { constructor: "a" }, true, "nor is this one special"],
    [[1, 2], [2, 1], false, "the order of a list counts"],
    [{}, undefined, false, "something is not nothing"],
    [{ a: null }, {}, false, "null is a value of ours"],
  ] as const)("%j and %j: %s, because %s", ([a, b, same]) => {
    expect(statusEqual(a, b)).toBe(same);
  });

  test("is equality of the JSON, whatever the keys are called and however they are ordered", () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const keyed = fc.dictionary(fc.constantFrom("toString", "valueOf", "constructor", "hasOwnProperty", "a"), json);
    const value = fc.oneof(json, keyed);
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(statusEqual(a, b)).toBe(canonical(a) === canonical(b));
        expect(statusEqual(a, JSON.parse(JSON.stringify(a)))).toBe(true);
      }),
    );
  });
});

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
  return `{${members.toSorted().join()}}`;
}
