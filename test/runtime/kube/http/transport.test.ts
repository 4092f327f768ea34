import type { ServerOptions } from "node:https";
import type { TLSSocket } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import {
  createCertificateAuthority,
  issueClientCertificate,
  issueServerCertificate,
  type CertificateAuthority,
} from "../../../../hack/cluster/certificates.ts";
import type { Access } from "../../../../src/runtime/kube/connection.ts";
import { createTransport, type Transport } from "../../../../src/runtime/kube/http/transport.ts";
import { respondJson, startStubServer, type StubServer } from "../../../support/stub-server.ts";

let authority: CertificateAuthority;
let tls: ServerOptions;

beforeAll(async () => {
  authority = await createCertificateAuthority("holdfast-test");
  const pair = await issueServerCertificate(authority, {
    commonName: "kube-apiserver",
    dnsNames: ["kubernetes.default"],
    ipAddresses: ["127.0.0.1"],
  });
  tls = {
    cert: pair.certificatePem,
    key: pair.privateKeyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: false,
  };
});

/** A transport whose access can be changed while it runs. */
function transportTo(server: StubServer, access: Access): Transport & Disposable & { access: Access } {
  const connection = { ...server.connection, access: async () => result.access };
  const transport = createTransport({ connection, userAgent: "holdfast/test" });
  const result = { ...transport, access, [Symbol.dispose]: () => transport.close() };
  return result;
}

const get = { method: "GET", path: "/version" } as const;
const startServer = (): Promise<StubServer> => startStubServer((_, response) => respondJson(response, 200, {}), tls);

test("requests over TLS share connections, also when the same certificates come in new buffers", async () => {
  await using server = await startServer();
  using transport = transportTo(server, { headers: {}, ca: Buffer.from(authority.certificatePem) });
  for (let i = 0; i < 5; i += 1) {
    transport.access = { headers: { Authorization: `Bearer ${i}` }, ca: Buffer.from(authority.certificatePem) };
    await transport.call(get);
  }
  expect(server.connections).toBe(1);
});

test("a server whose authority is not known is not talked to", async () => {
  await using server = await startServer();
  const other = await createCertificateAuthority("somebody");
  using transport = transportTo(server, { headers: {}, ca: other.certificatePem });
  await expect(transport.call(get)).rejects.toMatchObject({ status: 0, reason: "NoAnswer" });
  expect(server.received).toEqual([]);
});

test("a rotated authority is trusted from the next request on, and the old connections go", async () => {
  await using server = await startServer();
  const other = await createCertificateAuthority("somebody");
  using transport = transportTo(server, { headers: {}, ca: authority.certificatePem });
  await transport.call(get);

  transport.access = { headers: {}, ca: other.certificatePem };
  await expect(transport.call(get)).rejects.toMatchObject({ status: 0 });
  transport.access = { headers: {}, ca: `${other.certificatePem}${authority.certificatePem}` };
  await transport.call(get);
  while (server.sockets.size > 1) await sleep(1);
});

const identity = async (user: string): Promise<Access> => {
  const pair = await issueClientCertificate(authority, { user });
  return { headers: {}, ca: authority.certificatePem, cert: pair.certificatePem, key: pair.privateKeyPem };
};

test("a rotated client certificate is used from the next request on; what is under way finishes", async () => {
  const seen: (string | undefined)[] = [];
  const slow = Promise.withResolvers<() => void>();
  await using server = await startStubServer((request, response) => {
    const socket = response.socket as TLSSocket;
    seen.push(socket.getPeerCertificate().subject?.CN as string | undefined);
    if (request.url === "/slow") slow.resolve(() => respondJson(response, 200, {}));
    else respondJson(response, 200, {});
  }, tls);
  using transport = transportTo(server, await identity("operator-1"));
  const call = transport.call({ ...get, path: "/slow" });
  const answer = await slow.promise;
  transport.access = await identity("operator-2");
  await transport.call(get);
  answer();
  await call;
  expect(seen).toEqual(["operator-1", "operator-2"]);
  while (server.sockets.size > 1) await sleep(1);
});

test("certificates that cannot be read are no answer", async () => {
  await using server = await startServer();
  using transport = transportTo(server, { headers: {}, ca: authority.certificatePem, cert: "none", key: "none" });
  for (let i = 0; i < 2; i += 1) {
    await expect(transport.call(get)).rejects.toMatchObject({ status: 0, reason: "NoAnswer" });
  }
  expect(server.connections).toBe(0);
});

test("a stream over TLS is whole, also when its reader takes its time", async () => {
  const lines = Array.from({ length: 200_000 }, (_, line) => `${line} ${"x".repeat(line % 100)}`);
  await using server = await startStubServer((_, response) => response.end(`${lines.join("\n")}\n`), tls);
  using transport = transportTo(server, { headers: {}, ca: authority.certificatePem });
  const read: string[] = [];
  const stream = await transport.stream(get);
  while (await stream.more()) {
    for (let line = stream.take(); line !== undefined; line = stream.take()) read.push(line);
    await sleep(1);
  }
  expect(read).toEqual(lines);
});

test("the name in the server's certificate may be another one than the URL's", async () => {
  await using server = await startServer();
  using right = transportTo(server, { headers: {}, ca: authority.certificatePem, servername: "kubernetes.default" });
  await right.call(get);
  using wrong = transportTo(server, { headers: {}, ca: authority.certificatePem, servername: "example.org" });
  await expect(wrong.call(get)).rejects.toMatchObject({ status: 0 });
});
