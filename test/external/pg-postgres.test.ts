// What only a real server can show of the adapter: security, idempotence down to the row, and failures of the network.
import { createServer, type AddressInfo, type Socket } from "node:net";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PortError } from "../../src/database/outside/port-error.ts";
import { pgPostgres } from "../../src/external/pg-postgres.ts";
import { session } from "../../src/external/pg-session.ts";
import { startPostgres, type RunningPostgres } from "../support/postgres-server.ts";

const { signal } = new AbortController();
const canary = "canary-7f3a9c2e-password";
const role = { name: "orders", password: canary };
const database = { name: "orders", owner: "orders" };

let server: RunningPostgres;
beforeAll(async () => {
  server = await startPostgres({
    settings: {
      log_statement: "all",
      log_connections: "on",
      log_min_messages: "debug1",
      log_parameter_max_length: "-1",
    },
  });
}, 120_000);
afterAll(() => server?.stop());

const ensure = async (): Promise<void> => {
  await pgPostgres.ensureRole(server.address, role, signal);
  await pgPostgres.ensureDatabase(server.address, database, signal);
};

/** The version of the catalogue rows: any write, also one that changes nothing, makes a new one. */
const rows = (): Promise<unknown[]> =>
  server.query(`SELECT (SELECT xmin::text || rolpassword FROM pg_authid WHERE rolname = 'orders') AS role,
                       (SELECT xmin::text FROM pg_database WHERE datname = 'orders') AS database`);

describe("what it makes", () => {
  test("can be used by the application, and by nobody else without a grant", async () => {
    await ensure();
    const as = { database: "orders", user: "orders", password: canary };
    await server.query("CREATE TABLE items (id int); INSERT INTO items VALUES (1)", as);
    expect(await server.query("SELECT id FROM items", as)).toEqual([{ id: 1 }]);

    await server.query("CREATE ROLE stranger LOGIN PASSWORD 'stranger'");
    const stranger = { database: "orders", user: "stranger", password: "stranger" };
    await expect(server.query("SELECT 1", stranger)).rejects.toMatchObject({ code: "42501" });
    await server.query("GRANT CONNECT ON DATABASE orders TO stranger");
    await ensure();
    expect(await server.query("SELECT 1 AS one", stranger)).toEqual([{ one: 1 }]);
  });

  test("is not written again when it is as wished", async () => {
    await ensure();
    const before = await rows();
    await ensure();
    expect(await rows()).toEqual(before);
  });

  test("does not hold what someone added to template1", async () => {
    await server.query("CREATE TABLE planted (id int)", { database: "template1" });
    await server.query("DROP DATABASE orders");
    await ensure();
    expect(await server.query("SELECT 1 FROM pg_class WHERE relname = 'planted'", { database: "orders" })).toEqual([]);
  });

  test("changes a password without disturbing who is connected", async () => {
    await ensure();
    const as = { database: "orders", user: "orders", password: canary };
    const sleeping = server.query("SELECT pg_sleep(2), 'undisturbed' AS session", as);
    // Only a session that was let in before can be left undisturbed.
    const inside = "SELECT 1 FROM pg_stat_activity WHERE usename = 'orders' AND state = 'active'";
    await expect.poll(() => server.query(inside), { timeout: 20_000 }).toHaveLength(1);
    await pgPostgres.ensureRole(server.address, { name: "orders", password: "rotated" }, signal);
    await expect(server.query("SELECT 1", as)).rejects.toMatchObject({ code: "28P01" });
    expect(await server.query("SELECT 1 AS one", { ...as, password: "rotated" })).toEqual([{ one: 1 }]);
    expect(await sleeping).toMatchObject([{ session: "undisturbed" }]);
    await ensure();
  });

  test("replaces a verifier that would take hours to check", async () => {
    await ensure();
    // A role may set its own verifier, with any count. PostgreSQL computes once over it, which this test need not wait for.
    const hostile = `SCRAM-SHA-256$900000000:${"A".repeat(22)}==$${"A".repeat(43)}=:${"A".repeat(43)}=`;
    await server.query(`UPDATE pg_authid SET rolpassword = '${hostile}' WHERE rolname = 'orders'`);
    const facts = await pgPostgres.observe(server.address, { role, database }, signal);
    expect(facts.role).toMatchObject({ exists: true, passwordMatches: false });
    await ensure();
    expect(
      await server.query("SELECT 1 AS one", { database: "orders", user: "orders", password: canary }),
    ).toHaveLength(1);
  });
});

const readOnly = () => expect.poll(() => server.query("SHOW default_transaction_read_only"), { timeout: 30_000 });

describe("a session", () => {
  test("names itself, pins its path and limits its statements", async () => {
    const settings = await session(server.address, signal, async (client) => {
      const { rows } = await client.query<{ name: string; setting: string }>(
        `SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN
          ('application_name', 'search_path', 'statement_timeout', 'lock_timeout', 'client_encoding', 'default_transaction_read_only')`,
      );
      return Object.fromEntries(rows.map((row) => [row.name, row.setting]));
    });
    expect(settings).toEqual({
      application_name: "holdfast",
      client_encoding: "UTF8",
      default_transaction_read_only: "off",
      lock_timeout: "5000",
      search_path: "pg_catalog,pg_temp",
      statement_timeout: "30000",
    });
  });

  test("leaves no connection open", async () => {
    await ensure();
    await expect
      .poll(() => server.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast'"), {
        timeout: 30_000,
      })
      .toEqual([]);
  });

  test("writes although transactions are read-only by default", async () => {
    await server.query("ALTER SYSTEM SET default_transaction_read_only = on");
    await server.query("SELECT pg_reload_conf()");
    try {
      await readOnly().toMatchObject([{ default_transaction_read_only: "on" }]);
      await pgPostgres.ensureRole(server.address, { name: "readers", password: "x" }, signal);
    } finally {
      await server.query("ALTER SYSTEM RESET default_transaction_read_only");
      await server.query("SELECT pg_reload_conf()");
      await readOnly().toMatchObject([{ default_transaction_read_only: "off" }]);
    }
  });
});

// CVE-2026-55769: an owner of a database plants objects and a search_path, and what the operator's superuser runs finds them.
describe("planted objects", () => {
  /** What each trap does when a superuser springs it. */
  const sprung = "INSERT INTO public.sprung VALUES (current_user)";
  const traps = `
    CREATE TABLE public.sprung (who text);
    GRANT ALL ON public.sprung TO PUBLIC;
    CREATE FUNCTION public.spring() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN ${sprung}; RETURN false; END $$;
    CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT public.spring()';
    CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT public.spring()::text $$;
    CREATE FUNCTION public.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$ SELECT public.spring()::text::name $$;
    CREATE FUNCTION public.equal(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.spring()';
    CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.equal);
    CREATE FUNCTION public.equal(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT public.spring()';
    CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.equal);
    CREATE FUNCTION public.equal(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT public.spring()';
    CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.equal);
    CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT public.spring()::text';
    CREATE VIEW public.pg_settings AS SELECT 'work_mem'::text AS name, public.spring() AS pending_restart;
    CREATE VIEW public.pg_authid AS SELECT 'orders'::name AS rolname, public.spring() AS rolsuper;
    CREATE VIEW public.pg_database AS SELECT 'orders'::name AS datname, public.spring() AS x;
  `;
  const paths = [
    "ALTER ROLE postgres SET search_path = public, pg_catalog",
    "ALTER DATABASE postgres SET search_path = public, pg_catalog",
    "ALTER ROLE postgres IN DATABASE postgres SET search_path = public, pg_catalog",
  ];

  let victim: RunningPostgres;
  beforeAll(async () => {
    victim = await startPostgres({ settings: { search_path: "public, pg_catalog" } });
    await victim.query(`SET search_path = pg_catalog; ${traps} ${paths.map((path) => `${path};`).join(" ")}`);
  }, 120_000);
  afterAll(() => victim?.stop());

  const caught = (): Promise<unknown[]> => victim.query("SET search_path = pg_catalog; SELECT who FROM public.sprung");

  test("catch a session that does not pin its search_path (so the traps are real)", async () => {
    await victim.query("SELECT pg_is_in_recovery()");
    await victim.query("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'postgres'::name");
    expect(await caught()).not.toEqual([]);
    await victim.query("SET search_path = pg_catalog; TRUNCATE public.sprung");
  });

  test("are never resolved by the operator, whatever it does", async () => {
    const wish = { role, database };
    await pgPostgres.observe(victim.address, wish, signal);
    await pgPostgres.observeParameters(victim.address, ["work_mem"], signal);
    await pgPostgres.ensureRole(victim.address, role, signal);
    await pgPostgres.ensureDatabase(victim.address, database, signal);
    expect(await pgPostgres.observe(victim.address, wish, signal)).toMatchObject({
      role: { exists: true, passwordMatches: true, privileges: [] },
      database: { exists: true, owner: "orders" },
    });
    expect(await caught()).toEqual([]);
  });
});

// CVE-2026-55765: a cleartext password in ALTER ROLE ends up in logs and statistics.
describe("the password", () => {
  test("is never in the server's log, though that holds every statement, and is stored as a SCRAM verifier", async () => {
    await server.query("DROP DATABASE IF EXISTS orders");
    await server.query("DROP ROLE IF EXISTS orders");
    await ensure();
    await server.query("ALTER ROLE orders PASSWORD NULL");
    await ensure();
    const log = await server.log();
    expect(log).toContain('CREATE ROLE "orders"');
    expect(log).toContain('ALTER ROLE "orders"');
    // Our own tests of other passwords log in as well; only this one must not be found.
    expect(log).not.toContain(canary);
    const [stored] = await server.query("SELECT rolpassword FROM pg_authid WHERE rolname = 'orders'");
    expect(stored).toEqual({ rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$4096:/) });
  });

  test.each([
    { request: "in clear", code: 3, salt: "" },
    { request: "as an MD5 digest", code: 5, salt: "salt" },
  ])("is not given to a server that asks for it $request", async ({ code, salt }) => {
    const received: Buffer[] = [];
    const impostor = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        const answer = Buffer.alloc(9 + salt.length);
        answer.write("R");
        answer.writeInt32BE(8 + salt.length, 1);
        answer.writeInt32BE(code, 5);
        answer.write(salt, 9);
        socket.write(answer);
        socket.on("data", (data) => received.push(data));
      });
    });
    await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
    const { port } = impostor.address() as AddressInfo;
    try {
      const call = pgPostgres.ensureRole(
        { ...server.address, port, password: canary },
        { name: "x", password: "y" },
        signal,
      );
      await expect(call).rejects.toMatchObject({ name: "PortError", reason: "CredentialsRefused" });
    } finally {
      await new Promise((resolve) => impostor.close(resolve));
    }
    expect(Buffer.concat(received)).toHaveLength(0);
  });
});

describe("failures", () => {
  const failing = [
    {
      what: "our own password is wrong",
      address: () => ({ ...server.address, password: canary }),
      expected: { reason: "CredentialsRefused", code: "28P01" },
    },
    {
      what: "we are no superuser",
      address: () => ({ ...server.address, user: "orders", password: canary }),
      expected: { reason: "ProvisioningRefused", code: "42501" },
    },
    {
      what: "the name of the host does not resolve",
      address: () => ({ ...server.address, host: "orders.invalid", password: canary }),
      expected: { reason: "Unreachable" },
    },
  ];
  test.each(failing)("are told apart, and hold no password, when $what", async ({ address, expected }) => {
    await ensure();
    const error: unknown = await pgPostgres
      .observe(address(), { role: { ...role, name: "other" }, database }, signal)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PortError);
    expect(error).toMatchObject(expected);
    expect((error as Error).cause).toBeInstanceOf(Error);
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(canary);
  });

  test("a server that accepts and then says nothing is unreachable after the connect timeout", async () => {
    const { port, stop } = await silent();
    try {
      const call = pgPostgres.observe({ ...server.address, port, connectTimeoutMs: 50 }, { role, database }, signal);
      await expect(call).rejects.toMatchObject({ name: "PortError", reason: "Unreachable" });
    } finally {
      await stop();
    }
  });

  test("an abort cuts the connection instead of waiting for the server", async () => {
    const { port, stop, connected } = await silent();
    const stopping = new AbortController();
    const reason = new Error("shutting down");
    try {
      const address = { ...server.address, port, connectTimeoutMs: 3_600_000 };
      const call = pgPostgres.observe(address, { role, database }, stopping.signal);
      await connected;
      stopping.abort(reason);
      await expect(call).rejects.toBe(reason);
    } finally {
      await stop();
    }
  });

  test("a server that is shut down in the middle of a statement is unreachable", async () => {
    const doomed = await startPostgres();
    try {
      const call = session(doomed.address, signal, async (client) => {
        const waiting = client.query("SELECT pg_catalog.pg_sleep(25)");
        await Promise.all([
          waiting,
          doomed.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'"),
        ]);
      });
      await expect(call).rejects.toMatchObject({ name: "PortError", reason: "Unreachable" });
    } finally {
      await doomed.stop();
    }
  });
});

/** Accepts connections and never answers. */
async function silent(): Promise<{ port: number; connected: Promise<void>; stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const listener = createServer();
  const connected = new Promise<void>((resolve) => {
    listener.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      resolve();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    connected,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
