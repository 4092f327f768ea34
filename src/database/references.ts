// What a Database refers to: the Secret with its generated passwords, and the user's own password. Reads from the cache and
// asks the API server on a miss; the only source of randomness. Whether that will do is decided in resolve.ts.
import { randomBytes } from "node:crypto";
import { Secret, type Cache, type KubeClient } from "../runtime/index.ts";
import type { Database } from "./api.ts";
import { annotations, internalKeys, labels, namesOf } from "./names.ts";

/** The generated passwords of a Database, by what they are for. */
export type Credentials = Readonly<Record<keyof typeof internalKeys, string>>;

export type InternalSecret =
  /** As it is in `orders-internal`. */
  | { readonly type: "found"; readonly credentials: Credentials }
  /** There is no such Secret: made up just now, to be written with it. */
  | { readonly type: "new"; readonly credentials: Credentials }
  | { readonly type: "unusable"; readonly message: string };

export type PasswordReference =
  | { readonly type: "none" }
  /** `followed`: the Secret carries our label, so that a change of it wakes the Database. */
  | { readonly type: "found"; readonly value: string; readonly followed: boolean }
  | { readonly type: "missing"; readonly message: string; readonly followed: boolean }
  | { readonly type: "unusable"; readonly message: string; readonly followed: boolean };

export interface References {
  readonly internal: InternalSecret;
  readonly password: PasswordReference;
}

/** What reading needs of a controller's context. */
export interface ReferenceContext {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly signal?: AbortSignal;
}

/** @throws ApiError when the API server does not answer. */
export async function readReferences(database: Readonly<Database>, context: ReferenceContext): Promise<References> {
  const reference = database.spec.passwordSecretRef;
  const internal = await readSecret(database, namesOf(database.metadata.name).internalSecret, context);
  const password = reference && (await readSecret(database, reference.name, context));
  return {
    internal:
      internal === undefined
        ? { type: "new", credentials: generateCredentials() }
        : credentialsOf(internal, database.metadata.uid),
    password: reference ? passwordOf(password, reference.name, reference.key ?? "password") : { type: "none" },
  };
}

/**
 * When to look again at what nobody tells us of: a Secret of the user's without our label. Undefined: changes wake us. Pure.
 * In milliseconds: 30 s while it is missing, else 5 min.
 */
export function recheckAfterMs({ password }: References): number | undefined {
  if (password.type === "none" || password.followed) return undefined;
  return password.type === "found" ? 300_000 : 30_000;
}

/** Secrets without our label are never in the cache; those with it may have been made a moment ago. */
async function readSecret(
  { metadata: { namespace } }: Readonly<Database>,
  name: string,
  { client, cache, signal }: ReferenceContext,
): Promise<Readonly<Secret> | undefined> {
  const ref = { name, ...(namespace === undefined ? {} : { namespace }) };
  return cache.get(Secret, ref) ?? (await client.get(Secret, ref, signal === undefined ? {} : { signal }));
}

/**
 * The passwords in `orders-internal`, or why they cannot be used. Pure.
 * @param uid of the Database: one that lost its label is known by its owner's uid, and gets the label back
 */
export function credentialsOf(secret: Readonly<Secret>, uid?: string): InternalSecret {
  const { name, annotations: marks } = secret.metadata;
  if (!isOurs(secret) && (uid === undefined || marks?.[annotations.ownerUid] !== uid)) {
    return { type: "unusable", message: `Secret ${name} exists and was not made by Holdfast` };
  }
  const entries = Object.entries(internalKeys).map(([use, key]) => [use, decode(secret.data?.[key])] as const);
  const missing = entries.flatMap(([use, value]) => (value ? [] : [internalKeys[use as keyof Credentials]]));
  if (missing.length > 0) {
    return { type: "unusable", message: `Secret ${name} has lost ${missing.join(", ")}` };
  }
  return { type: "found", credentials: Object.fromEntries(entries) as Credentials };
}

/** The user's password in the Secret that spec.passwordSecretRef names. Pure. */
export function passwordOf(secret: Readonly<Secret> | undefined, name: string, key: string): PasswordReference {
  if (secret === undefined) return { type: "missing", message: `there is no Secret ${name}`, followed: false };
  const followed = isOurs(secret);
  const data = secret.data?.[key];
  if (data === undefined) return { type: "missing", message: `Secret ${name} has no key ${key}`, followed };
  const value = decode(data);
  if (!value) return { type: "unusable", message: `${key} in Secret ${name} is empty or not UTF-8`, followed };
  if (hasControlCharacter(value)) {
    return { type: "unusable", message: `${key} in Secret ${name} has a line break or control character`, followed };
  }
  return { type: "found", value, followed };
}

/** PostgreSQL would take it, but a line of pgpass ends there, and it mostly got in by mistake ("echo" writes one). */
export function hasControlCharacter(password: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f]/.test(password);
}

function isOurs(secret: Readonly<Secret>): boolean {
  return secret.metadata.labels?.[labels.managedBy] === "holdfast";
}

/** undefined when it is absent or no UTF-8. */
function decode(base64: string | undefined): string | undefined {
  if (base64 === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(base64, "base64"));
  } catch {
    return undefined;
  }
}

/** 192 random bits each, in letters, digits, "-" and "_": safe in URIs, shells and pgpass. */
function generateCredentials(): Credentials {
  const entries = Object.keys(internalKeys).map((use) => [use, randomBytes(24).toString("base64url")] as const);
  return Object.fromEntries(entries) as Credentials;
}
