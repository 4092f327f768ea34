import { describe, expect, test } from "vitest";
import { InvalidSpec, type Database } from "../../src/database/api.ts";
import type { References } from "../../src/database/references.ts";
import { resolve } from "../../src/database/resolve.ts";
import {
  instances,
  leading,
  orders,
  references,
  resolveOrders,
  settings,
  uid,
  type InstanceFixture,
} from "../support/orders.ts";

test("the smallest Database", () => {
  expect(resolveOrders()).toEqual({
    name: "orders",
    namespace: "shop",
    uid,
    version: "17",
    image: "holdfast/postgres:17-1",
    imageFromCatalogue: true,
    replicas: 1,
    databaseName: "orders",
    username: "orders",
    password: "application-pw",
    credentials: references.internal.type === "found" ? references.internal.credentials : undefined,
    resources: {},
    parameters: {},
    placement: {},
    deletionPolicy: "Retain",
    instanceClusterRole: "holdfast-instance",
    instances: [{ number: 1, name: "orders-1", volume: { size: "1Gi" }, lastPrimary: false }],
    takingUp: false,
  });
});

describe("the image", () => {
  const kept = instances(1, { number: 1, patroni: leading, statefulSet: { image: "holdfast/postgres:17-0" } });
  const own = instances(1, {
    number: 1,
    patroni: leading,
    statefulSet: { image: "registry.example/mine:17", catalogueVersion: "none" },
  });
  test.each([
    { spec: {}, existing: [], image: "holdfast/postgres:17-1", because: "the catalogue chooses it" },
    { spec: { image: "mine:1" }, existing: [], image: "mine:1", because: "the spec names it" },
    { spec: { image: "mine:1" }, existing: kept, image: "mine:1", because: "the spec goes before what runs" },
    { spec: {}, existing: kept, image: "holdfast/postgres:17-0", because: "a newer catalogue restarts nothing" },
    { spec: {}, existing: own, image: "holdfast/postgres:17-1", because: "what the spec named once is not kept" },
  ])("is $image: $because", ({ spec, existing, image }) => {
    expect(resolveOrders(spec, existing).image).toBe(image);
  });

  test("of a version that the catalogue does not have is for an edit to mend", () => {
    expect(() => resolveOrders({ version: "12" })).toThrow("spec.version: the catalogue has no PostgreSQL 12, only 17");
  });
});

describe("the application's password", () => {
  const spec = { passwordSecretRef: { name: "mine", key: "password" } };
  const resolved = (password: References["password"]) => () =>
    resolve(orders(spec), { ...references, password }, [], settings);

  test("is the user's own where there is one", () => {
    expect(resolved({ type: "found", value: "s3cret", followed: true })().password).toBe("s3cret");
  });

  test.each([
    {
      password: { type: "missing", message: "there is no Secret mine", followed: false },
      reason: "PasswordSecretMissing",
      message:
        "spec.passwordSecretRef: there is no Secret mine; give Secret mine the label " +
        "app.kubernetes.io/managed-by=holdfast to have changes of it followed at once",
    },
    {
      password: { type: "unusable", message: "password in Secret mine is empty", followed: true },
      reason: "PasswordUnusable",
      message: "spec.passwordSecretRef: password in Secret mine is empty",
    },
  ] as const)("waits for an edit: $reason", ({ password, reason, message }) => {
    expect(resolved(password)).toThrow(expect.objectContaining({ reason, message }));
    expect(resolved(password)).toThrow(InvalidSpec);
  });
});

test.each([
  {
    run: () => resolveOrders({ parameters: { port: 1, fsync: "off" } }),
    reason: "ParameterRefused",
    message:
      "spec.parameters.port: cannot be set: Holdfast decides it; spec.parameters.fsync: cannot be set: it can lose or corrupt data",
  },
  {
    run: () => resolveOrders({ username: "postgres" }),
    reason: "InvalidSpec",
    message: 'spec.username: "postgres" is a name that PostgreSQL or Holdfast needs itself',
  },
  {
    run: () => resolveOrders({ username: "pg_monitor" }),
    reason: "InvalidSpec",
    message: 'spec.username: "pg_monitor" is a name that PostgreSQL or Holdfast needs itself',
  },
  {
    run: () => resolveOrders({ databaseName: "template1" }),
    reason: "InvalidSpec",
    message: 'spec.databaseName: "template1" is a name that PostgreSQL or Holdfast needs itself',
  },
  {
    run: () => resolve(orders(), { ...references, internal: { type: "unusable", message: "lost" } }, [], settings),
    reason: "CredentialsUnusable",
    message: "lost",
  },
  {
    run: () => {
      const credentials = references.internal.type === "found" ? references.internal.credentials : undefined;
      const internal = { type: "new", credentials: credentials! } as const;
      return resolve(orders(), { ...references, internal }, instances(undefined, { number: 1, pod: false }), settings);
    },
    reason: "CredentialsUnusable",
    message: "Secret orders-internal is gone, with the passwords of orders-1",
  },
])("what waits for an edit says which field: $message", ({ run, reason, message }) => {
  expect(run).toThrow(expect.objectContaining({ name: "InvalidSpec", reason, message }));
});

describe("a volume", () => {
  test.each([
    {
      size: "10Gi",
      ownClass: true,
      expected: { size: "10Gi", storageClass: "standard" },
      because: "it grows, and keeps the class that we asked for",
    },
    { size: "10Gi", expected: { size: "10Gi" }, because: "the class was the cluster's choice, and stays so" },
    { size: "1Gi", expected: { size: "5Gi" }, because: "a retained one may be larger than asked for" },
    { size: "5120Mi", expected: { size: "5120Mi" }, because: "equal sizes are not rewritten" },
    {
      size: "3Gi",
      capacity: "2Gi",
      expected: { size: "3Gi" },
      because: "what was asked for in vain is taken back",
    },
    {
      size: "2Gi",
      capacity: "2Gi",
      expected: { size: "5Gi" },
      because: "Kubernetes takes back no more than to above what there is",
    },
    {
      size: "10Gi",
      phase: "Pending",
      expected: { size: "5Gi" },
      because: "it cannot change before it is bound: it is made anew instead",
    },
    { size: "10Gi", phase: "Lost", expected: { size: "5Gi" }, because: "nothing can be changed of what is lost" },
  ] as const)("of 5Gi with spec $size is $expected: $because", ({ size, expected, ...given }) => {
    const volume = { size: "5Gi", ...given };
    const existing = instances(1, { number: 1, patroni: leading, volume });
    expect(resolveOrders({ storage: { size, storageClass: "fast" } }, existing).instances[0]?.volume).toEqual(expected);
  });

  test("that is new has the class that the spec names", () => {
    const spec = { storage: { size: "1Gi", storageClass: "fast" } };
    expect(resolveOrders(spec).instances[0]?.volume).toEqual({ size: "1Gi", storageClass: "fast" });
  });
});

describe("a volume is not made now", () => {
  const status = { status: { version: "17.11" } };
  const resolved = (database: Database, leader: number | undefined, ...existing: InstanceFixture[]) =>
    resolve(database, references, instances(leader, ...existing), settings).instances.map(({ volume }) => volume?.size);
  const leader: InstanceFixture = { number: 1, patroni: leading };

  test.each([
    {
      sizes: ["1Gi", undefined],
      because: "the present one is being deleted, and keeps nothing else from being applied",
      found: resolved(orders({ replicas: 2 }), 1, leader, { number: 2, volume: { deleting: true } }),
    },
    {
      sizes: ["1Gi", "1Gi"],
      because: "a replica's that is gone is filled from the primary",
      found: resolved(orders({ replicas: 2 }, status), 1, leader, { number: 2, volume: false }),
    },
    {
      sizes: [undefined, "1Gi"],
      because: "the primary's own is gone, and an empty one would look as if all were well",
      found: resolved(orders({ replicas: 2 }), 1, { ...leader, volume: false }, { number: 2 }),
    },
    {
      sizes: ["1Gi", undefined],
      because: "nobody leads: what is gone may have been the newest, and an empty one must not look like it",
      found: resolved(orders({ replicas: 2 }, status), undefined, { number: 1 }, { number: 2, volume: false }),
    },
    {
      sizes: ["1Gi"],
      because: "PostgreSQL never ran here: there is nothing to lose",
      found: resolved(orders(), undefined, { number: 1, volume: false, ready: false, patroni: null }),
    },
  ])("$sizes: $because", ({ sizes, found }) => {
    expect(found).toEqual(sizes);
  });
});

const primary: InstanceFixture = { number: 1, patroni: leading, volume: { lastPrimary: "true" } };
const replica = (number: number): InstanceFixture => ({ number, volume: { lastPrimary: "false" } });
const volume = (number: number, marks: object = {}): InstanceFixture => ({
  number,
  pod: false,
  statefulSet: false,
  volume: { ownerUid: "an earlier life", lastPrimary: "false", ...marks },
});
const own = (number: number): InstanceFixture => volume(number, { ownerUid: uid });
const silent = (fixture: InstanceFixture): InstanceFixture => ({ ...fixture, ready: false });
const silentUnless = (leader: number | undefined, fixture: InstanceFixture) =>
  leader === 1 ? fixture : silent(fixture);

const marks = (leader: number | undefined) =>
  resolveOrders(
    { replicas: 2 },
    instances(leader, silentUnless(leader, primary), { ...replica(2), patroni: leading }),
  ).instances.map(({ lastPrimary }) => lastPrimary);

describe("the instances that must exist", () => {
  test.each<{
    replicas: number;
    leader: number | undefined;
    existing: readonly InstanceFixture[];
    numbers: readonly number[];
    takingUp: boolean;
    because: string;
  }>([
    {
      replicas: 3,
      leader: undefined,
      existing: [],
      numbers: [1, 2, 3],
      takingUp: false,
      because: "all of a fresh one start at once",
    },
    {
      replicas: 3,
      leader: undefined,
      existing: [own(1), own(2)],
      numbers: [1, 2, 3],
      takingUp: false,
      because: "a first pass was cut off after two volumes",
    },
    {
      replicas: 3,
      leader: undefined,
      existing: [silent(replica(1)), own(2)],
      numbers: [1, 2, 3],
      takingUp: false,
      because: "a first pass was cut off after a StatefulSet",
    },
    { replicas: 3, leader: 1, existing: [primary], numbers: [1, 2, 3], takingUp: false, because: "it is scaled up" },
    {
      replicas: 3,
      leader: 2,
      existing: [{ ...primary, number: 2 }, replica(4)],
      numbers: [1, 2, 4],
      takingUp: false,
      because: "the least free number is taken",
    },
    {
      replicas: 1,
      leader: 1,
      existing: [primary, replica(2), replica(3)],
      numbers: [1, 2, 3],
      takingUp: false,
      because: "one goes by a planned act alone",
    },
    {
      replicas: 2,
      leader: 1,
      existing: [primary, { ...replica(2), volume: { retired: true } }],
      numbers: [1, 3],
      takingUp: false,
      because: "what is retired does not come back, and its number is not free",
    },
    {
      replicas: 2,
      leader: 1,
      existing: [primary, own(2)],
      numbers: [1, 2],
      takingUp: false,
      because: "a StatefulSet was deleted by hand; its volume is there",
    },
    {
      replicas: 2,
      leader: 1,
      existing: [primary, own(3)],
      numbers: [1, 3],
      takingUp: false,
      because: "a volume goes before a new number",
    },
    {
      replicas: 2,
      leader: 1,
      existing: [{ ...primary, volume: false }],
      numbers: [1, 2],
      takingUp: false,
      because: "a lost volume is made again",
    },
    // Taking up.
    {
      replicas: 3,
      leader: undefined,
      existing: [volume(1), volume(2, { lastPrimary: "true" }), volume(3)],
      numbers: [2],
      takingUp: true,
      because: "the last primary starts alone",
    },
    {
      replicas: 1,
      leader: undefined,
      existing: [volume(1), volume(2, { lastPrimary: "true" })],
      numbers: [2],
      takingUp: false,
      because: "one is all that is wanted, and it is the last primary",
    },
    {
      replicas: 3,
      leader: undefined,
      existing: [volume(1), silent({ ...primary, number: 2 }), volume(3)],
      numbers: [2],
      takingUp: true,
      because: "it does not lead yet",
    },
    {
      replicas: 3,
      leader: 2,
      existing: [volume(1), { ...primary, number: 2 }, volume(3)],
      numbers: [1, 2, 3],
      takingUp: false,
      because: "it leads: the others follow",
    },
    {
      replicas: 2,
      leader: undefined,
      existing: [volume(2, { lastPrimary: undefined }), volume(3, { lastPrimary: undefined })],
      numbers: [2],
      takingUp: true,
      because: "nobody ever led: one alone, so that two cannot race",
    },
    {
      replicas: 3,
      leader: undefined,
      existing: [volume(1, { lastPrimary: "true" }), { ...replica(2), volume: false, ready: false }, volume(3)],
      numbers: [1],
      takingUp: true,
      because: "one that lost its volume before it led would begin with an empty one",
    },
    {
      replicas: 1,
      leader: undefined,
      existing: [volume(1, { lastPrimary: "true", phase: "Lost" })],
      numbers: [1],
      takingUp: false,
      because: "the data are lost, and no empty Database takes their place without a word",
    },
    // A failover under way.
    {
      replicas: 3,
      leader: undefined,
      existing: [silent(primary), replica(2)],
      numbers: [1, 2],
      takingUp: true,
      because: "nobody leads: nothing new joins",
    },
    {
      replicas: 3,
      leader: undefined,
      existing: [volume(1, { ownerUid: uid, lastPrimary: "true" }), replica(2), replica(3)],
      numbers: [1, 2, 3],
      takingUp: false,
      because: "the primary's StatefulSet was deleted by hand",
    },
  ])("are $numbers of $replicas: $because", ({ replicas, leader, existing, numbers, takingUp }) => {
    const resolved = resolveOrders({ replicas }, instances(leader, ...existing));
    expect({ numbers: resolved.instances.map(({ number }) => number), takingUp: resolved.takingUp }).toEqual({
      numbers,
      takingUp,
    });
  });

  test("are for a person to say where the last primary's volume is gone", () => {
    const existing = instances(undefined, volume(2), volume(3));
    expect(() => resolveOrders({ replicas: 2 }, existing)).toThrow(
      expect.objectContaining({ reason: "LastPrimaryUnknown", message: expect.stringContaining("orders-2, orders-3") }),
    );
  });

  test("are for a person to say where the volume of the last primary went while it was taken up", () => {
    const emptied: InstanceFixture = { number: 2, volume: false, ready: false, patroni: null };
    expect(() => resolveOrders({ replicas: 3 }, instances(undefined, volume(1), emptied, volume(3)))).toThrow(
      expect.objectContaining({ reason: "LastPrimaryUnknown", message: expect.stringContaining("orders-1, orders-3") }),
    );
  });

  test("are for a person to say where the last primary's volume is lost", () => {
    const existing = instances(undefined, volume(1, { lastPrimary: "true", phase: "Lost" }), volume(2), volume(3));
    expect(() => resolveOrders({ replicas: 3 }, existing)).toThrow(
      expect.objectContaining({ reason: "LastPrimaryUnknown", message: expect.stringContaining("orders-2, orders-3") }),
    );
  });

  test("are for a person to say where two volumes claim the newest data", () => {
    const existing = instances(undefined, volume(1, { lastPrimary: "true" }), volume(2, { lastPrimary: "true" }));
    expect(() => resolveOrders({ replicas: 2 }, existing)).toThrow(
      expect.objectContaining({
        reason: "LastPrimaryUnknown",
        message: expect.stringContaining("orders-1, orders-2") as string,
      }),
    );
  });

  test("remember who is primary, and who was while there is none", () => {
    expect(marks(1)).toEqual([true, false]);
    expect(marks(2)).toEqual([false, true]);
    expect(marks(undefined)).toEqual([true, false]);
  });
});
