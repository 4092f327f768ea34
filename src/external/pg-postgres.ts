// Adapter: PostgreSQL over `pg`. What is asked and what is written; how a session is opened and fails: pg-session.ts.
import { escapeIdentifier, escapeLiteral, type Client } from "pg";
import { databaseDifferences, roleDifferences } from "../database/outside/differences.ts";
import { PortError } from "../database/outside/port-error.ts";
import type {
  DatabaseFacts,
  PostgresServer,
  RoleFacts,
  RolePrivilege,
  RoleWish,
} from "../database/outside/postgres.ts";
import { scramVerifier, verifies } from "../postgres/scram.ts";
import { observeParameters } from "./pg-parameters.ts";
import { lostRace, session } from "./pg-session.ts";

/**
 * A role can set its own verifier, with an iteration count that would keep our only thread busy for hours. PostgreSQL's
 * default is 4096. Beyond this limit we do not compute, and the verifier counts as one of another password.
 */
const maxIterations = 100_000;

/** More steps than any role or database needs; more mean that someone works against us. */
const maxSteps = 10;

export const pgPostgres: PostgresServer = Object.freeze({
  observe: (address, wish, signal) =>
    session(address, signal, async (client) => ({
      serverVersion: await observeVersion(client),
      role: await observeRole(client, wish.role),
      database: await observeDatabase(client, wish.database.name),
    })),

  observeParameters: (address, names, signal) =>
    session(address, signal, (client) => observeParameters(client, names), "any"),

  ensureRole: async (address, role, signal) => {
    if (role.name === address.user) {
      throw new PortError(`role ${role.name} is the operator's own and cannot be an application's`, {
        reason: "ProvisioningRefused",
      });
    }
    await session(address, signal, (client) =>
      converge(client, `role ${role.name}`, async () => roleStatement(role, await observeRole(client, role))),
    );
  },

  ensureDatabase: (address, database, signal) =>
    session(address, signal, (client) =>
      converge(client, `database ${database.name}`, async () =>
        databaseStatement(database, await observeDatabase(client, database.name)),
      ),
    ),
} satisfies PostgresServer);

/** Runs what `next` answers until it answers nothing. What others did meanwhile is not an error: it is looked at again. */
async function converge(client: Client, what: string, next: () => Promise<string | undefined>): Promise<void> {
  for (let step = 0; step < maxSteps; step++) {
    const statement = await next();
    if (statement === undefined) return;
    try {
      await client.query(statement);
    } catch (error) {
      if (!lostRace(error)) throw error;
    }
  }
  throw new PortError(`${what} is not as wished after ${maxSteps} statements`, { reason: "ProvisioningRefused" });
}

function roleStatement(wish: RoleWish, facts: RoleFacts): string | undefined {
  if (roleDifferences(facts).length === 0) return undefined;
  const verb = facts.exists ? "ALTER ROLE" : "CREATE ROLE";
  const password =
    facts.exists && facts.passwordMatches ? "" : ` PASSWORD ${escapeLiteral(scramVerifier(wish.password))}`;
  return (
    `${verb} ${escapeIdentifier(wish.name)} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS` +
    ` VALID UNTIL 'infinity'${password}`
  );
}

function databaseStatement(wish: { name: string; owner: string }, facts: DatabaseFacts): string | undefined {
  const name = escapeIdentifier(wish.name);
  const owner = escapeIdentifier(wish.owner);
  if (!facts.exists) return `CREATE DATABASE ${name} OWNER ${owner} TEMPLATE template0`;
  if (databaseDifferences(wish, facts).length === 0) return undefined;
  return facts.owner === wish.owner
    ? `REVOKE ALL ON DATABASE ${name} FROM PUBLIC`
    : `ALTER DATABASE ${name} OWNER TO ${owner}`;
}

async function observeVersion(client: Client): Promise<string> {
  const { rows } = await client.query<{ version: string }>(
    "SELECT pg_catalog.current_setting('server_version') AS version",
  );
  // Distributions append their own: "17.11 (Debian 17.11-1.pgdg13+1)".
  return rows[0]?.version.split(" ")[0] ?? "";
}

interface RoleRow {
  verifier: string | null;
  login: boolean;
  expires: boolean;
  super: boolean;
  createdb: boolean;
  createrole: boolean;
  replication: boolean;
  bypassrls: boolean;
}

async function observeRole(client: Client, wish: RoleWish): Promise<RoleFacts> {
  const { rows } = await client.query<RoleRow>(
    `SELECT rolpassword AS verifier, rolcanlogin AS login, rolsuper AS super, rolcreatedb AS createdb,
            rolcreaterole AS createrole, rolreplication AS replication, rolbypassrls AS bypassrls,
            COALESCE(rolvaliduntil < 'infinity', false) AS expires
       FROM pg_catalog.pg_authid WHERE rolname = $1`,
    [wish.name],
  );
  const [row] = rows;
  if (row === undefined) return { exists: false };
  const privileges: readonly (readonly [RolePrivilege, boolean])[] = [
    ["SUPERUSER", row.super],
    ["CREATEDB", row.createdb],
    ["CREATEROLE", row.createrole],
    ["REPLICATION", row.replication],
    ["BYPASSRLS", row.bypassrls],
  ];
  return {
    exists: true,
    passwordMatches: row.verifier !== null && affordable(row.verifier) && verifies(row.verifier, wish.password),
    canLogin: row.login,
    expires: row.expires,
    privileges: privileges.filter(([, held]) => held).map(([privilege]) => privilege),
  };
}

function affordable(verifier: string): boolean {
  const iterations = /^SCRAM-SHA-256\$(\d{1,9}):/.exec(verifier)?.[1];
  return iterations !== undefined && Number(iterations) <= maxIterations;
}

async function observeDatabase(client: Client, name: string): Promise<DatabaseFacts> {
  // Grantee 0 is PUBLIC. No ACL means the default one, which is open.
  const { rows } = await client.query<{ owner: string; public: boolean }>(
    `SELECT pg_catalog.pg_get_userbyid(datdba) AS owner,
            EXISTS (SELECT FROM pg_catalog.aclexplode(COALESCE(datacl, pg_catalog.acldefault('d', datdba))) AS acl
                     WHERE acl.grantee = 0 AND acl.grantor = datdba) AS public
       FROM pg_catalog.pg_database WHERE datname = $1`,
    [name],
  );
  const [row] = rows;
  return row === undefined ? { exists: false } : { exists: true, owner: row.owner, openToPublic: row.public };
}
