import { execFile } from "node:child_process";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { dialer } from "../../../../src/runtime/kube/http/dial.ts";
import type { Exchange } from "../../../../src/runtime/kube/http/http-connection.ts";
import { Pool } from "../../../../src/runtime/kube/http/pool.ts";
import { requestText } from "../../../../src/runtime/kube/http/request-text.ts";
import { respondJson, startStubServer, type StubServer } from "../../../support/stub-server.ts";

const startServer = (): Promise<StubServer> => startStubServer((_, response) => respondJson(response, 200, {}));

function send(pool: Pool): Promise<void> {
  return new Promise((resolve, reject) => {
    const exchange: Exchange = { head: () => {}, data: () => {}, end: resolve, fail: reject };
    pool.send(requestText("GET", "/", "Host: x\r\n", undefined), exchange);
  });
}

test("connections that nobody uses are closed after a while, and new ones are opened when they are needed", async () => {
  await using server = await startServer();
  const { port } = new URL(server.url);
  const pool = new Pool(dialer({ headers: {} }, { secure: false, host: "127.0.0.1", port: Number(port) }), {
    idleMs: 30,
  });
  await Promise.all([send(pool), send(pool), send(pool)]);
  expect(server.connections).toBe(3);
  while (server.sockets.size > 0) await sleep(1);
  await send(pool);
  expect(server.connections).toBe(4);
  while (server.sockets.size > 0) await sleep(1);
});

/** What a program of its own prints that calls `server`, and that nobody ends. */
async function outputOf(server: StubServer, program: string): Promise<string> {
  const transport = join(import.meta.dirname, "../../../../src/runtime/kube/http/transport.ts");
  const begin = `
    import { createTransport } from ${JSON.stringify(transport)};
    const access = async () => ({ headers: {} });
    const connection = { server: ${JSON.stringify(server.url)}, namespace: "shop", access };
    const transport = createTransport({ connection, userAgent: "x" });
    const get = { method: "GET", path: "/" };
  `;
  const argv = ["--input-type=module", "--eval", begin + program];
  return (await promisify(execFile)(process.execPath, argv, { timeout: 30_000 })).stdout;
}

test("connections that nobody uses keep no process alive", async () => {
  await using server = await startServer();
  expect(await outputOf(server, 'await transport.call(get); console.log("called");')).toBe("called\n");
});

test("a request keeps the process alive until it is answered, a stream until it ends, and not longer", async () => {
  const answer = async (response: ServerResponse): Promise<void> => {
    await sleep(200);
    response.write("one\n");
    await sleep(200);
    response.end("two\n");
  };
  await using server = await startStubServer((_, response) => void answer(response));
  const program = `
    for (let round = 0; round < 2; round += 1) {
      const lines = await transport.stream(get);
      while (await lines.more()) console.log(lines.take());
    }
    process.stdout.write(await transport.call(get));
  `;
  expect(await outputOf(server, program)).toBe("one\ntwo\n".repeat(3));
});
