// Certificates and keys for a cluster of our own: EC P-256, as PEM (RFC 5280). Writes nothing and knows no paths.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from "node:crypto";
import { isIPv4 } from "node:net";
import { promisify } from "node:util";
import * as der from "./der.ts";

/** A certificate and its private key (PKCS #8), both PEM. */
export interface KeyPair {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** A key pair that may sign others; made by `createCertificateAuthority`. */
export type CertificateAuthority = KeyPair;

/** Keys with which the API server signs and checks the tokens of ServiceAccounts; PEM, PKCS #8 and SPKI. */
export interface SigningKeys {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
}

interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

const validityMs = 10 * 365 * 24 * 3600 * 1000;
/** Clocks of containers and hosts differ: a certificate that is valid from now may not be valid yet over there. */
const backdatingMs = 5 * 60 * 1000;

const signatureAlgorithm = der.sequence(der.objectIdentifier("1.2.840.10045.4.3.2")); // ecdsa-with-SHA256
const keyUsage = {
  digitalSignature: der.bitString(Buffer.from([0x80]), 7),
  signing: der.bitString(Buffer.from([0x06]), 1),
};
const serverAuthentication = "1.3.6.1.5.5.7.3.1";
const clientAuthentication = "1.3.6.1.5.5.7.3.2";

export async function createCertificateAuthority(commonName: string): Promise<CertificateAuthority> {
  const { publicKey, privateKey } = await generateKeys();
  return pair({ commonName }, { commonName }, publicKey, privateKey, privateKey, [
    extension("2.5.29.19", true, der.sequence(der.boolean(true))), // basic constraints: an authority
    extension("2.5.29.15", true, keyUsage.signing),
    extension("2.5.29.14", false, der.octetString(keyIdentifier(publicKey))),
  ]);
}

/** A certificate for a TLS server (an API server, a kubelet's port 10250, a registry), good for these names and IPv4 addresses. */
export async function issueServerCertificate(
  authority: CertificateAuthority,
  server: { commonName: string; dnsNames?: readonly string[]; ipAddresses?: readonly string[] },
): Promise<KeyPair> {
  const names = [
    ...(server.dnsNames ?? []).map((name) => der.tagged(0x82, Buffer.from(name, "ascii"))),
    ...(server.ipAddresses ?? []).map((address) => der.tagged(0x87, addressBytes(address))),
  ];
  const alternativeNames = extension("2.5.29.17", false, der.sequence(...names));
  return issue(authority, { commonName: server.commonName }, serverAuthentication, [alternativeNames]);
}

/**
 * A client certificate that Kubernetes reads as this user in these groups, e.g. system:node:a in system:nodes
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
 */
export async function issueClientCertificate(
  authority: CertificateAuthority,
  client: { user: string; groups?: readonly string[] },
): Promise<KeyPair> {
  return issue(authority, { commonName: client.user, organizations: client.groups ?? [] }, clientAuthentication, []);
}

export async function createSigningKeys(): Promise<SigningKeys> {
  const { publicKey, privateKey } = await generateKeys();
  return {
    privateKeyPem: exportPrivateKey(privateKey),
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }) as string,
  };
}

async function issue(
  authority: CertificateAuthority,
  subject: Subject,
  purpose: string,
  extensions: readonly der.Der[],
): Promise<KeyPair> {
  // Our authorities have a common name and nothing else, so this is their whole name.
  const issuer = { commonName: new X509Certificate(authority.certificatePem).subject.replace(/^CN=/, "") };
  const signingKey = createPrivateKey(authority.privateKeyPem);
  const { publicKey, privateKey } = await generateKeys();
  return pair(subject, issuer, publicKey, privateKey, signingKey, [
    extension("2.5.29.19", true, der.sequence()), // basic constraints: not an authority
    extension("2.5.29.15", true, keyUsage.digitalSignature),
    extension("2.5.29.37", false, der.sequence(der.objectIdentifier(purpose))),
    extension("2.5.29.35", false, der.sequence(der.tagged(0x80, keyIdentifier(createPublicKey(signingKey))))),
    ...extensions,
  ]);
}

function pair(
  subject: Subject,
  issuer: Subject,
  publicKey: KeyObject,
  privateKey: KeyObject,
  signingKey: KeyObject,
  extensions: readonly der.Der[],
): KeyPair {
  const now = Date.now();
  const toBeSigned = der.sequence(
    der.tagged(0xa0, der.integer(Buffer.from([2]))), // version 3
    der.integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    signatureAlgorithm,
    distinguishedName(issuer),
    der.sequence(der.time(new Date(now - backdatingMs)), der.time(new Date(now + validityMs))),
    distinguishedName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der.tagged(0xa3, der.sequence(...extensions)),
  );
  const signature = sign("sha256", toBeSigned, signingKey);
  const certificate = der.sequence(toBeSigned, signatureAlgorithm, der.bitString(signature));
  const lines = certificate.toString("base64").replaceAll(/.{64}/g, "$&\n").trimEnd();
  return {
    certificatePem: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    privateKeyPem: exportPrivateKey(privateKey),
  };
}

function distinguishedName(subject: Subject): der.Der {
  const organizations = (subject.organizations ?? []).map((organization) => attribute("2.5.4.10", organization));
  return der.sequence(...organizations, attribute("2.5.4.3", subject.commonName));
}

function attribute(type: string, value: string): der.Der {
  return der.set(der.sequence(der.objectIdentifier(type), der.utf8String(value)));
}

function extension(identifier: string, critical: boolean, value: der.Der): der.Der {
  return der.sequence(
    der.objectIdentifier(identifier),
    ...(critical ? [der.boolean(true)] : []),
    der.octetString(value),
  );
}

/** SHA-1 of the key's bits, which are the last 65 bytes of a P-256 key's SPKI (RFC 5280, 4.2.1.2). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash("sha1")
    .update(publicKey.export({ type: "spki", format: "der" }).subarray(-65))
    .digest();
}

function addressBytes(address: string): Buffer {
  if (!isIPv4(address)) throw new TypeError(`${address} is not an IPv4 address`);
  return Buffer.from(address.split(".").map(Number));
}

function generateKeys(): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  return promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
}

function exportPrivateKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}
