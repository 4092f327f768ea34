import { once } from "node:events";
import * as net from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTransport, type Transport } from "../../../../src/runtime/kube/http/transport.ts";
import { startStubServer } from "../../../support/stub-server.ts";

/** A server that is told when the head of a request has come, and writes the very bytes of its answer. */
async function startRawServer(answer: (socket: net.Socket, request: string, connection: number) => void) {
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    const number = (connections += 1);
    sockets.add(socket);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        answer(socket, request, number);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    sockets,
    get connections() {
      return connections;
    },
    connection: { server: url, namespace: "shop", access: async () => ({ headers: {} }) },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function transportTo(
  { connection }: Pick<Awaited<ReturnType<typeof startRawServer>>, "connection">,
  options: { requestTimeoutMs?: number; maxConnections?: number } = {},
): Transport & Disposable {
  const transport = createTransport({ connection, userAgent: "holdfast/test", ...options });
  return { ...transport, [Symbol.dispose]: () => transport.close() };
}

const get = { method: "GET", path: "/version" } as const;
const post = { method: "POST", path: "/things", body: "{}" } as const;
const counted = (body: string, headers = ""): string =>
  `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** Writes them one after another, each as soon as the one before has left. */
async function writeAll(socket: net.Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await turn();
  }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let rest = bytes;
  for (const size of sizes) {
    if (rest.length === 0) break;
    pieces.push(rest.subarray(0, size));
    rest = rest.subarray(size);
  }
  return rest.length === 0 ? pieces : [...pieces, rest];
}

const bodies = fc.array(fc.string({ unit: "grapheme", maxLength: 60 }), { maxLength: 5 });

describe("an answer", () => {
  test("is whole however the server frames it and the network cuts it, one after another on one connection", async () => {
    let next: Buffer[] = [];
    await using server = await startRawServer((socket) => void writeAll(socket, next));
    using transport = transportTo(server);
    const framings = fc.record({
      parts: bodies,
      isChunked: fc.boolean(),
      early: fc.constantFrom("", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
      trailer: fc.constantFrom("", "X-Sum: 1\r\n"),
      sizes: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(framings, async ({ parts, isChunked, early, trailer, sizes }) => {
        const body = parts.join("");
        const chunks = parts
          .filter((part) => part !== "")
          .map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`);
        const answer = isChunked
          ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n${trailer}\r\n`
          : counted(body);
        next = cut(Buffer.from(early + answer), sizes);
        expect(await transport.call(get)).toBe(Buffer.from(body).toString("utf8"));
      }),
      { numRuns: 150 },
    );
    expect(server.connections).toBe(1);
  });

  test("is what Node's own server was told to say, and the request what it was asked", async () => {
    let parts: string[] = [];
    await using server = await startStubServer((request, response) => {
      response.setHeader("X-Asked", Buffer.from(request.body).toString("base64"));
      for (const part of parts) response.write(part);
      response.end(request.body);
    });
    using transport = transportTo(server);
    await fc.assert(
      fc.asyncProperty(bodies, fc.string({ unit: "grapheme", minLength: 1 }), async (given, body) => {
        parts = given;
        const sent = Buffer.from(body).toString("utf8");
        expect(await transport.call({ ...post, body })).toBe(Buffer.from(given.join("")).toString("utf8") + sent);
        expect(server.received.at(-1)).toMatchObject({ body: sent, method: "POST", url: "/things" });
      }),
      { numRuns: 100 },
    );
    expect(server.connections).toBe(1);
  });

  test("may end with the connection, where the server says no length", async () => {
    await using server = await startRawServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nall of it"));
    using transport = transportTo(server);
    expect(await transport.call(get)).toBe("all of it");
    expect(await transport.call(post)).toBe("all of it");
    expect(server.connections).toBe(2);
  });

  test.for([
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "it has two ends"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "it has two lengths"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n", "a chunk is too long"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "it is not whole, and the connection ends"],
    [`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`, "its head does not end"],
    ["220 mail.example.org ESMTP\r\n\r\n", "it is another protocol's"],
  ] as const)("%j is none: %s", async ([bytes]) => {
    await using server = await startRawServer((socket) => socket.end(bytes));
    using transport = transportTo(server);
    await expect(transport.call(post)).rejects.toMatchObject({ status: 0, reason: "NoAnswer" });
    expect(server.connections).toBe(1);
  });
});

describe("a connection", () => {
  const good = counted("good");
  test.for([
    [counted("good", "Connection: close\r\n"), "the server wants to close it"],
    [`${good}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`, "an answer came that nobody asked for"],
    [`${good}\r\n`, "something came behind the answer"],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", "a body may come that there cannot be"],
  ] as const)("is not used again after %j: %s", async ([bytes]) => {
    await using server = await startRawServer((socket, _, connection) =>
      socket.write(connection === 1 ? bytes : counted("second")),
    );
    using transport = transportTo(server);
    await transport.call(post);
    expect(await transport.call(post)).toBe("second");
    expect(server.connections).toBe(2);
  });

  test("is dropped when the server speaks though nobody asked", async () => {
    await using server = await startRawServer((socket) => socket.write(counted("good")));
    using transport = transportTo(server);
    await transport.call(post);
    for (const socket of server.sockets) socket.write(counted("evil"));
    while (server.sockets.size > 0) await turn();
    expect(await transport.call(post)).toBe("good");
  });

  test("that the server closed while nobody used it is not used for a write", async () => {
    await using server = await startRawServer((socket) => socket.write(counted("good")));
    using transport = transportTo(server);
    await transport.call(post);
    for (const socket of server.sockets) socket.end();
    while (server.sockets.size > 0) await turn();
    expect(await transport.call(post)).toBe("good");
  });

  test("over which the answer came before the request was sent to its end is not used again", async () => {
    await using server = await startRawServer((socket, _, connection) => {
      if (connection > 1) return socket.write(counted("second"));
      // Reads no more: most of the body never leaves.
      socket.pause();
      return socket.write("HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\n\r\n");
    });
    using transport = transportTo(server);
    const body = "x".repeat(64 << 20);
    await expect(transport.call({ ...post, body })).rejects.toMatchObject({ status: 413 });
    expect(await transport.call(post)).toBe("second");
  });
});

describe("a request", () => {
  test("that waits for a connection is given up with its signal, and never sent", async () => {
    const paths: string[] = [];
    const held: net.Socket[] = [];
    await using server = await startRawServer((socket, request) => {
      paths.push(request.split(" ")[1] ?? "");
      held.push(socket);
    });
    using transport = transportTo(server, { maxConnections: 1 });
    const first = transport.call({ ...get, path: "/first" });
    const stop = new AbortController();
    const second = transport.call({ ...get, path: "/second", signal: stop.signal });
    const third = transport.call({ ...get, path: "/third" });
    while (held.length < 1) await turn();
    stop.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    held[0]?.write(counted("1"));
    while (held.length < 2) await turn();
    held[1]?.write(counted("3"));
    expect(await Promise.all([first, third])).toEqual(["1", "3"]);
    expect(paths).toEqual(["/first", "/third"]);
    expect(server.connections).toBe(1);
  });

  test("has its time also while it waits for a connection", async () => {
    await using server = await startRawServer(() => undefined);
    using transport = transportTo(server, { maxConnections: 1, requestTimeoutMs: 50 });
    const calls = [transport.call(get), transport.call(get)];
    for (const call of calls) await expect(call).rejects.toThrow("no answer within 50 ms");
  });

  test("fails when the client is closed, sent or not", async () => {
    const asked: string[] = [];
    await using server = await startRawServer((_, request) => asked.push(request));
    using transport = transportTo(server, { maxConnections: 1 });
    const calls = [transport.call(get), transport.call(get)];
    while (asked.length === 0) await turn();
    transport.close();
    for (const call of calls) await expect(call).rejects.toMatchObject({ status: 0 });
    while (server.sockets.size > 0) await turn();
    expect(asked).toHaveLength(1);
  });

  test.for([
    [{ ...get, path: "/a b" }, "the path"],
    [{ ...get, path: "/a\r\nX: y" }, "the path"],
    [{ ...get, path: "/ä" }, "the path"],
    [{ ...get, accept: "x\r\nX: y" }, "Accept"],
    [{ ...post, contentType: "x\nX: y" }, "Content-Type"],
  ] as const)("that would be read as another is not sent: %j", async ([request, what]) => {
    await using server = await startRawServer((socket) => socket.write(counted("good")));
    using transport = transportTo(server);
    await expect(transport.call(request)).rejects.toThrow(what);
    expect(server.connections).toBe(0);
  });
});

test("a stream whose reader takes its time is whole", async () => {
  const chunk = Buffer.from(`${"x".repeat(1 << 20)}\n`);
  const count = 24;
  await using server = await startRawServer((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${count * chunk.length}\r\n\r\n`);
    void writeAll(
      socket,
      Array.from({ length: count }, () => chunk),
    );
  });
  using transport = transportTo(server);
  let length = 0;
  const lines = await transport.stream(get);
  while (await lines.more()) {
    length += (lines.take()?.length ?? 0) + 1;
    await turn();
  }
  expect(length).toBe(count * chunk.length);
});
