// The contract of the port PostgresServer, held by the adapter against a real server and by the fake of the scenarios alike.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PortError } from "../../src/database/outside/port-error.ts";
import type { PostgresServer, ServerAddress } from "../../src/database/outside/postgres.ts";
import { pgPostgres } from "../../src/external/pg-postgres.ts";
import { FakePostgres } from "../support/fake-postgres.ts";
import { startPostgres } from "../support/postgres-server.ts";

/** What a person with superuser rights does behind the operator's back. */
interface Hand {
  createRole(name: string): Promise<void>;
  dropRole(name: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  give(role: string, privilege: "SUPERUSER" | "CREATEDB" | "CREATEROLE" | "REPLICATION" | "BYPASSRLS"): Promise<void>;
  forbidLogin(role: string): Promise<void>;
  letExpire(role: string): Promise<void>;
  setPassword(role: string, password: string | undefined): Promise<void>;
  setOwner(database: string, role: string): Promise<void>;
  openToPublic(database: string): Promise<void>;
}

/** As the server has it configured, e.g. by Patroni. */
const configured = { work_mem: "16MB", "myapp.greeting": "hello" };

interface World {
  readonly port: PostgresServer;
  readonly primary: ServerAddress;
  readonly replica: ServerAddress;
  /** Nobody listens there. */
  readonly nowhere: ServerAddress;
  readonly hand: Hand;
  stop(): Promise<void>;
}

async function realWorld(): Promise<World> {
  const [primary, replica] = await Promise.all([
    startPostgres({ settings: configured }),
    startPostgres({ standby: true, settings: configured }),
  ]);
  const gone = await startPostgres();
  await gone.stop();
  const run = async (sql: string): Promise<void> => void (await primary.query(sql));
  return {
    port: pgPostgres,
    primary: primary.address,
    replica: replica.address,
    nowhere: gone.address,
    hand: {
      createRole: (name) => run(`CREATE ROLE "${name}" NOLOGIN`),
      dropRole: (name) => run(`DROP ROLE "${name}"`),
      dropDatabase: (name) => run(`DROP DATABASE "${name}"`),
      give: (role, privilege) => run(`ALTER ROLE "${role}" ${privilege}`),
      forbidLogin: (role) => run(`ALTER ROLE "${role}" NOLOGIN`),
      letExpire: (role) => run(`ALTER ROLE "${role}" VALID UNTIL '2020-01-01'`),
      setPassword: (role, password) =>
        run(`ALTER ROLE "${role}" PASSWORD ${password === undefined ? "NULL" : `'${password}'`}`),
      setOwner: (database, role) => run(`ALTER DATABASE "${database}" OWNER TO "${role}"`),
      openToPublic: (database) => run(`GRANT CONNECT ON DATABASE "${database}" TO PUBLIC`),
    },
    stop: async () => {
      await Promise.all([primary.stop(), replica.stop()]);
    },
  };
}

async function fakeWorld(): Promise<World> {
  const fake = new FakePostgres();
  const cluster = fake.cluster("primary");
  for (const host of ["primary", "replica"]) {
    fake.cluster(host).configuration = { postgresql: { parameters: configured } };
    fake.cluster(host).unknown.add("wrk_mem");
  }
  const address = { host: "primary", port: 5432, user: "postgres", password: "secret", connectTimeoutMs: 1_000 };
  fake.replicas.add("replica");
  fake.unreachable.add("nowhere");
  const role = (name: string) => cluster.roles.get(name)!;
  return {
    port: fake.postgres,
    primary: address,
    replica: { ...address, host: "replica" },
    nowhere: { ...address, host: "nowhere" },
    hand: {
      createRole: async (name) =>
        void cluster.roles.set(name, { password: undefined, canLogin: false, expires: false, privileges: [] }),
      dropRole: async (name) => void cluster.roles.delete(name),
      dropDatabase: async (name) => void cluster.databases.delete(name),
      give: async (name, privilege) => void role(name).privileges.push(privilege),
      forbidLogin: async (name) => void (role(name).canLogin = false),
      letExpire: async (name) => void (role(name).expires = true),
      setPassword: async (name, password) => void (role(name).password = password),
      setOwner: async (name, owner) => void (cluster.databases.get(name)!.owner = owner),
      openToPublic: async (name) => void (cluster.databases.get(name)!.openToPublic = true),
    },
    stop: async () => {},
  };
}

describe.each([
  { implementation: "the adapter for a real server", start: realWorld },
  { implementation: "the fake of the scenarios", start: fakeWorld },
])("$implementation", ({ start }) => {
  let world: World;
  const { signal } = new AbortController();
  const role = { name: "orders", password: "first-password" };
  const database = { name: "orders", owner: "orders" };
  const asWished = {
    role: { exists: true, passwordMatches: true, canLogin: true, expires: false, privileges: [] },
    database: { exists: true, owner: "orders", openToPublic: false },
  };
  const observe = () => world.port.observe(world.primary, { role, database }, signal);
  const ensure = async (): Promise<void> => {
    await world.port.ensureRole(world.primary, role, signal);
    await world.port.ensureDatabase(world.primary, database, signal);
  };

  beforeAll(async () => {
    world = await start();
  }, 120_000);
  afterAll(() => world?.stop());

  test("sees nothing on a fresh server, and its version", async () => {
    const facts = await observe();
    expect(facts).toEqual({
      serverVersion: expect.stringMatching(/^\d+\.\d+$/),
      role: { exists: false },
      database: { exists: false },
    });
  });

  test("refuses a database whose owner does not exist", async () => {
    await expect(world.port.ensureDatabase(world.primary, database, signal)).rejects.toThrow(PortError);
  });

  test("sees what it made, exactly as wished", async () => {
    await ensure();
    expect(await observe()).toMatchObject(asWished);
  });

  test("is content with what is there already", async () => {
    await ensure();
    expect(await observe()).toMatchObject(asWished);
  });

  test("sees that another password is asked about", async () => {
    const facts = await world.port.observe(world.primary, { role: { ...role, password: "second" }, database }, signal);
    expect(facts.role).toMatchObject({ passwordMatches: false });
  });

  const drifts: readonly { what: string; edit: (hand: Hand) => Promise<void>; sees: object }[] = [
    {
      what: "a role that cannot log in",
      edit: (hand) => hand.forbidLogin("orders"),
      sees: { role: { ...asWished.role, canLogin: false } },
    },
    {
      what: "an expired role",
      edit: (hand) => hand.letExpire("orders"),
      sees: { role: { ...asWished.role, expires: true } },
    },
    {
      what: "a changed password",
      edit: (hand) => hand.setPassword("orders", "changed by hand"),
      sees: { role: { ...asWished.role, passwordMatches: false } },
    },
    {
      what: "a role without a password",
      edit: (hand) => hand.setPassword("orders", undefined),
      sees: { role: { ...asWished.role, passwordMatches: false } },
    },
    ...(["SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"] as const).map((privilege) => ({
      what: `a role that was given ${privilege}`,
      edit: (hand: Hand) => hand.give("orders", privilege),
      sees: { role: { ...asWished.role, privileges: [privilege] } },
    })),
    {
      what: "a database of another owner",
      edit: async (hand) => {
        await hand.createRole("stranger");
        await hand.setOwner("orders", "stranger");
      },
      sees: { database: { exists: true, owner: "stranger", openToPublic: false } },
    },
    {
      what: "a database that was opened to PUBLIC",
      edit: (hand) => hand.openToPublic("orders"),
      sees: { database: { exists: true, owner: "orders", openToPublic: true } },
    },
    {
      what: "a dropped database",
      edit: (hand) => hand.dropDatabase("orders"),
      sees: { role: asWished.role, database: { exists: false } },
    },
    {
      what: "a dropped role and database",
      edit: async (hand) => {
        await hand.dropDatabase("orders");
        await hand.dropRole("orders");
      },
      sees: { role: { exists: false }, database: { exists: false } },
    },
  ];
  test.each(drifts)("sees and mends $what", async ({ edit, sees }) => {
    await edit(world.hand);
    expect(await observe()).toMatchObject(sees);
    await ensure();
    expect(await observe()).toMatchObject(asWished);
  });

  test("lets many create the same at once", async () => {
    const other = { name: "billing", password: "billing-password" };
    const others = { name: "billing", owner: "billing" };
    await Promise.all(Array.from({ length: 8 }, () => world.port.ensureRole(world.primary, other, signal)));
    await Promise.all(Array.from({ length: 8 }, () => world.port.ensureDatabase(world.primary, others, signal)));
    const facts = await world.port.observe(world.primary, { role: other, database: others }, signal);
    expect(facts.role).toEqual(asWished.role);
    expect(facts.database).toEqual({ exists: true, owner: "billing", openToPublic: false });
  });

  test("takes names literally, whatever is in them", async () => {
    const name = `Ord"ers; DROP ROLE orders --'\\ é`;
    const odd = { name, password: `it's "odd" \\ ü` };
    await world.port.ensureRole(world.primary, odd, signal);
    await world.port.ensureDatabase(world.primary, { name, owner: name }, signal);
    const facts = await world.port.observe(world.primary, { role: odd, database: { name, owner: name } }, signal);
    expect(facts).toMatchObject({ role: asWished.role, database: { owner: name } });
    expect(await observe()).toMatchObject(asWished);
  });

  test("refuses the operator's own role, which it would lock out", async () => {
    const own = { name: world.primary.user, password: "x" };
    await expect(world.port.ensureRole(world.primary, own, signal)).rejects.toMatchObject({
      name: "PortError",
      reason: "ProvisioningRefused",
    });
  });

  test.each([
    ["observe", () => world.port.observe(world.replica, { role, database }, signal)],
    ["ensureRole", () => world.port.ensureRole(world.replica, role, signal)],
    ["ensureDatabase", () => world.port.ensureDatabase(world.replica, database, signal)],
  ])("refuses a replica: %s", async (_method, call) => {
    await expect(call()).rejects.toMatchObject({ name: "PortError", reason: "NotPrimary" });
  });

  test.each(["primary", "replica"] as const)("says what a %s makes of its parameters", async (which) => {
    const names = ["work_mem", "wrk_mem", "myapp.greeting", "myapp.farewell"];
    const { parameters, others } = await world.port.observeParameters(world[which], names, signal);
    const written = (text: string) => ({ line: { text, byAlterSystem: false, refused: false } });
    const unspoken = { takes: expect.any(String) as string, pendingRestart: false };
    expect(parameters).toEqual([
      { ...unspoken, name: "work_mem", known: true, ...written("16MB") },
      { ...unspoken, name: "wrk_mem", known: false },
      { ...unspoken, name: "myapp.greeting", known: false, ...written("hello") },
      { ...unspoken, name: "myapp.farewell", known: false },
    ]);
    expect(others).not.toContain("work_mem");
    const rest = await world.port.observeParameters(world[which], [], signal);
    expect(rest).toMatchObject({ parameters: [], others: expect.arrayContaining(["work_mem"]) as string[] });
  });

  test("says that a server is unreachable", async () => {
    const call = world.port.observe(world.nowhere, { role, database }, signal);
    await expect(call).rejects.toMatchObject({ name: "PortError", reason: "Unreachable", code: "ECONNREFUSED" });
  });

  test("rejects with the signal's reason once that is aborted", async () => {
    const reason = new Error("the lease is lost");
    const call = world.port.ensureRole(world.primary, role, AbortSignal.abort(reason));
    await expect(call).rejects.toBe(reason);
  });
});
