import { describe, expect, test } from "vitest";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { createEventRecorder, type EventNote, type KubeEvent } from "../../../src/runtime/kube/events.ts";
import type { KubeObject } from "../../../src/runtime/kube/object.ts";
import { silent } from "../../support/controller-world.ts";
import { settle, VirtualClock } from "../../../testing/virtual-clock.ts";

const orders: KubeObject = {
  apiVersion: "holdfast.dev/v1",
  kind: "Database",
  metadata: { name: "orders", namespace: "shop", uid: "uid-1", resourceVersion: "7" },
};
const note = (message = "spec.replicas: 1 → 3"): EventNote => ({ type: "Normal", reason: "Updated", message });

/** A recorder, and the Events that the API server holds. `fail` answers what the next write meets. */
function start(fail: (write: number) => Error | undefined = () => undefined) {
  const clock = new VirtualClock();
  const stored = new Map<string, KubeEvent>();
  let writes = 0;
  const meets = (): void => {
    const error = fail((writes += 1));
    if (error !== undefined) throw error;
  };
  const recorder = createEventRecorder({
    component: "holdfast",
    instance: "holdfast-0",
    log: silent,
    clock,
    client: {
      create: async (_, body) => {
        meets();
        stored.set(body.metadata.name, structuredClone(body) as unknown as KubeEvent);
        return body;
      },
      patch: async (_, { name }, [change]) => {
        meets();
        const event = stored.get(name);
        if (event === undefined) throw new ApiError("gone", { status: 404, reason: "NotFound" });
        if (change?.op !== "add" || change.path !== "/series") throw new Error("only the series may change");
        event.series = change.value as NonNullable<KubeEvent["series"]>;
        return event as never;
      },
    },
  });
  return { clock, stored, recorder, events: () => [...stored.values()], writes: () => writes };
}

describe("an event", () => {
  test("says who, what, when and about which object", async () => {
    const { recorder, events } = start();
    recorder.emit(orders, { ...note(), action: "Apply" });
    await recorder.flush();
    expect(events()).toEqual([
      {
        apiVersion: "events.k8s.io/v1",
        kind: "Event",
        metadata: { name: expect.stringMatching(/^orders\.[0-9a-f]{16}$/) as string, namespace: "shop" },
        eventTime: "2026-01-01T00:00:00.000000Z",
        reportingController: "holdfast",
        reportingInstance: "holdfast-0",
        action: "Apply",
        reason: "Updated",
        regarding: { apiVersion: "holdfast.dev/v1", kind: "Database", ...orders.metadata },
        note: "spec.replicas: 1 → 3",
        type: "Normal",
      },
    ]);
  });

  test("rule 56: about a cluster-scoped object lives in the namespace default", async () => {
    const { recorder, events } = start();
    recorder.emit({ apiVersion: "v1", kind: "Node", metadata: { name: "Node:1." } }, note());
    await recorder.flush();
    expect(events()[0]?.metadata).toMatchObject({
      namespace: "default",
      name: expect.stringMatching(/^node-1\.[0-9a-f]{16}$/) as string,
    });
  });

  test("rule 56: is cut to what the API takes, at a character", async () => {
    const { recorder, events } = start();
    recorder.emit(orders, { type: "Warning", reason: "R".repeat(200), message: "🐘".repeat(300) });
    await recorder.flush();
    const [event] = events();
    expect(event).toMatchObject({ reason: "R".repeat(128), action: "R".repeat(128), note: `${"🐘".repeat(255)}…` });
    expect(Buffer.byteLength(event?.note ?? "")).toBeLessThanOrEqual(1_024);
  });
});

describe("what repeats", () => {
  test("rule 56: becomes one Event with a series, whose count is right however many were written", async () => {
    const { recorder, events, clock } = start();
    recorder.emit(orders, note());
    await recorder.flush();
    for (let i = 0; i < 40; i += 1) {
      await clock.advance(1_000);
      recorder.emit(orders, note());
    }
    await recorder.flush();
    expect(events()).toHaveLength(1);
    expect(events()[0]?.series?.count).toBeLessThan(41);
    await clock.advance(300_000);
    recorder.emit(orders, note());
    await recorder.flush();
    expect(events()).toMatchObject([{ series: { count: 42, lastObservedTime: "2026-01-01T00:05:40.000000Z" } }]);
  });

  test("before it could be written is written once", async () => {
    const { recorder, events, writes } = start();
    for (let i = 0; i < 5; i += 1) recorder.emit(orders, note());
    await recorder.flush();
    expect(events()).toMatchObject([{ series: { count: 5 } }]);
    expect(writes()).toBe(1);
  });

  test("after six quiet minutes is news", async () => {
    const { recorder, events, clock } = start();
    recorder.emit(orders, note());
    await recorder.flush();
    await clock.advance(360_001);
    recorder.emit(orders, note());
    await recorder.flush();
    expect(events()).toHaveLength(2);
  });

  test("with another message, or about a namesake, is another event", async () => {
    const { recorder, events } = start();
    recorder.emit(orders, note("a"));
    recorder.emit(orders, note("b"));
    recorder.emit({ ...orders, metadata: { ...orders.metadata, uid: "uid-2" } }, note("a"));
    await recorder.flush();
    expect(events()).toHaveLength(3);
  });

  test("is created again when the first of it has expired", async () => {
    const { recorder, events, stored } = start();
    recorder.emit(orders, note());
    await recorder.flush();
    stored.clear();
    recorder.emit(orders, note());
    await recorder.flush();
    expect(events()).toMatchObject([{ series: { count: 2 } }]);
  });
});

describe("a flood", () => {
  test("about one object is cut off after 25, others are still told", async () => {
    const { recorder, events } = start();
    for (let i = 0; i < 100; i += 1) recorder.emit(orders, note(`change ${i}`));
    recorder.emit({ ...orders, metadata: { ...orders.metadata, uid: "uid-2", name: "other" } }, note());
    await recorder.flush();
    expect(events()).toHaveLength(26);
  });

  test("rule 56: while the API server is away is dropped beyond a thousand, without a throw or a wait", async () => {
    let away = true;
    const { recorder, events, clock } = start(() =>
      away ? new ApiError("away", { status: 0, reason: "NoAnswer" }) : undefined,
    );
    for (let i = 0; i < 1_500; i += 1) {
      recorder.emit({ ...orders, metadata: { ...orders.metadata, uid: `uid-${i}` } }, note());
    }
    await settle();
    away = false;
    await clock.advance(60_000);
    await recorder.flush();
    expect(events()).toHaveLength(1_000);
  });
});

describe("a write that fails", () => {
  test.each([
    { status: 0, reason: "NoAnswer" },
    { status: 429, reason: "TooManyRequests" },
    { status: 503, reason: "ServiceUnavailable" },
  ])("with $status is tried again", async ({ status, reason }) => {
    const { recorder, events, clock } = start((write) =>
      write < 3 ? new ApiError("", { status, reason }) : undefined,
    );
    recorder.emit(orders, note());
    await clock.advance(20_000);
    await recorder.flush();
    expect(events()).toHaveLength(1);
  });

  test.each([
    { error: new ApiError("", { status: 403, reason: "Forbidden" }), because: "it would fail again" },
    { error: new ApiError("", { status: 409, reason: "AlreadyExists" }), because: "the lost answer said yes" },
    { error: new Error("lease lost"), because: "this process may not write" },
  ])("is given up when $because, and the next event is written", async ({ error }) => {
    const { recorder, events } = start((write) => (write === 1 ? error : undefined));
    recorder.emit(orders, note("a"));
    recorder.emit(orders, note("b"));
    await recorder.flush();
    expect(events()).toMatchObject([{ note: "b" }]);
  });

  test("for ever is given up, so that the queue goes on", async () => {
    const { recorder, clock, writes } = start(() => new ApiError("", { status: 500, reason: "InternalError" }));
    recorder.emit(orders, note());
    await clock.advance(120_000);
    await recorder.flush();
    expect(writes()).toBe(5);
  });
});

describe("close", () => {
  test("writes what is left and takes no more", async () => {
    const { recorder, events } = start();
    recorder.emit(orders, note("a"));
    await recorder.close();
    recorder.emit(orders, note("b"));
    await recorder.flush();
    expect(events()).toMatchObject([{ note: "a" }]);
  });

  test("does not wait longer than it may", async () => {
    const { recorder, events, clock } = start(() => new ApiError("", { status: 0, reason: "NoAnswer" }));
    recorder.emit(orders, note());
    const closed = recorder.close(2_000);
    await clock.advance(2_000);
    await closed;
    expect(events()).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
