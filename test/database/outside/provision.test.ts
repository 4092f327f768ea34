import { beforeEach, describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { ObservationMemo } from "../../../src/database/outside/observation-memo.ts";
import type { PortError } from "../../../src/database/outside/port-error.ts";
import type { RolePrivilege } from "../../../src/database/outside/postgres.ts";
import {
  describeMissing,
  missing,
  provision,
  type Provided,
  type ProvisionMemo,
  type ProvisionRequest,
  type Wishes,
} from "../../../src/database/outside/provision.ts";
import { FakePostgres, type FakeCluster } from "../../support/fake-postgres.ts";

const wishes: Wishes = {
  role: "orders",
  password: "secret-of-orders",
  database: "orders",
  configuration: { ttl: 20, postgresql: { parameters: { work_mem: "16MB" } } },
  parameters: { work_mem: "16MB" },
};
const asWished: Provided = {
  serverVersion: "17.11",
  role: { exists: true, passwordMatches: true, canLogin: true, expires: false, privileges: [] },
  database: { exists: true, owner: "orders", openToPublic: false },
  configuration: { ttl: 20, loop_wait: 5, postgresql: { parameters: { work_mem: "16MB" } } },
};
const role = { exists: true, passwordMatches: true, canLogin: true, expires: false, privileges: [] } as const;
const database = { exists: true, owner: "orders", openToPublic: false } as const;

describe("what is missing", () => {
  test.each<{ facts: Partial<Provided>; expected: string[]; because: string }>([
    { facts: {}, expected: [], because: "what others set in the configuration is not ours" },
    { facts: { role: { exists: false } }, expected: ["role orders: does not exist"], because: "nobody can log in" },
    {
      facts: { role: { ...role, passwordMatches: false } },
      expected: ["role orders: has another password"],
      because: "the credentials that we hand out would not work",
    },
    {
      facts: { role: { ...role, canLogin: false, expires: true, privileges: ["SUPERUSER", "CREATEDB"] } },
      expected: [
        "role orders: cannot log in",
        "role orders: expires",
        "role orders: has SUPERUSER",
        "role orders: has CREATEDB",
      ],
      because: "each attribute is a reason of its own",
    },
    {
      facts: { database: { exists: false } },
      expected: ["database orders: does not exist"],
      because: "there is nothing to connect to",
    },
    {
      facts: { database: { ...database, owner: "postgres", openToPublic: true } },
      expected: ["database orders: belongs to postgres", "database orders: is open to PUBLIC"],
      because: "the application may do everything in its database, and nobody else anything",
    },
    {
      facts: { configuration: { postgresql: { parameters: { work_mem: "4MB", jit: "off" } } } },
      expected: [
        "configuration: ttl",
        "configuration: postgresql.parameters.work_mem",
        "configuration: postgresql.parameters.jit",
      ],
      because: "a value is absent, another, or was taken out of the spec",
    },
  ])("$expected because $because", ({ facts, expected }) => {
    expect(describeMissing(wishes, missing(wishes, { ...asWished, ...facts }))).toEqual(expected);
  });

  test("never says a password or a value of the configuration", () => {
    const said = JSON.stringify(
      describeMissing(wishes, missing(wishes, { ...asWished, configuration: {}, role: { exists: false } })),
    );
    expect(said).not.toContain(wishes.password);
    expect(said).not.toContain("16MB");
  });
});

const { signal } = new AbortController();
const address = { host: "orders", port: 5432, user: "postgres", password: "super", connectTimeoutMs: 1_000 };
const request: ProvisionRequest = {
  uid: "uid-1",
  generation: 1,
  wishes,
  primary: { podUid: "pod-1", timeline: 1 },
  postgres: address,
  patroni: { ...address, port: 8008, user: "patroni", password: "rest" },
  pendingRestart: false,
  replicas: [],
};
/** The primary has taken up what is wished. */
const inForce = {
  parameters: {
    parameters: [
      {
        name: "work_mem",
        known: true,
        takes: "",
        line: { text: "16MB", byAlterSystem: false, refused: false },
        pendingRestart: false,
      },
    ],
    others: [],
  },
  lagsSinceMs: undefined,
  settled: true,
  behind: [],
  problems: [],
};
const resyncEveryMs = 600_000;

let fake: FakePostgres;
let cluster: FakeCluster;
let memo: ProvisionMemo;
beforeEach(() => {
  fake = new FakePostgres();
  cluster = fake.cluster("orders");
  memo = new ObservationMemo({ resyncEveryMs });
});
const provide = (nowMs = 0, overrides: Partial<ProvisionRequest> = {}) =>
  provision({ ...request, ...overrides }, fake, memo, nowMs, signal);

describe("a pass", () => {
  test("brings about everything on a fresh cluster, and says what it did", async () => {
    cluster.configuration = { loop_wait: 5 };
    const { changes, ...facts } = await provide();
    const configuration = { loop_wait: 5, ...wishes.configuration };
    expect(facts).toEqual({ ...asWished, ...inForce, configuration });
    expect(changes).toEqual([
      "role orders: does not exist",
      "database orders: does not exist",
      "configuration: ttl",
      "configuration: postgresql.parameters.work_mem",
    ]);
    expect(cluster.roles.get("orders")).toEqual({
      password: wishes.password,
      canLogin: true,
      expires: false,
      privileges: [],
    });
    expect(cluster.databases.get("orders")).toEqual({ owner: "orders", openToPublic: false });
  });

  test("does nothing where nothing is missing", async () => {
    await provide();
    const { writes } = cluster;
    memo.forget(request.uid);
    expect((await provide()).changes).toEqual([]);
    expect(cluster.writes).toBe(writes);
  });

  test("leaves other roles and databases alone", async () => {
    cluster.roles.set("reader", { password: "r", canLogin: true, expires: true, privileges: ["CREATEDB"] });
    cluster.databases.set("metrics", { owner: "reader", openToPublic: true });
    await provide();
    expect(cluster.roles.get("reader")).toEqual({
      password: "r",
      canLogin: true,
      expires: true,
      privileges: ["CREATEDB"],
    });
    expect(cluster.databases.get("metrics")).toEqual({ owner: "reader", openToPublic: true });
  });

  test("mends the configuration also while PostgreSQL cannot be reached: that may be the cure", async () => {
    const postgres = { ...address, host: "down" };
    fake.unreachable.add("down");
    await expect(provide(0, { postgres })).rejects.toMatchObject({ reason: "Unreachable" });
    expect(cluster.configuration).toEqual(wishes.configuration);
    expect(cluster.roles.has("orders")).toBe(false);
  });

  test("provides role and database also while Patroni cannot be reached", async () => {
    const patroni = { ...request.patroni, host: "down" };
    fake.unreachable.add("down");
    await expect(provide(0, { patroni })).rejects.toMatchObject({ reason: "Unreachable" });
    expect(cluster.databases.has("orders")).toBe(true);
  });

  test("says both failures if both fail", async () => {
    fake.unreachable.add("orders");
    const error = await provide().catch((reason: unknown) => reason as PortError);
    expect(error).toMatchObject({ name: "PortError", reason: "Unreachable" });
    expect((error as PortError).message).toMatch(/orders:5432.*orders:8008/);
    expect((error as PortError).cause).toBeInstanceOf(AggregateError);
  });

  test("writes nothing to a replica", async () => {
    fake.replicas.add("orders");
    await expect(provide()).rejects.toMatchObject({ reason: "NotPrimary" });
    expect(cluster.roles.has("orders")).toBe(false);
  });

  test("does not claim success when what it did did not last", async () => {
    const forgetful = { ...fake.postgres, ensureDatabase: async () => {} };
    const pass = provision(request, { postgres: forgetful, patroni: fake.patroni }, memo, 0, signal);
    await expect(pass).rejects.toThrow("still missing after it was provided: database orders: does not exist");
    expect(memo.size).toBe(0);
  });

  test("rejects with the signal's reason once that is aborted", async () => {
    const reason = new Error("shutting down");
    await expect(provision(request, fake, memo, 0, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test("mends whatever was changed by hand (property)", async () => {
    const privilege = fc.constantFrom<RolePrivilege>("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS");
    const roles = fc.option(
      fc.record({
        password: fc.option(fc.constantFrom(wishes.password, "other"), { nil: undefined }),
        canLogin: fc.boolean(),
        expires: fc.boolean(),
        privileges: fc.uniqueArray(privilege),
      }),
    );
    const databases = fc.option(
      fc.record({ owner: fc.constantFrom("orders", "postgres"), openToPublic: fc.boolean() }),
    );
    const parameters = fc.dictionary(
      fc.constantFrom("work_mem", "jit", "max_connections"),
      fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    );
    await fc.assert(
      fc.asyncProperty(roles, databases, parameters, async (aRole, aDatabase, someParameters) => {
        fake.drop("orders");
        cluster = fake.cluster("orders");
        if (aRole !== null) cluster.roles.set("orders", aRole);
        if (aDatabase !== null) cluster.databases.set("orders", aDatabase);
        cluster.configuration = { loop_wait: 5, postgresql: { parameters: someParameters } };
        memo.forget(request.uid);

        const { changes, ...facts } = await provide();
        expect(facts).toEqual({ ...asWished, ...inForce });
        expect(describeMissing(wishes, missing(wishes, facts))).toEqual([]);
        expect(cluster.writes > 0).toBe(changes.length > 0);
      }),
    );
  });
});

/** Whether a pass looks outside. */
const looks = async (nowMs: number, overrides: Partial<ProvisionRequest> = {}): Promise<boolean> => {
  const before = cluster.observations;
  await provide(nowMs, overrides);
  return cluster.observations > before;
};

describe("looking outside", () => {
  test("happens once, then not again while nothing changed and the facts are fresh", async () => {
    expect(await looks(0)).toBe(true);
    expect(await looks(1)).toBe(false);
    expect(await looks(0.7 * resyncEveryMs - 1)).toBe(false);
  });

  test("answers the remembered facts in between, without changes", async () => {
    const first = await provide(0);
    expect(await provide(1)).toEqual({ ...first, changes: [] });
  });

  test("happens again at a resync, however early that comes, and mends what was edited by hand", async () => {
    await provide(0);
    cluster.roles.delete("orders");
    cluster.configuration = { ...cluster.configuration, ttl: 3_600 };
    expect((await provide(1)).changes).toEqual([]);
    expect((await provide(0.8 * resyncEveryMs)).changes).toEqual(["role orders: does not exist", "configuration: ttl"]);
    expect(cluster.roles.has("orders")).toBe(true);
    expect(cluster.configuration).toMatchObject({ ttl: 20 });
  });

  test.each<{ change: Partial<ProvisionRequest>; because: string }>([
    { change: { generation: 2 }, because: "the spec was edited" },
    { change: { wishes: { ...wishes, password: "rotated" } }, because: "the password was rotated" },
    { change: { wishes: { ...wishes, configuration: { ttl: 30 } } }, because: "a parameter changed" },
    { change: { primary: { podUid: "pod-2", timeline: 1 } }, because: "another Pod leads" },
    { change: { primary: { podUid: "pod-1", timeline: 2 } }, because: "there was a failover and back" },
    { change: { postgres: { ...address, password: "restored" } }, because: "our own credentials changed" },
  ])("happens at once when $because", async ({ change }) => {
    await provide(0);
    expect(await looks(1, change)).toBe(true);
    expect(await looks(2, change)).toBe(false);
  });

  test("does not depend on the order of keys", async () => {
    await provide(0);
    const reversed = Object.fromEntries(Object.entries(wishes).toReversed()) as unknown as Wishes;
    expect(await looks(1, { wishes: reversed })).toBe(false);
  });

  test("does not happen because replicas come and go, or because Patroni says that one must be restarted", async () => {
    await provide(0);
    const replica = { name: "orders-2-0", postgres: { ...address, host: "replica" }, pendingRestart: true };
    expect(await looks(1, { replicas: [replica], pendingRestart: true })).toBe(false);
  });

  test("happens again after a failure", async () => {
    fake.unreachable.add("orders");
    await expect(provide(0)).rejects.toThrow();
    fake.unreachable.clear();
    expect(await looks(1)).toBe(true);
  });

  test("happens again after the Database was deleted and created anew", async () => {
    await provide(0);
    memo.forget(request.uid);
    expect(memo.size).toBe(0);
    expect(await looks(1)).toBe(true);
    expect(await looks(2, { uid: "uid-2" })).toBe(true);
  });
});

describe("what servers make of the parameters", () => {
  const other = {
    ...wishes,
    configuration: { ttl: 20, postgresql: { parameters: { jit: "off" } } },
    parameters: { jit: "off" },
  };
  const old = { ttl: 20, postgresql: { parameters: { work_mem: "16MB" } } };

  test("is looked at again until they have taken a change up, and then no more", async () => {
    await provide(0);
    cluster.lagging.set("orders", old);
    expect(await provide(1, { wishes: other })).toMatchObject({ settled: false, lagsSinceMs: 1, problems: [] });
    expect(await looks(2, { wishes: other })).toBe(true);
    cluster.lagging.clear();
    expect(await provide(3, { wishes: other })).toMatchObject({ settled: true, lagsSinceMs: undefined, problems: [] });
    expect(await looks(4, { wishes: other })).toBe(false);
  });

  test("only: role and database are not looked at again meanwhile", async () => {
    cluster.lagging.set("orders", { postgresql: {} });
    await provide(0);
    cluster.roles.delete("orders");
    expect((await provide(1)).changes).toEqual([]);
    expect(cluster.roles.has("orders")).toBe(false);
  });

  test("is a problem when they had the time, and stays one at a resync", async () => {
    cluster.unknown.add("work_mem");
    const refused = [{ name: "work_mem", message: "PostgreSQL 17 has no parameter of this name that can be set" }];
    expect(await provide(0)).toMatchObject({ settled: true, problems: refused });
    cluster.unknown.clear();
    cluster.invalid.set("work_mem", "a number from 64");
    const invalid = [
      { name: "work_mem", message: "Patroni leaves the value out as not valid; PostgreSQL 17 takes a number from 64" },
    ];
    expect(await provide(1, { generation: 2 })).toMatchObject({ settled: false, problems: [] });
    expect(await provide(15_001, { generation: 2 })).toMatchObject({ settled: true, problems: invalid });
    expect(await looks(15_002, { generation: 2 })).toBe(false);
    const resync = await provide(15_001 + resyncEveryMs, { generation: 2 });
    expect(resync).toMatchObject({ settled: true, lagsSinceMs: 1, problems: invalid });
  });

  test("has its time anew after each change", async () => {
    cluster.invalid.set("work_mem", "");
    await provide(0);
    expect(await provide(15_000)).toMatchObject({ settled: true });
    cluster.configuration = { ttl: 3_600 };
    expect(await provide(0.8 * resyncEveryMs)).toMatchObject({ settled: false, problems: [] });
  });

  test("is taken up although a parameter was only taken out of the spec", async () => {
    await provide(0);
    const none = { ...wishes, configuration: { ttl: 20, postgresql: { parameters: {} } }, parameters: {} };
    cluster.lagging.set("orders", old);
    expect(await provide(1, { wishes: none })).toMatchObject({ settled: false });
    cluster.lagging.clear();
    expect(await provide(2, { wishes: none })).toMatchObject({ settled: true, problems: [] });
  });
});
