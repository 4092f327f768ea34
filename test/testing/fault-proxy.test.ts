// Each fault as a client meets it: our own HTTP client in front of the proxy, a server behind it that answers as an API server would.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { ConfigMap, createHttpClient, Pod, type HttpClient, type WatchFrame } from "../../src/runtime/index.ts";
import type { FaultPlan, FrameFault, RequestFault } from "../../testing/fault-plan.ts";
import { startFaultProxy, type FaultProxy } from "../../testing/fault-proxy.ts";
import { respondJson, startStubServer, type StubServer } from "../support/stub-server.ts";

const object = (resourceVersion: string, name = "a"): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "shop", name, uid: name, resourceVersion },
});
const credentials = { headers: { Authorization: "Bearer real" } };

interface World extends AsyncDisposable {
  readonly client: HttpClient;
  readonly server: StubServer;
  readonly proxy: FaultProxy;
}

async function open(
  plan: FaultPlan,
  respond: Parameters<typeof startStubServer>[0] = (_, response) => respondJson(response, 200, object("7")),
  hooks: Record<string, () => void> = {},
): Promise<World> {
  const server = await startStubServer(respond);
  const connection = { ...server.connection, access: async () => credentials };
  const proxy = await startFaultProxy({ connection, plan, hooks });
  const client = createHttpClient({ connection: proxy.connection, userAgent: "test", requestTimeoutMs: 5_000 });
  return {
    client,
    server,
    proxy,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const once = (fault: RequestFault): FaultPlan => ({ requests: [{ when: {}, fault }] });
const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const write = (client: HttpClient) => client.apply(ConfigMap, object("7"), { fieldManager: "test" });

test("without a plan everything passes as it is, with the credentials of the proxy", async () => {
  await using world = await open({});
  const { client, server, proxy } = world;
  expect(await write(client)).toEqual(object("7"));
  expect(server.received[0]).toMatchObject({ method: "PATCH", headers: { authorization: "Bearer real" } });
  expect(server.received[0]?.url).toContain("/api/v1/namespaces/shop/configmaps/a?fieldManager=test");
  expect(JSON.parse(server.received[0]?.body ?? "")).toEqual(object("7"));
  expect(proxy.fired).toEqual([]);
  expect(proxy.calls).toMatchObject([{ status: 200, upstreamStatus: 200, request: { verb: "apply", name: "a" } }]);
});

test("once it is gone nothing of it is left, not even a connection that the client keeps", async () => {
  await using world = await open({});
  const servers: Server[] = [];
  const note = (message: unknown): void => void servers.push((message as { server: Server }).server);
  subscribe("http.server.request.start", note);
  await write(world.client);
  unsubscribe("http.server.request.start", note);
  const proxied = servers.find((server) => world.proxy.connection.server.endsWith(`:${portOf(server)}`));
  let closed = false;
  proxied?.once("close", () => (closed = true));
  await world.proxy[Symbol.asyncDispose]();
  expect(closed).toBe(true);
});

describe("of requests", () => {
  test.for<{ fault: RequestFault; error: object; arrives: number }>([
    { fault: { type: "answer", status: 409 }, error: { status: 409, reason: "Conflict" }, arrives: 0 },
    {
      fault: { type: "answer", status: 429, retryAfterSeconds: 3 },
      error: { status: 429, retryAfterMs: 3_000 },
      arrives: 0,
    },
    { fault: { type: "answer", status: 504, applied: true }, error: { status: 504, reason: "Timeout" }, arrives: 1 },
    { fault: { type: "reset" }, error: { status: 0, reason: "NoAnswer" }, arrives: 0 },
    { fault: { type: "reset", applied: true }, error: { status: 0, reason: "NoAnswer" }, arrives: 1 },
  ])("$fault fails once, and then it is as always", async ({ fault, error, arrives }) => {
    await using world = await open(once(fault));
    await expect(write(world.client)).rejects.toMatchObject(error);
    expect(world.server.received.length).toBe(arrives);
    expect(await write(world.client)).toEqual(object("7"));
    expect(world.proxy.fired.length).toBe(1);
  });

  test.for<{ applied: boolean; arrives: number }>([
    { applied: false, arrives: 0 },
    { applied: true, arrives: 1 },
  ])(
    "a half-open connection (applied: $applied) says nothing until the client gives up",
    async ({ applied, arrives }) => {
      await using world = await open(once({ type: "hang", applied }));
      const { client, server, proxy } = world;
      const giveUp = new AbortController();
      const asked = client.apply(ConfigMap, object("7"), { fieldManager: "test", signal: giveUp.signal });
      await expect.poll(() => [proxy.fired.length, server.received.length]).toEqual([1, arrives]);
      giveUp.abort(new Error("enough"));
      await expect(asked).rejects.toThrow("enough");
      expect(await write(client)).toEqual(object("7"));
      expect(server.received.length).toBe(arrives + 1);
    },
  );

  test("what is delayed arrives later, and not at all where nobody waits for it, unless it is on its way", async () => {
    for (const late of [false, true]) {
      await using world = await open(once({ type: "delay", ms: 100, late }));
      const { client, server, proxy } = world;
      const giveUp = new AbortController();
      const asked = client.apply(ConfigMap, object("7"), { fieldManager: "test", signal: giveUp.signal });
      await expect.poll(() => proxy.fired.length).toBe(1);
      expect(server.received.length).toBe(0);
      giveUp.abort(new Error("enough"));
      await expect(asked).rejects.toThrow("enough");
      await expect.poll(() => proxy.calls[0]?.answeredAt).toBeDefined();
      expect(server.received.length).toBe(late ? 1 : 0);
    }
  });

  test("an answer that is delayed comes", async () => {
    await using world = await open(once({ type: "delayAnswer", ms: 50 }));
    expect(await write(world.client)).toEqual(object("7"));
  });

  test("after a rotation the old token is refused, and the client asks for the new one", async () => {
    await using world = await open({ requests: [{ when: { occurrence: 2 }, fault: { type: "rotateToken" } }] });
    const { client, server, proxy } = world;
    await write(client);
    await write(client);
    await write(client);
    expect(proxy.calls.map(({ status }) => status)).toEqual([200, 401, 200, 200]);
    expect(server.received.length).toBe(3);
  });

  test("lists come in smaller pages", async () => {
    await using world = await open(once({ type: "pages", limit: 1 }), (_, response) =>
      respondJson(response, 200, { items: [], metadata: { resourceVersion: "9" } }),
    );
    await world.client.list(Pod, { namespace: "shop", limit: 500 });
    expect(world.server.received[0]?.url).toContain("limit=1");
    expect(world.server.received[0]?.url).not.toContain("500");
  });

  test("a list of any version is answered from the past, one of the newest never", async () => {
    let version = 0;
    await using world = await open({ requests: [{ when: { times: 0 }, fault: { type: "past" } }] }, (_, response) =>
      respondJson(response, 200, { items: [], metadata: { resourceVersion: String((version += 1)) } }),
    );
    const { client } = world;
    const list = async (from?: "0") =>
      (await client.list(Pod, from === undefined ? {} : { resourceVersion: from })).resourceVersion;
    expect([await list("0"), await list(), await list("0"), await list()]).toEqual(["1", "2", "1", "3"]);
  });

  test("a hook is called before the request arrives, or after", async () => {
    for (const applied of [false, true]) {
      const arrived: number[] = [];
      await using world = await open(once({ type: "call", hook: "look", applied }), undefined, {
        look: () => void arrived.push(world.server.received.length),
      });
      expect(await write(world.client)).toEqual(object("7"));
      expect(arrived).toEqual([applied ? 1 : 0]);
    }
  });

  test("a server that is gone breaks the connection", async () => {
    await using world = await open({}, (_, response) => response.socket?.resetAndDestroy());
    await expect(write(world.client)).rejects.toMatchObject({ status: 0, reason: "NoAnswer" });
  });

  test("a write that changed nothing is told from one that did", async () => {
    const versions = ["7", "8", "8"];
    await using world = await open({}, (_, response) => respondJson(response, 200, object(versions.shift() ?? "")));
    for (let times = 0; times < 3; times += 1) await write(world.client);
    expect(world.proxy.calls.map(({ effective }) => effective)).toEqual([true, true, false]);
  });
});

describe("of watches", () => {
  const frame = (type: string, version: number, name = "a") => ({ type, object: object(String(version), name) });
  const bookmark = { type: "BOOKMARK", object: { kind: "ConfigMap", metadata: { resourceVersion: "3" } } };
  const frames = [frame("ADDED", 1), frame("MODIFIED", 2), bookmark, frame("DELETED", 4), frame("ADDED", 5)];

  /** What a client is told until the watch ends, as "ADDED 1", and how it ends. */
  async function told(fault: FrameFault, occurrence = 2): Promise<readonly string[]> {
    const plan: FaultPlan = { frames: [{ when: { occurrence }, fault }] };
    await using world = await open(plan, (_, response) => {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(frames.map((each) => `${JSON.stringify(each)}\n`).join(""));
    });
    const seen: string[] = [];
    try {
      for await (const each of world.client.watch(ConfigMap, { namespace: "shop", resourceVersion: "0" }))
        seen.push(brief(each));
    } catch (error) {
      seen.push(String(error).replace(/.*: /, ""));
    }
    return seen;
  }
  const brief = ({ type, object }: WatchFrame<ConfigMap>): string => {
    const { metadata, code } = object as { metadata?: { resourceVersion?: string }; code?: number };
    return `${type} ${metadata?.resourceVersion ?? code}`;
  };
  const all = ["ADDED 1", "MODIFIED 2", "BOOKMARK 3", "DELETED 4", "ADDED 5"];

  test.for<{ fault: FrameFault; seen: readonly string[] }>([
    { fault: { type: "duplicate" }, seen: ["ADDED 1", "MODIFIED 2", ...all.slice(1)] },
    { fault: { type: "pieces", bytes: 1 }, seen: all },
    { fault: { type: "hold", ms: 20, release: "all" }, seen: all },
    // The deletion and the namesake: one change.
    { fault: { type: "hold", ms: 20, release: "last" }, seen: ["ADDED 1", "BOOKMARK 3", "MODIFIED 5"] },
    { fault: { type: "hold", ms: 20, release: "expire" }, seen: ["ADDED 1", "ERROR 410"] },
    { fault: { type: "expire" }, seen: ["ADDED 1", "ERROR 410"] },
    { fault: { type: "cutInside", clean: true }, seen: ["ADDED 1", "the stream ended inside of a frame"] },
  ])("$fault tells $seen", async ({ fault, seen }) => {
    expect(await told(fault)).toEqual(seen);
  });

  test.for<FrameFault>([{ type: "cut" }, { type: "cutInside" }, { type: "hold", ms: 20, release: "cut" }])(
    "%o breaks it off",
    async (fault) => {
      const seen = await told(fault);
      expect(seen.at(-1)).toMatch(/ECONNRESET|aborted|socket hang up/);
      // What arrived before may be lost with the connection.
      expect(all).toEqual(expect.arrayContaining(seen.slice(0, -1)));
      expect(seen.length).toBeLessThanOrEqual(2);
    },
  );

  test("one that is held says that it lives, at the version that it stood at", async () => {
    const seen = await told({ type: "hold", ms: 700, release: "all", bookmarks: true });
    expect(seen.slice(0, 2)).toEqual(["ADDED 1", "BOOKMARK 1"]);
    expect(seen.filter((each) => each !== "BOOKMARK 1")).toEqual(all);
  });

  test("what a streaming list begins with is told as it is", async () => {
    const end = { "k8s.io/initial-events-end": "true" };
    const last = {
      type: "BOOKMARK",
      object: { kind: "ConfigMap", metadata: { resourceVersion: "3", annotations: end } },
    };
    await using world = await open({ frames: [{ when: {}, fault: { type: "expire" } }] }, (_, response) => {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end([frame("ADDED", 1), last, frame("ADDED", 4)].map((each) => `${JSON.stringify(each)}\n`).join(""));
    });
    const seen: string[] = [];
    for await (const each of world.client.watch(ConfigMap, { sendInitialEvents: true })) seen.push(brief(each));
    expect(seen).toEqual(["ADDED 1", "BOOKMARK 3", "ERROR 410"]);
  });
});
