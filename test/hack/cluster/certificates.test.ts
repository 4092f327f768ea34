import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createCertificateAuthority,
  createSigningKeys,
  issueClientCertificate,
  issueServerCertificate,
  type CertificateAuthority,
  type KeyPair,
} from "../../../hack/cluster/certificates.ts";

let authority: CertificateAuthority;
beforeAll(async () => {
  authority = await createCertificateAuthority("holdfast");
});

const parse = (pair: KeyPair): X509Certificate => new X509Certificate(pair.certificatePem);

test("an authority is self-signed and may sign others", () => {
  const certificate = parse(authority);
  expect(certificate.ca).toBe(true);
  expect(certificate.subject).toBe("CN=holdfast");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(authority.privateKeyPem))).toBe(true);
});

test("a server certificate holds for its names and addresses, and for no others", async () => {
  const server = { commonName: "kube-apiserver", dnsNames: ["kubernetes.default.svc"], ipAddresses: ["10.96.0.1"] };
  const certificate = parse(await issueServerCertificate(authority, server));
  expect(certificate.checkIssued(parse(authority))).toBe(true);
  expect(certificate.verify(parse(authority).publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(certificate.checkHost("kubernetes.default.svc")).toBe("kubernetes.default.svc");
  expect(certificate.checkIP("10.96.0.1")).toBe("10.96.0.1");
  expect(certificate.checkHost("orders.shop.svc")).toBeUndefined();
  expect(certificate.checkIP("10.96.0.2")).toBeUndefined();
});

test("a client certificate carries the user as common name and each group as an organization", async () => {
  const client = { user: "system:node:a", groups: ["system:nodes", "ü & co, ltd"] };
  const certificate = parse(await issueClientCertificate(authority, client));
  const { subject } = certificate.toLegacyObject();
  expect(subject).toEqual({ CN: "system:node:a", O: ["system:nodes", "ü & co, ltd"] });
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
});

test("a certificate is valid already for clocks that are behind, and for years", async () => {
  const certificate = parse(await issueClientCertificate(authority, { user: "jane" }));
  const minutesOld = (Date.now() - certificate.validFromDate.getTime()) / 60_000;
  const yearsLeft = (certificate.validToDate.getTime() - Date.now()) / (365 * 24 * 3600 * 1000);
  expect(minutesOld).toBeGreaterThanOrEqual(5);
  expect(yearsLeft).toBeGreaterThan(9);
});

test("serial numbers differ and are positive", async () => {
  const serials = await Promise.all(
    Array.from(
      { length: 20 },
      async () => parse(await issueClientCertificate(authority, { user: "jane" })).serialNumber,
    ),
  );
  expect(new Set(serials).size).toBe(20);
  expect(serials.every((serial) => /^01[0-9A-F]{30}$/.test(serial))).toBe(true);
});

test("signing keys are one pair", async () => {
  const keys = await createSigningKeys();
  const message = Buffer.from("token");
  const signature = sign("sha256", message, keys.privateKeyPem);
  expect(verify("sha256", message, createPublicKey(keys.publicKeyPem), signature)).toBe(true);
});

test("an address that is not IPv4 is refused by name", async () => {
  const server = { commonName: "kube-apiserver", ipAddresses: ["::1"] };
  await expect(issueServerCertificate(authority, server)).rejects.toThrow("::1 is not an IPv4 address");
});

describe("mutual TLS", () => {
  const rows = [
    { because: "both are of the same authority", foreign: false, accepted: true },
    { because: "the client's certificate is of another authority of the same name", foreign: true, accepted: false },
  ];
  test.each(rows)("accepted: $accepted, because $because", async ({ foreign, accepted }) => {
    const signer = foreign ? await createCertificateAuthority("holdfast") : authority;
    const server = await issueServerCertificate(authority, { commonName: "server", ipAddresses: ["127.0.0.1"] });
    const client = await issueClientCertificate(signer, { user: "jane" });
    const listening = createServer({
      ca: authority.certificatePem,
      cert: server.certificatePem,
      key: server.privateKeyPem,
      requestCert: true,
      rejectUnauthorized: false,
    }).listen(0, "127.0.0.1");
    await once(listening, "listening");
    const outgoing = connect({
      host: "127.0.0.1",
      port: (listening.address() as AddressInfo).port,
      ca: authority.certificatePem,
      cert: client.certificatePem,
      key: client.privateKeyPem,
    });
    const [[incoming]] = (await Promise.all([
      once(listening, "secureConnection"),
      once(outgoing, "secureConnect"),
    ])) as [[TLSSocket], unknown];
    expect(incoming.authorized).toBe(accepted);
    outgoing.destroy();
    listening.close();
  });
});
