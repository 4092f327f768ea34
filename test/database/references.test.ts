import { describe, expect, test } from "vitest";
import { credentialsOf, passwordOf, readReferences, recheckAfterMs } from "../../src/database/references.ts";
import { internalKeys } from "../../src/database/names.ts";
import type { Cache, KubeClient, Ref, Secret } from "../../src/runtime/index.ts";
import { orders, references, uid } from "../support/orders.ts";

const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString("base64");

function secret(name: string, data: Record<string, string>, ours = true): Secret {
  const labels: Record<string, string> = ours ? { "app.kubernetes.io/managed-by": "holdfast" } : {};
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "shop", labels }, data };
}

const passwords = Object.fromEntries(Object.values(internalKeys).map((key) => [key, base64(`${key}-pw`)]));

describe("the generated passwords", () => {
  test("are those in orders-internal", () => {
    expect(credentialsOf(secret("orders-internal", passwords))).toEqual({
      type: "found",
      credentials: {
        application: "application-password-pw",
        superuser: "superuser-password-pw",
        replication: "replication-password-pw",
        rewind: "rewind-password-pw",
        rest: "rest-password-pw",
      },
    });
  });

  test("are taken from a Secret that lost its label and still names this Database as its owner", () => {
    const stripped = secret("orders-internal", passwords, false);
    stripped.metadata.annotations = { "holdfast.dev/owner-uid": uid };
    expect([credentialsOf(stripped, uid).type, credentialsOf(stripped, "another").type]).toEqual(["found", "unusable"]);
  });

  test.each([
    {
      secret: secret("orders-internal", passwords, false),
      message: "Secret orders-internal exists and was not made by Holdfast",
      because: "it is a stranger's",
    },
    {
      secret: secret("orders-internal", { ...passwords, "rest-password": "" }),
      message: "Secret orders-internal has lost rest-password",
      because: "a key is empty",
    },
    {
      secret: secret("orders-internal", {}),
      message:
        "Secret orders-internal has lost application-password, superuser-password, replication-password, " +
        "rewind-password, rest-password",
      because: "all keys are gone",
    },
  ])("are unusable: $because", ({ secret: given, message }) => {
    expect(credentialsOf(given)).toEqual({ type: "unusable", message });
  });
});

const of = (data: Record<string, string>, ours = false) => passwordOf(secret("mine", data, ours), "mine", "password");

describe("the user's password", () => {
  test.each([
    { found: of({ password: base64("s3cret") }), because: "another's Secret", followed: false },
    { found: of({ password: base64("s3cret") }, true), because: "a Secret with our label", followed: true },
  ])("is read from $because; followed: $followed", ({ found, followed }) => {
    expect(found).toEqual({ type: "found", value: "s3cret", followed });
  });

  test.each([
    { found: passwordOf(undefined, "mine", "password"), type: "missing", message: "there is no Secret mine" },
    { found: of({ other: base64("x") }), type: "missing", message: "Secret mine has no key password" },
    { found: of({ password: "" }), type: "unusable", message: "password in Secret mine is empty or not UTF-8" },
    {
      found: of({ password: base64(new Uint8Array([0xff, 0xfe])) }),
      type: "unusable",
      message: "password in Secret mine is empty or not UTF-8",
    },
    {
      found: of({ password: base64("s3cret\n") }),
      type: "unusable",
      message: "password in Secret mine has a line break or control character",
    },
  ])("is $type: $message", ({ found, type, message }) => {
    expect(found).toEqual({ type, message, followed: false });
  });
});

test.each([
  { password: { type: "none" }, after: undefined, because: "there is nothing to look at" },
  { password: { type: "found", value: "x", followed: true }, after: undefined, because: "changes wake us" },
  {
    password: { type: "missing", message: "", followed: true },
    after: undefined,
    because: "the key's coming wakes us",
  },
  { password: { type: "found", value: "x", followed: false }, after: 300_000, because: "nobody tells us of a change" },
  { password: { type: "missing", message: "", followed: false }, after: 30_000, because: "somebody is waiting" },
  { password: { type: "unusable", message: "", followed: false }, after: 30_000, because: "somebody is waiting" },
] as const)("Secrets are looked at again after $after ms: $because", ({ password, after }) => {
  expect(recheckAfterMs({ ...references, password })).toBe(after);
});

const find = (list: Secret[], ref: Ref) => list.find(({ metadata }) => metadata.name === ref.name);

/** A cluster of a few Secrets, of which the cache knows some. */
function world({ cached = [], live = [] }: { cached?: Secret[]; live?: Secret[] }) {
  const cache: Cache = {
    get: ((_: unknown, ref: Ref) => find(cached, ref)) as Cache["get"],
    list: () => [],
    covers: () => false,
  };
  const get = async (_: unknown, ref: Ref): Promise<Secret | undefined> => find([...cached, ...live], ref);
  return { cache, client: { get } as unknown as KubeClient };
}

describe("reading", () => {
  test("finds Secrets that the cache does not know", async () => {
    const mine = secret("mine", { password: base64("s3cret") }, false);
    const database = orders({ passwordSecretRef: { name: "mine" } });
    const read = await readReferences(database, world({ live: [secret("orders-internal", passwords), mine] }));
    expect(read.internal.type).toBe("found");
    expect(read.password).toEqual({ type: "found", value: "s3cret", followed: false });
  });

  test("takes the key that is named", async () => {
    const mine = secret("mine", { pw: base64("other") });
    const database = orders({ passwordSecretRef: { name: "mine", key: "pw" } });
    const read = await readReferences(database, world({ cached: [mine] }));
    expect(read.password).toEqual({ type: "found", value: "other", followed: true });
  });

  test("makes up passwords where there are none: each another, safe in URIs and files", async () => {
    const one = await readReferences(orders(), world({}));
    const two = await readReferences(orders(), world({}));
    if (one.internal.type !== "new" || two.internal.type !== "new") throw new Error("expected new ones");
    const all = [...Object.values(one.internal.credentials), ...Object.values(two.internal.credentials)];
    expect(new Set(all).size).toBe(10);
    expect(all.filter((password) => !/^[A-Za-z0-9_-]{32}$/.test(password))).toEqual([]);
  });
});
