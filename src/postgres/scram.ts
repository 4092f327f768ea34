// SCRAM-SHA-256 verifiers as PostgreSQL stores them in pg_authid, so that passwords never travel in clear. RFC 5802, 7677.
// Key derivation runs on this thread: a few milliseconds with the default number of iterations.
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";

/** PostgreSQL's own default (scram_iterations). */
const defaultIterations = 4096;
const saltBytes = 16;
const keyBytes = 32;

/**
 * "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", which ALTER ROLE … PASSWORD takes as it is.
 * @param options.salt random if not given: two verifiers of one password differ
 */
export function scramVerifier(
  password: string,
  { salt = randomBytes(saltBytes), iterations = defaultIterations }: { salt?: Uint8Array; iterations?: number } = {},
): string {
  const { storedKey, serverKey } = deriveKeys(password, salt, iterations);
  return `SCRAM-SHA-256$${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`;
}

/** Whether `verifier` is one of `password`. False for every other kind of stored password, and for what has no such form. */
export function verifies(verifier: string, password: string): boolean {
  const match = /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/.exec(verifier);
  const [, iterations, salt = "", storedKey = "", serverKey = ""] = match ?? [];
  if (iterations === undefined || Number(iterations) === 0) return false;
  const keys = deriveKeys(password, Buffer.from(salt, "base64"), Number(iterations));
  // Both, without a short cut: a verifier with one key of another password is of no use.
  const [first, second] = [sameBytes(keys.storedKey, storedKey), sameBytes(keys.serverKey, serverKey)];
  return first && second;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

function sameBytes(bytes: Uint8Array, text: string): boolean {
  const other = Buffer.from(text, "base64");
  return bytes.length === other.length && timingSafeEqual(bytes, other);
}

function deriveKeys(password: string, salt: Uint8Array, iterations: number) {
  const salted = pbkdf2Sync(normalizePassword(password), salt, iterations, keyBytes, "sha256");
  const hmac = (text: string): Buffer => createHmac("sha256", salted).update(text).digest();
  return { storedKey: createHash("sha256").update(hmac("Client Key")).digest(), serverKey: hmac("Server Key") };
}

/**
 * SASLprep (RFC 4013) as PostgreSQL applies it in pg_saslprep: non-ASCII spaces become spaces, some characters vanish, then
 * NFKC; a password that would hold prohibited characters is taken as it is. Unassigned code points and the rules about
 * right-to-left text are not checked: PostgreSQL would take such a password as it is, and so the two can differ only for
 * passwords that hold them and that NFKC changes (https://www.postgresql.org/docs/17/sasl-authentication.html).
 */
export function normalizePassword(password: string): string {
  // eslint-disable-next-line no-control-regex
  if (/^[\u0000-\u007f]*$/.test(password)) return password;
  const mapped = password.replaceAll(nonAsciiSpaces, " ").replaceAll(mappedToNothing, "");
  const normalized = mapped.normalize("NFKC");
  return normalized === "" || prohibited.test(normalized) ? password : normalized;
}

/** RFC 3454 C.1.2, in PostgreSQL's order: U+200B is a space there, before it could be mapped to nothing. */
const nonAsciiSpaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
/** RFC 3454 B.1. */
const mappedToNothing =
  /\u{ad}|\u{34f}|[\u{1806}\u{200c}\u{2060}\u{feff}]|[\u{180b}-\u{180d}]|\u{200d}|[\u{fe00}-\u{fe0f}]/gu;
/** RFC 3454 C.1.2 and C.2 to C.9, as RFC 4013 names them. */
const prohibited =
  // eslint-disable-next-line no-control-regex
  /\u{340}|\u{341}|[\p{Cc}\p{Co}\p{Cs}\p{NChar}\u{a0}\u{6dd}\u{70f}\u{1680}\u{180e}\u{2000}-\u{200f}\u{2028}-\u{202f}\u{205f}-\u{2063}\u{206a}-\u{206f}\u{2ff0}-\u{2ffb}\u{3000}\u{feff}\u{fff9}-\u{fffd}\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;
