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

/** What a running server makes of a parameter that its configuration should hold. */
export interface ParameterFacts {
  /** As it was asked about. */
  readonly name: string;
  /** This server has a parameter of that name, and lets it be set. One with a dot may be set even if nobody reads it. */
  readonly known: boolean;
  /** What it takes, for people: "a number from 64 to 2147483647, in kB". Empty where the server does not say. */
  readonly takes: string;
  /** The line of its configuration files that counts; absent when they do not name it. */
  readonly line?: {
    /** The value as it is written there. */
    readonly text: string;
    /** ALTER SYSTEM wrote it, which goes before everything else. */
    readonly byAlterSystem: boolean;
    /** The server cannot take the value, neither now nor by a restart. */
    readonly refused: boolean;
  };
  /** The line comes into force with a restart. */
  readonly pendingRestart: boolean;
}

/** What a running server's configuration files say now. What can be reloaded is in force by then. */
export interface ServerConfiguration {
  /** In the order of the names that were asked about. */
  readonly parameters: readonly ParameterFacts[];
  /** What its main file, which Patroni writes, sets beside these. */
  readonly others: readonly string[];
}

/**
 * A PostgreSQL server, seen by a superuser: the primary, and a replica as far as its parameters go.
 *
 * Every method speaks to the server at `address` alone, leaves nothing open behind it and holds no state.
 * - A server that answers but is in recovery is refused with `PortError` NotPrimary, for reading too: a replica's facts lag.
 *   Only its parameters are its own.
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
   * What the server at `address`, a primary or a replica, makes of these parameters. Changes nothing. Names are compared
   * without regard to case, as PostgreSQL does.
   */
  observeParameters(
    address: ServerAddress,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ServerConfiguration>;

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
