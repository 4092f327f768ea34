import { Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { KubeClient } from "../../../src/runtime/kube/client.ts";
import { ApiError, TerminalError } from "../../../src/runtime/kube/errors.ts";
import { ConfigMap, Secret } from "../../../src/runtime/kube/kinds.ts";
import { startController, type ControllerOptions } from "../../../src/runtime/loop/controller.ts";
import { awaitChange, requeue } from "../../../src/runtime/loop/outcome.ts";
import type { Context, Reconcile } from "../../../src/runtime/loop/pass.ts";
import { TestWorld } from "../../support/controller-world.ts";
import { recordSpans } from "../../support/spans.ts";
import { settle } from "../../../testing/virtual-clock.ts";

const orders: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "orders", namespace: "shop" } };
const secret: Secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "orders-key", namespace: "shop" } };
const conflict = new ApiError("it has changed", { status: 409, reason: "Conflict" });

interface Line {
  readonly msg: string;
  readonly reason?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
}

/** One controller that is traced, over a client that answers so; `lines` are its log. */
async function trace(
  reconcile: Reconcile<ConfigMap, void>,
  client: Partial<KubeClient> = {},
  options: Partial<ControllerOptions<ConfigMap, void>> = {},
) {
  const spans = await recordSpans();
  const lines: Line[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => (lines.push(JSON.parse(chunk.toString()) as Line), done()),
  });
  const base = new TestWorld(client);
  const world = Object.assign(base, { tracing: spans.tracing, log: pino({ level: "debug" }, sink) });
  world.put(ConfigMap, orders);
  const controller = startController({ name: "shop", for: ConfigMap, value: undefined, reconcile, ...options }, world);
  await settle();
  return { world, controller, lines, spans: spans.ended() };
}

describe("a pass is a span", () => {
  test("that says of which controller and object it is, why it ran, how long it had waited, and what came of it", async () => {
    const { spans } = await trace(async () => requeue(5_000));
    expect(spans).toHaveLength(1);
    expect(spans[0]?.name).toBe("reconcile shop");
    expect(spans[0]?.parentSpanContext).toBeUndefined();
    expect(spans[0]?.attributes).toEqual({
      "controller.name": "shop",
      "k8s.namespace.name": "shop",
      "k8s.object.name": "orders",
      "k8s.object.uid": "uid-orders",
      "reconcile.reason": "initial list",
      "reconcile.waited_ms": 0,
      "reconcile.failures": 0,
      "reconcile.result": "requeue_after",
      "reconcile.outcome": "requeue",
      "reconcile.requeue_after_ms": 5_000,
    });
  });

  test("that names all that woke it, and for how long that waited", async () => {
    const opened = Promise.withResolvers<void>();
    const passes: string[] = [];
    const run = await trace(async ({ metadata }) => {
      passes.push(metadata.name);
      if (passes.length === 1) await opened.promise;
      return awaitChange;
    });
    run.world.put(ConfigMap, { ...orders, metadata: { ...orders.metadata, name: "billing" } });
    await run.world.clock.advance(700);
    run.world.put(ConfigMap, { ...orders, metadata: { ...orders.metadata, name: "billing" } });
    opened.resolve();
    await settle();
    expect(passes).toEqual(["orders", "billing"]);
    expect(run.spans[1]?.attributes).toMatchObject({
      "reconcile.reason": "ConfigMap added, ConfigMap updated",
      "reconcile.waited_ms": 700,
    });
  });

  test("that failed where the pass did, with the error as its event", async () => {
    const { spans } = await trace(async () => {
      throw new TerminalError("BadColour", "there is no such colour");
    });
    expect(spans[0]?.status).toMatchObject({ message: "there is no such colour" });
    expect(spans[0]?.attributes).toMatchObject({ "reconcile.result": "error", "reconcile.outcome": "awaitChange" });
    expect(spans[0]?.events.map(({ attributes }) => attributes?.["exception.message"])).toEqual([
      "there is no such colour",
    ]);
  });

  test("whose ids stand in every line of its log", async () => {
    const { spans, lines } = await trace(async (_, { log }) => {
      log.info("at work");
      return awaitChange;
    });
    const { traceId, spanId } = spans[0]!.spanContext();
    const ofPass = lines.filter(({ msg }) => ["reconciling", "at work", "reconciled"].includes(msg));
    expect(ofPass).toHaveLength(3);
    for (const line of ofPass) expect(line).toMatchObject({ trace_id: traceId, span_id: spanId });
  });

  test("rule 14: whose reason is in span and log, and in nothing that the reconciler is given", async () => {
    const seen: string[] = [];
    const { lines, spans } = await trace(async (object, context) => {
      seen.push(JSON.stringify([object, described(context), context.log.bindings()]));
      return awaitChange;
    });
    expect(spans[0]?.attributes["reconcile.reason"]).toBe("initial list");
    expect(lines.find(({ msg }) => msg === "reconciling")?.reason).toBe("initial list");
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toContain("initial");
  });
});

/** All that can be read of a context, without what has a life of its own. */
function described({ log: _log, cache: _cache, ...context }: Context<void>): unknown {
  return Object.fromEntries(
    Object.entries(context).map(([name, value]) => [name, { ...(value as unknown as object) }]),
  );
}

describe("a call to the API server is a child of it", () => {
  test("with verb, resource, object, and the status of the answer", async () => {
    const { spans } = await trace(
      async (_, { client }) => {
        await client.get(Secret, { namespace: "shop", name: "orders-key" });
        await client.list(Secret, { namespace: "shop" });
        await client.create(Secret, secret);
        await client.apply(Secret, secret, { fieldManager: "shop" });
        await client.applyStatus(ConfigMap, orders, { fieldManager: "shop" });
        await client.patch(Secret, { namespace: "shop", name: "orders-key" }, []);
        await client.delete(Secret, { namespace: "shop", name: "orders-key" }, { uid: "s" });
        await client.podLog({ namespace: "shop", name: "orders-0" }, { container: "main" });
        return awaitChange;
      },
      {
        get: async (_, __, options) => (options?.onAnswer?.(404), undefined),
        list: async () => ({ items: [], resourceVersion: "1" }),
        create: async (_, body) => body,
        apply: async (_, body) => body,
        applyStatus: async (_, body) => body,
        patch: async () => secret as never,
        delete: async () => undefined,
        podLog: async () => "",
      },
    );
    const pass = spans.at(-1)!;
    const calls = spans.slice(0, -1);
    expect(calls.map(({ name }) => name)).toEqual([
      "get secrets",
      "list secrets",
      "create secrets",
      "apply secrets",
      "apply configmaps/status",
      "patch secrets",
      "delete secrets",
      "get pods/log",
    ]);
    for (const call of calls) {
      expect(call.parentSpanContext?.spanId).toBe(pass.spanContext().spanId);
      expect(call.attributes["k8s.namespace.name"]).toBe("shop");
    }
    expect(calls[0]?.attributes).toMatchObject({
      "k8s.verb": "get",
      "k8s.resource": "secrets",
      "k8s.object.name": "orders-key",
      "http.response.status_code": 404,
    });
  });

  test("with the status of an answer that was a failure, also of one that the reconciler lived with", async () => {
    const { spans } = await trace(
      async (_, { client }) => {
        await client.create(Secret, secret).catch(() => undefined);
        return awaitChange;
      },
      {
        create: async () => {
          throw conflict;
        },
      },
    );
    expect(spans.map(({ name, attributes }) => [name, attributes["http.response.status_code"]])).toEqual([
      ["create secrets", 409],
      ["reconcile shop", undefined],
    ]);
  });
});

test("without a tracer the log of a pass has no ids", async () => {
  const world = new TestWorld();
  world.put(ConfigMap, orders);
  const fields: string[][] = [];
  const reconcile: Reconcile<ConfigMap, void> = async (_, { log }) => {
    fields.push(Object.keys(log.bindings()));
    return awaitChange;
  };
  startController({ name: "shop", for: ConfigMap, value: undefined, reconcile }, world);
  await settle();
  expect(fields).toEqual([expect.not.arrayContaining(["trace_id"])]);
});
