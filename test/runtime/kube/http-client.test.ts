import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { WatchFrame } from "../../../src/runtime/kube/client.ts";
import { ApiError } from "../../../src/runtime/kube/errors.ts";
import { createHttpClient, type HttpClient, type HttpClientOptions } from "../../../src/runtime/kube/http-client.ts";
import { ConfigMap, Node } from "../../../src/runtime/kube/kinds.ts";
import { respondJson, startStubServer, type StubServer } from "../../support/stub-server.ts";

const orders = { namespace: "shop", name: "orders" };
const configMap = (resourceVersion = "1"): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { ...orders, uid: "uid-1", resourceVersion },
});
const status = (code: number, reason: string, more: object = {}) => ({
  kind: "Status",
  code,
  reason,
  message: reason,
  ...more,
});

function clientOf(server: StubServer, options: Partial<HttpClientOptions> = {}): HttpClient & Disposable {
  const client = createHttpClient({ connection: server.connection, userAgent: "holdfast/test", ...options });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

async function failureOf(call: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof ApiError)) throw new Error("expected an ApiError", { cause: error });
  return error;
}

describe("what is sent", () => {
  const cases: {
    what: string;
    call: (client: HttpClient) => Promise<unknown>;
    request: { method: string; url: string; type?: string; body?: unknown };
  }[] = [
    {
      what: "get",
      call: (client) => client.get(ConfigMap, orders),
      request: { method: "GET", url: "/api/v1/namespaces/shop/configmaps/orders" },
    },
    {
      what: "create",
      call: (client) => client.create(ConfigMap, configMap(), { fieldManager: "holdfast" }),
      request: {
        method: "POST",
        url: "/api/v1/namespaces/shop/configmaps?fieldManager=holdfast",
        type: "application/json",
        body: configMap(),
      },
    },
    {
      what: "apply",
      call: (client) => client.apply(ConfigMap, configMap(), { fieldManager: "holdfast" }),
      request: {
        method: "PATCH",
        url: "/api/v1/namespaces/shop/configmaps/orders?fieldManager=holdfast&force=true",
        type: "application/apply-patch+yaml",
        body: configMap(),
      },
    },
    {
      what: "apply without taking fields over",
      call: (client) => client.apply(ConfigMap, configMap(), { fieldManager: "a b", force: false }),
      request: {
        method: "PATCH",
        url: "/api/v1/namespaces/shop/configmaps/orders?fieldManager=a%20b&force=false",
        type: "application/apply-patch+yaml",
        body: configMap(),
      },
    },
    {
      what: "applyStatus",
      call: (client) => client.applyStatus(ConfigMap, configMap(), { fieldManager: "holdfast" }),
      request: {
        method: "PATCH",
        url: "/api/v1/namespaces/shop/configmaps/orders/status?fieldManager=holdfast&force=true",
        type: "application/apply-patch+yaml",
        body: configMap(),
      },
    },
    {
      what: "patch",
      call: (client) => client.patch(ConfigMap, orders, [{ op: "remove", path: "/data" }]),
      request: {
        method: "PATCH",
        url: "/api/v1/namespaces/shop/configmaps/orders",
        type: "application/json-patch+json",
        body: [{ op: "remove", path: "/data" }],
      },
    },
    {
      what: "delete",
      call: (client) => client.delete(ConfigMap, orders, { uid: "uid-1", propagation: "Foreground" }),
      request: {
        method: "DELETE",
        url: "/api/v1/namespaces/shop/configmaps/orders",
        type: "application/json",
        body: {
          apiVersion: "v1",
          kind: "DeleteOptions",
          preconditions: { uid: "uid-1" },
          propagationPolicy: "Foreground",
        },
      },
    },
  ];

  test.each(cases)("$what", async ({ call, request }) => {
    await using server = await startStubServer((_, response) => respondJson(response, 200, configMap()));
    using client = clientOf(server);
    await call(client);

    const [received] = server.received;
    expect(server.received).toHaveLength(1);
    // Rule 57: clients are told apart by it.
    expect(received?.headers).toMatchObject({ accept: "application/json", "user-agent": "holdfast/test" });
    expect({
      method: received?.method,
      url: received?.url,
      ...(request.type === undefined ? {} : { type: received?.headers["content-type"] }),
      ...(request.body === undefined ? {} : { body: JSON.parse(received?.body ?? "") as unknown }),
    }).toEqual(request);
  });

  test("a path in the server's URL goes before every request", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 200, configMap()));
    using client = clientOf(server, {
      connection: { ...server.connection, server: `${server.url}/k8s/clusters/c-1/` },
    });
    await client.get(Node, { name: "a" });
    expect(server.received[0]?.url).toBe("/k8s/clusters/c-1/api/v1/nodes/a");
  });

  test("no write is sent when this process may not write any more, reads are", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 200, configMap()));
    const lost = new Error("lease lost");
    using client = clientOf(server, {
      assertMayWrite: () => {
        throw lost;
      },
    });
    await expect(client.create(ConfigMap, configMap())).rejects.toBe(lost);
    await expect(client.delete(ConfigMap, orders, { uid: "uid-1" })).rejects.toBe(lost);
    await client.get(ConfigMap, orders);
    expect(server.received.map(({ method }) => method)).toEqual(["GET"]);
  });
});

describe("answers", () => {
  test("have a status that who asks for it is told, also where success or failure do not tell it", async () => {
    const sequence = [201, 200, 200, 404, 404, 409];
    await using server = await startStubServer((_, response) => {
      const code = sequence.shift() ?? 500;
      respondJson(response, code, code < 300 ? { ...configMap(), items: [] } : status(code, ""));
    });
    using client = clientOf(server);
    const told: number[] = [];
    const options = { fieldManager: "holdfast", onAnswer: (code: number) => void told.push(code) };
    await client.apply(ConfigMap, configMap(), options);
    await client.apply(ConfigMap, configMap(), options);
    await client.list(ConfigMap, { onAnswer: options.onAnswer });
    expect(await client.get(ConfigMap, orders, options)).toBeUndefined();
    await client.delete(ConfigMap, orders, { uid: "u", ...options });
    await failureOf(client.create(ConfigMap, configMap(), options));
    expect(told).toEqual([201, 200, 200, 404, 404, 409]);
    expect(server.received.filter(({ url }) => url.includes("onAnswer"))).toEqual([]);
  });

  test("a log is text, whatever stands in it; why there is none is told as of any other call", async () => {
    await using server = await startStubServer((request, response) => {
      if (request.url.includes("/gone/")) return respondJson(response, 404, status(404, "NotFound"));
      response.writeHead(200, { "Content-Type": "text/plain" });
      response.end("FATAL:  größer\n{");
    });
    using client = clientOf(server);
    const options = { container: "postgres", tailLines: 200, limitBytes: 4096 };
    expect(await client.podLog(orders, options)).toBe("FATAL:  größer\n{");
    const [received] = server.received;
    expect(`${received?.method} ${received?.url}`).toBe(
      "GET /api/v1/namespaces/shop/pods/orders/log?container=postgres&tailLines=200&limitBytes=4096",
    );
    // Text alone would be refused where the answer is a Status.
    expect(received?.headers.accept).toBe("application/json, */*");
    const failure = await failureOf(client.podLog({ ...orders, name: "gone" }, options));
    expect(failure).toMatchObject({ status: 404, reason: "NotFound" });
  });

  test("rule 36: a list's items say what they are, and a page where it goes on", async () => {
    const { apiVersion: _, kind: __, ...item } = configMap();
    await using server = await startStubServer((request, response) =>
      respondJson(response, 200, {
        kind: "ConfigMapList",
        metadata: { resourceVersion: "7", continue: request.url.includes("continue") ? "" : "more" },
        items: request.url.includes("continue") ? null : [item],
      }),
    );
    using client = clientOf(server);
    const labels = "app in (orders,shop)";
    expect(await client.list(ConfigMap, { namespace: "shop", labels, limit: 1 })).toEqual({
      items: [configMap()],
      resourceVersion: "7",
      continue: "more",
    });
    expect(await client.list(ConfigMap, { continue: "more" })).toEqual({ items: [], resourceVersion: "7" });
    expect(server.received.map(({ url }) => url)).toEqual([
      "/api/v1/namespaces/shop/configmaps?labelSelector=app%20in%20(orders%2Cshop)&limit=1",
      "/api/v1/configmaps?continue=more",
    ]);
  });

  test("unknown fields survive both ways", async () => {
    await using server = await startStubServer((request, response) => {
      response.setHeader("Content-Type", "application/json");
      response.end(request.body);
    });
    using client = clientOf(server);
    const body = { ...configMap(), spec: { from: [], newField: { "x-kubernetes-y": null } } };
    expect(await client.create(ConfigMap, body as never)).toEqual(body);
  });

  test("what is not found is undefined", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 404, status(404, "NotFound")));
    using client = clientOf(server);
    expect(await client.get(ConfigMap, orders)).toBeUndefined();
  });

  test.each([
    { header: "7", details: {}, retryAfterMs: 7_000, because: "the header counts in seconds" },
    { header: undefined, details: { retryAfterSeconds: 3 }, retryAfterMs: 3_000, because: "the Status says it too" },
    { header: "soon", details: {}, retryAfterMs: undefined, because: "it cannot be read" },
    { header: "Thu, 01 Jan 1970 00:00:00 GMT", details: {}, retryAfterMs: 0, because: "a date may have passed" },
  ])("rule 57: an overloaded server's wish to wait is told: $because", async ({ header, details, retryAfterMs }) => {
    await using server = await startStubServer((_, response) =>
      respondJson(
        response,
        429,
        status(429, "TooManyRequests", { details }),
        header === undefined ? {} : { "Retry-After": header },
      ),
    );
    using client = clientOf(server);
    const error = await failureOf(client.create(ConfigMap, configMap()));
    expect(error).toMatchObject({ status: 429, reason: "TooManyRequests" });
    expect(error.retryAfterMs).toBe(retryAfterMs);
    expect(server.received).toHaveLength(1);
  });

  test("an answer that is no Status still becomes an ApiError that says what was asked", async () => {
    await using server = await startStubServer((_, response) => {
      response.writeHead(503).end("<html>upstream</html>");
    });
    using client = clientOf(server);
    const error = await failureOf(client.list(ConfigMap, { labels: "app=orders" }));
    expect(error).toMatchObject({ status: 503, reason: "ServiceUnavailable" });
    expect(error.message).toBe("GET /api/v1/configmaps: the API server answered 503");
  });

  test.each([
    { answer: 404, live: undefined, resolves: true, because: "it is gone" },
    { answer: 409, live: "uid-2", resolves: true, because: "another one has its name" },
    { answer: 409, live: undefined, resolves: true, because: "it went in between" },
    { answer: 409, live: "uid-1", resolves: false, because: "it is still there in another version" },
    { answer: 403, live: "uid-1", resolves: false, because: "it may not be deleted" },
  ])("a delete answered $answer resolves: $resolves, because $because", async ({ answer, live, resolves }) => {
    await using server = await startStubServer((request, response) => {
      if (request.method === "DELETE")
        respondJson(response, answer, status(answer, answer === 409 ? "Conflict" : "Other"));
      else if (live === undefined) respondJson(response, 404, status(404, "NotFound"));
      else respondJson(response, 200, { ...configMap(), metadata: { ...orders, uid: live } });
    });
    using client = clientOf(server);
    const call = client.delete(ConfigMap, orders, { uid: "uid-1", resourceVersion: "5" });
    if (resolves) await expect(call).resolves.toBeUndefined();
    else expect((await failureOf(call)).status).toBe(answer);
  });
});

/** Answers the first request, and resets the connection on the second. */
const startStale = () => {
  let requests = 0;
  return startStubServer((_, response) => {
    requests += 1;
    if (requests === 2) response.socket?.resetAndDestroy();
    else respondJson(response, 200, configMap());
  });
};

describe("time and connections", () => {
  test("requests one after another use one connection", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 200, configMap()));
    using client = clientOf(server);
    for (let i = 0; i < 20; i += 1) await client.get(ConfigMap, orders);
    expect(server.connections).toBe(1);
  });

  test("many watches do not keep requests waiting", async () => {
    await using server = await startStubServer((request, response) => {
      if (request.url.includes("watch=true")) response.writeHead(200).flushHeaders();
      else respondJson(response, 200, configMap());
    });
    using client = clientOf(server, { maxConnections: 2 });
    const stop = new AbortController();
    const watches = Array.from({ length: 12 }, () => collect(client.watch(ConfigMap, { signal: stop.signal })));
    while (server.received.length < 12) await sleep(1);
    await client.get(ConfigMap, orders);
    stop.abort();
    expect(await Promise.allSettled(watches)).toMatchObject(Array.from({ length: 12 }, () => ({ status: "rejected" })));
  });

  test("no more connections than allowed are opened for requests", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 200, configMap()));
    using client = clientOf(server, { maxConnections: 2 });
    await Promise.all(Array.from({ length: 20 }, () => client.get(ConfigMap, orders)));
    expect(server.connections).toBe(2);
  });

  test("a server that does not answer in time is no answer, and the connection is not used again", async () => {
    await using server = await startStubServer(() => undefined);
    using client = clientOf(server, { requestTimeoutMs: 50 });
    const error = await failureOf(client.get(ConfigMap, orders));
    expect(error).toMatchObject({ status: 0, reason: "NoAnswer" });
    expect(error.message).toContain("no answer within 50 ms");
    while (server.sockets.size > 0) await sleep(1);
  });

  test("a server that stops in the middle of an answer is no answer", async () => {
    await using server = await startStubServer((_, response) => {
      response.writeHead(200, { "Content-Length": 100 });
      response.write('{"apiVersion"');
      setImmediate(() => response.destroy());
    });
    using client = clientOf(server);
    expect(await failureOf(client.create(ConfigMap, configMap()))).toMatchObject({ status: 0, reason: "NoAnswer" });
    expect(server.received).toHaveLength(1);
  });

  test("nobody at the port is no answer", async () => {
    const server = await startStubServer(() => undefined);
    await server[Symbol.asyncDispose]();
    using client = clientOf(server);
    const error = await failureOf(client.get(ConfigMap, orders));
    expect(error).toMatchObject({ status: 0, cause: { code: "ECONNREFUSED" } });
  });

  test("an abort ends a call at once, for the abort's reason, also before it is sent", async () => {
    await using server = await startStubServer(() => undefined);
    using client = clientOf(server);
    const stop = new AbortController();
    const call = client.get(ConfigMap, orders, { signal: stop.signal });
    while (server.received.length === 0) await sleep(1);
    const reason = new Error("shutdown");
    stop.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect(client.create(ConfigMap, configMap(), { signal: stop.signal })).rejects.toBe(reason);
    expect(server.received).toHaveLength(1);
  });

  describe("a kept connection that the server closes just as a request comes", () => {
    test("a read is sent again", async () => {
      await using server = await startStale();
      using client = clientOf(server);
      await client.get(ConfigMap, orders);
      expect(await client.get(ConfigMap, orders)).toEqual(configMap());
      expect(server.received).toHaveLength(3);
    });

    test("a write is not: it may have been done", async () => {
      await using server = await startStale();
      using client = clientOf(server);
      await client.get(ConfigMap, orders);
      expect(await failureOf(client.create(ConfigMap, configMap()))).toMatchObject({ status: 0, reason: "NoAnswer" });
      expect(server.received.map(({ method }) => method)).toEqual(["GET", "POST"]);
    });
  });

  test("each request is told to the observer, with what became of it", async () => {
    await using server = await startStubServer((request, response) => {
      if (request.method === "POST") response.socket?.resetAndDestroy();
      else respondJson(response, request.url.endsWith("orders") ? 404 : 200, configMap());
    });
    const told: string[] = [];
    using client = clientOf(server, { metrics: ({ method, code, host }) => told.push(`${method} ${code} ${host}`) });
    await client.get(ConfigMap, orders);
    await client.get(Node, { name: "a" });
    await failureOf(client.create(ConfigMap, configMap()));
    const host = new URL(server.url).host;
    expect(told).toEqual([`GET 404 ${host}`, `GET 200 ${host}`, `POST <error> ${host}`]);
  });
});

const withToken = (server: StubServer, tokens: string[]): Partial<HttpClientOptions> => ({
  connection: {
    ...server.connection,
    access: async ({ refresh = false } = {}) => {
      if (refresh && tokens.length > 1) tokens.shift();
      return { headers: { Authorization: `Bearer ${tokens[0]}` } };
    },
  },
});

const startGuarded = (valid: string) =>
  startStubServer((request, response) => {
    if (request.headers.authorization === `Bearer ${valid}`) respondJson(response, 200, configMap());
    else respondJson(response, 401, status(401, "Unauthorized"));
  });

describe("credentials", () => {
  test("a token that was rotated is read again, and also a write is sent once more: it was not done", async () => {
    await using server = await startGuarded("new");
    using client = clientOf(server, withToken(server, ["old", "new"]));
    expect(await client.create(ConfigMap, configMap())).toEqual(configMap());
    expect(server.received).toHaveLength(2);
  });

  test("a refusal is final when there is no newer token", async () => {
    await using server = await startGuarded("other");
    using client = clientOf(server, withToken(server, ["old"]));
    expect((await failureOf(client.get(ConfigMap, orders))).status).toBe(401);
    expect(server.received).toHaveLength(1);
  });

  test("a watch is opened with the new token too", async () => {
    await using server = await startStubServer((request, response) => {
      if (request.headers.authorization === "Bearer new")
        response.end(`${JSON.stringify({ type: "ADDED", object: configMap() })}\n`);
      else respondJson(response, 401, status(401, "Unauthorized"));
    });
    using client = clientOf(server, withToken(server, ["old", "new"]));
    expect(await collect(client.watch(ConfigMap, {}))).toEqual([{ type: "ADDED", object: configMap() }]);
  });

  test("credentials that cannot be had are no answer", async () => {
    await using server = await startStubServer(() => undefined);
    const cause = new Error("exec plugin failed");
    using client = clientOf(server, { connection: { ...server.connection, access: () => Promise.reject(cause) } });
    const error = await failureOf(client.get(ConfigMap, orders));
    expect(error).toMatchObject({ status: 0, reason: "NoAnswer" });
    expect(error.cause).toBe(cause);
  });
});

async function collect<T>(frames: AsyncIterable<WatchFrame<T>>): Promise<WatchFrame<T>[]> {
  const collected: WatchFrame<T>[] = [];
  for await (const frame of frames) collected.push(frame);
  return collected;
}

const frame = (version: string, data: Record<string, string> = {}): WatchFrame<ConfigMap> => ({
  type: "MODIFIED",
  object: { ...configMap(version), data },
});

describe("watch", () => {
  test("rule 22: asks for bookmarks, and for what the caller wants", async () => {
    await using server = await startStubServer((_, response) => response.end());
    using client = clientOf(server);
    await collect(
      client.watch(ConfigMap, { namespace: "shop", labels: "a=b", resourceVersion: "5", timeoutSeconds: 300 }),
    );
    await collect(client.watch(ConfigMap, { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }));
    expect(server.received.map(({ url }) => url)).toEqual([
      "/api/v1/namespaces/shop/configmaps?watch=true&allowWatchBookmarks=true&labelSelector=a%3Db&resourceVersion=5&timeoutSeconds=300",
      "/api/v1/configmaps?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
    ]);
  });

  test("gives frames that are cut within characters and frames of many megabytes", async () => {
    const frames = [frame("1", { note: "naïve 🐘" }), frame("2", { large: "é".repeat(3_000_000) }), frame("3")];
    const bytes = Buffer.from(frames.map((one) => `${JSON.stringify(one)}\n`).join(""));
    await using server = await startStubServer((_, response) => {
      const cuts = [10, 160, 161, 162, 163, 164, 165, 1_000_001, bytes.length];
      void (async () => {
        for (const [index, end] of cuts.entries()) {
          response.write(bytes.subarray(index === 0 ? 0 : cuts[index - 1], end));
          await sleep(1);
        }
        response.end();
      })();
    });
    using client = clientOf(server);
    expect(await collect(client.watch(ConfigMap, {}))).toEqual(frames);
  });

  test.each([
    {
      what: "a stream that ends inside of a frame",
      respond: (response: ServerResponse) => response.end('{"type":"ADDED"}\n{"type":"ADD'),
    },
    {
      what: "a connection that is reset",
      respond: (response: ServerResponse) => {
        response.write('{"type":"ADDED"}\n');
        setTimeout(() => response.socket?.resetAndDestroy(), 20);
      },
    },
    {
      what: "a stream that is not JSON",
      respond: (response: ServerResponse) => response.end('{"type":"ADDED"}\n<html>\n'),
    },
  ])("$what throws, after the frames before it", async ({ respond }) => {
    await using server = await startStubServer((_, response) => respond(response));
    using client = clientOf(server);
    const frames: unknown[] = [];
    const call = (async () => {
      for await (const one of client.watch(ConfigMap, {})) frames.push(one);
    })();
    expect(await failureOf(call)).toMatchObject({ status: 0, reason: "NoAnswer" });
    expect(frames).toEqual([{ type: "ADDED" }]);
  });

  test("a refusal is an ApiError like any other", async () => {
    await using server = await startStubServer((_, response) => respondJson(response, 410, status(410, "Expired")));
    using client = clientOf(server);
    expect(await failureOf(collect(client.watch(ConfigMap, {})))).toMatchObject({ status: 410, reason: "Expired" });
  });

  test("can be aborted before the server answers", async () => {
    await using server = await startStubServer(() => undefined);
    using client = clientOf(server);
    const stop = new AbortController();
    const call = collect(client.watch(ConfigMap, { signal: stop.signal }));
    while (server.received.length === 0) await sleep(1);
    stop.abort(new Error("shutdown"));
    await expect(call).rejects.toThrow("shutdown");
  });

  test("its connection goes when its reader stops, and when it is aborted", async () => {
    await using server = await startStubServer((_, response) => {
      response.write(`${JSON.stringify(frame("1"))}\n`);
    });
    using client = clientOf(server);
    for await (const _ of client.watch(ConfigMap, {})) break;

    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of client.watch(ConfigMap, { signal: stop.signal })) stop.abort(new Error("enough"));
    })();
    await expect(reading).rejects.toThrow("enough");
    while (server.sockets.size > 0) await sleep(1);
  });

  test("lasts longer than a request may", async () => {
    await using server = await startStubServer((_, response) => {
      response.write(`${JSON.stringify(frame("1"))}\n`);
      setTimeout(() => response.end(`${JSON.stringify(frame("2"))}\n`), 700);
    });
    using client = clientOf(server, { requestTimeoutMs: 500 });
    expect(await collect(client.watch(ConfigMap, {}))).toHaveLength(2);
  });
});
