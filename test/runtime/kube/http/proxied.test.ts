import * as http from "node:http";
import { expect, test } from "vitest";
import { createTransport } from "../../../../src/runtime/kube/http/transport.ts";
import { respondJson, startStubServer } from "../../../support/stub-server.ts";

const get = { method: "GET", path: "/version" } as const;

test("an agent of the access's own carries requests, refusals and streams", async () => {
  await using server = await startStubServer(({ url, body }, response) => {
    if (url === "/refused") return respondJson(response, 403, { kind: "Status", reason: "Forbidden", code: 403 });
    if (url !== "/stream") return respondJson(response, 200, { url, body });
    response.write("one ");
    response.end("two\n");
  });
  using agent = Object.assign(new http.Agent({ keepAlive: true }), {
    [Symbol.dispose](this: http.Agent) {
      this.destroy();
    },
  });
  const connection = { ...server.connection, access: async () => ({ headers: { "X-By": "proxy" }, agent }) };
  const transport = createTransport({ connection, userAgent: "holdfast/test" });

  const answer = await transport.call({ method: "POST", path: "/things", body: "{}" });
  expect(JSON.parse(answer)).toEqual({ url: "/things", body: "{}" });
  expect(server.received[0]?.headers).toMatchObject({ "x-by": "proxy", "user-agent": "holdfast/test" });
  await expect(transport.call({ ...get, path: "/refused" })).rejects.toMatchObject({
    status: 403,
    reason: "Forbidden",
  });
  const streamed = await transport.stream({ ...get, path: "/stream" });
  while (await streamed.more()) expect(streamed.take()).toBe("one two");
  expect(server.connections).toBe(1);
});
