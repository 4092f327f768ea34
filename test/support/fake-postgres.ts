// PostgreSQL and Patroni in memory, behind the two ports: for scenarios, which edit this state by hand and look at it.
import { databaseDifferences, roleDifferences } from "../../src/database/differences.ts";
import type { DynamicConfiguration, Patroni } from "../../src/database/patroni.ts";
import { PortError } from "../../src/database/port-error.ts";
import type { PostgresServer, RoleFacts, RolePrivilege, ServerAddress } from "../../src/database/postgres.ts";
import { patchConfiguration } from "./patroni-stub.ts";

export interface FakeRole {
  password: string | undefined;
  canLogin: boolean;
  expires: boolean;
  privileges: RolePrivilege[];
}

export interface FakeDatabase {
  owner: string;
  openToPublic: boolean;
}

/** What the instances of one Database share. Edit at will. */
export interface FakeCluster {
  serverVersion: string;
  timeline: number;
  pendingRestart: boolean;
  readonly roles: Map<string, FakeRole>;
  readonly databases: Map<string, FakeDatabase>;
  configuration: DynamicConfiguration;
  /** How often anything was looked at, and how often something was changed, through the ports. */
  observations: number;
  writes: number;
}

export class FakePostgres {
  /** Hosts that do not answer, neither PostgreSQL nor Patroni. */
  readonly unreachable = new Set<string>();
  /** Hosts whose PostgreSQL is in recovery. */
  readonly replicas = new Set<string>();
  readonly #clusters = new Map<string, FakeCluster>();
  readonly #clusterOf: (host: string) => string;

  /** @param clusterOf which cluster a host belongs to; by default every host is one of its own */
  constructor(clusterOf: (host: string) => string = (host) => host) {
    this.#clusterOf = clusterOf;
  }

  /** The cluster of that name; a fresh one, as initdb leaves it, if there is none yet. */
  cluster(name: string): FakeCluster {
    let cluster = this.#clusters.get(name);
    if (cluster === undefined) {
      const superuser: FakeRole = { password: undefined, canLogin: true, expires: false, privileges: ["SUPERUSER"] };
      cluster = {
        serverVersion: "17.11",
        timeline: 1,
        pendingRestart: false,
        roles: new Map([["postgres", superuser]]),
        databases: new Map([["postgres", { owner: "postgres", openToPublic: true }]]),
        configuration: {},
        observations: 0,
        writes: 0,
      };
      this.#clusters.set(name, cluster);
    }
    return cluster;
  }

  /** Its volumes are gone. */
  drop(name: string): void {
    this.#clusters.delete(name);
  }

  readonly postgres: PostgresServer = {
    observe: async (address, wish, signal) => {
      const cluster = this.#primary(address, signal);
      cluster.observations++;
      const database = cluster.databases.get(wish.database.name);
      return {
        serverVersion: cluster.serverVersion,
        role: roleFacts(cluster, wish.role),
        database: database === undefined ? { exists: false } : { exists: true, ...database },
      };
    },

    ensureRole: async (address, role, signal) => {
      const cluster = this.#primary(address, signal);
      if (role.name === address.user)
        throw new PortError(`role ${role.name} is the operator's own`, { reason: "ProvisioningRefused" });
      if (roleDifferences(roleFacts(cluster, role)).length === 0) return;
      cluster.roles.set(role.name, { password: role.password, canLogin: true, expires: false, privileges: [] });
      cluster.writes++;
    },

    ensureDatabase: async (address, wish, signal) => {
      const cluster = this.#primary(address, signal);
      const database = cluster.databases.get(wish.name);
      const facts = database === undefined ? { exists: false as const } : { exists: true as const, ...database };
      if (databaseDifferences(wish, facts).length === 0) return;
      if (!cluster.roles.has(wish.owner)) {
        throw new PortError(`role "${wish.owner}" does not exist`, { reason: "ProvisioningRefused", code: "42704" });
      }
      cluster.databases.set(wish.name, { owner: wish.owner, openToPublic: false });
      cluster.writes++;
    },
  };

  readonly patroni: Patroni = {
    status: async (address, signal) => {
      const cluster = this.#reached(address, signal);
      return {
        state: "running",
        role: this.replicas.has(address.host) ? "replica" : "primary",
        timeline: cluster.timeline,
        pendingRestart: cluster.pendingRestart,
        version: "4.0.7",
      };
    },

    configuration: async (address, signal) => {
      const cluster = this.#reached(address, signal);
      cluster.observations++;
      return cluster.configuration;
    },

    configure: async (address, patch, signal) => {
      const cluster = this.#reached(address, signal);
      const { configuration, changed } = patchConfiguration(cluster.configuration, patch);
      cluster.configuration = configuration;
      if (changed) cluster.writes++;
      return configuration;
    },
  };

  #reached(address: ServerAddress, signal: AbortSignal): FakeCluster {
    signal.throwIfAborted();
    if (this.unreachable.has(address.host)) {
      throw new PortError(`${address.host}:${address.port}: connect ECONNREFUSED`, {
        reason: "Unreachable",
        code: "ECONNREFUSED",
      });
    }
    return this.cluster(this.#clusterOf(address.host));
  }

  #primary(address: ServerAddress, signal: AbortSignal): FakeCluster {
    const cluster = this.#reached(address, signal);
    if (this.replicas.has(address.host)) {
      throw new PortError(`${address.host}:${address.port}: is in recovery: a replica`, { reason: "NotPrimary" });
    }
    return cluster;
  }
}

function roleFacts(cluster: FakeCluster, wish: { readonly name: string; readonly password: string }): RoleFacts {
  const role = cluster.roles.get(wish.name);
  if (role === undefined) return { exists: false };
  return {
    exists: true,
    passwordMatches: role.password === wish.password,
    canLogin: role.canLogin,
    expires: role.expires,
    privileges: [...role.privileges],
  };
}
