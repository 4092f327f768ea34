// Port: what the Database needs of a PostgreSQL server. Implemented by external/pg-postgres.ts.

/** Where a server listens, and as whom to enter. For PostgreSQL as well as for Patroni's REST API. */
export interface ServerAddress {
  /** A name or an IP address. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Until the connection is usable, authentication included. */
  readonly connectTimeoutMs: number;
}

/** An application's role. Names are taken literally and have at most 63 bytes. */
export interface RoleWish {
  readonly name: string;
  readonly password: string;
}

export interface DatabaseWish {
  readonly name: string;
  /** A role that exists. */
  readonly owner: string;
}

/** What lifts a role above an ordinary one. */
export type RolePrivilege = "SUPERUSER" | "CREATEDB" | "CREATEROLE" | "REPLICATION" | "BYPASSRLS";

export type RoleFacts =
  | { readonly exists: false }
  | {
      readonly exists: true;
      /** The stored SCRAM verifier is one of the password that was asked about. False for none and for any other kind. */
      readonly passwordMatches: boolean;
      readonly canLogin: boolean;
      /** A VALID UNTIL other than infinity is set. */
      readonly expires: boolean;
      readonly privileges: readonly RolePrivilege[];
    };

export type DatabaseFacts =
  | { readonly exists: false }
  | {
      readonly exists: true;
      readonly owner: string;
      /** PUBLIC holds a right on the database that its owner gave (a new database gives CONNECT and TEMPORARY). */
      readonly openToPublic: boolean;
    };

export interface ServerFacts {
  /** E.g. "17.11". */
  readonly serverVersion: string;
  readonly role: RoleFacts;
  readonly database: DatabaseFacts;
}

/**
 * A PostgreSQL primary, seen by a superuser.
 *
 * Every method speaks to the server at `address` alone, leaves nothing open behind it and holds no state.
 * - A server that answers but is in recovery is refused with `PortError` NotPrimary, for reading too: a replica's facts lag.
 * - Passwords never leave the process in clear: neither in a statement nor to a server that asks for one.
 * - What others planted in the databases (functions, operators, settings of roles and databases) is never resolved.
 * @throws PortError, or the signal's reason once it is aborted; then a write may or may not have happened.
 */
export interface PostgresServer {
  /** What there is of the wished role and database. Changes nothing. */
  observe(
    address: ServerAddress,
    wish: { readonly role: RoleWish; readonly database: DatabaseWish },
    signal: AbortSignal,
  ): Promise<ServerFacts>;

  /**
   * Afterwards the role exists, can log in with this password, does not expire and holds no privilege. Writes nothing if
   * that is so already; the stored verifier is kept if it is one of this password. Open connections are not disturbed,
   * memberships, settings and connection limits are left as they are. Also succeeds when others create the role meanwhile.
   * Refuses the role that `address` names: it would lock itself out.
   */
  ensureRole(address: ServerAddress, role: RoleWish, signal: AbortSignal): Promise<void>;

  /**
   * Afterwards the database exists, belongs to the owner and gives PUBLIC no right: who else may connect is granted by name.
   * A new one is copied from template0: nothing that anyone added to template1 gets in, and no open connection to it can
   * hold us up. Writes nothing if that is so already; never drops anything. Also succeeds when others create it meanwhile.
   */
  ensureDatabase(address: ServerAddress, database: DatabaseWish, signal: AbortSignal): Promise<void>;
}
