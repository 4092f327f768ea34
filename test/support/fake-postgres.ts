// PostgreSQL and Patroni in memory, behind the two ports: for scenarios, which edit this state by hand and look at it.
import { databaseDifferences, roleDifferences } from "../../src/database/outside/differences.ts";
import type { DynamicConfiguration, Patroni } from "../../src/database/outside/patroni.ts";
import { PortError } from "../../src/database/outside/port-error.ts";
import type { PostgresServer, RoleFacts, RolePrivilege, ServerAddress } from "../../src/database/outside/postgres.ts";
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
  readonly roles: Map<string, FakeRole>;
  readonly databases: Map<string, FakeDatabase>;
  configuration: DynamicConfiguration;
  /** Parameters that these servers do not know. Patroni leaves them out. */
  readonly unknown: Set<string>;
  /** Parameters whose declared value is none, and what they take. Patroni leaves them out. */
  readonly invalid: Map<string, string>;
  /** Host → the configuration that its Patroni still has, though another is declared. */
  readonly lagging: Map<string, DynamicConfiguration>;
  /** The host that leads, where the world of the stand-in says so. */
  primary: string | undefined;
  /** Host → what its server started with, of the parameters that need a restart. */
  readonly inForce: Map<string, Readonly<Record<string, string>>>;
  /** The hosts whose servers were restarted through the port, in order. */
  readonly restarts: string[];
  /** The hosts that were filled anew through the port, in order. */
  readonly refills: string[];
  /** How often anything was looked at, and how often something was changed, through the ports. */
  observations: number;
  writes: number;
}

/** The part of Patroni that is not in memory: who leads, and what members say of themselves. */
export interface PatroniWorld {
  /** Answers why not, if not. */
  switchOver(cluster: string, leader: string, candidate: string): Promise<string | undefined>;
  /** Members say something else now. */
  memberChanged(): void;
}

export class FakePostgres {
  /** Hosts that do not answer, neither PostgreSQL nor Patroni. */
  readonly unreachable = new Set<string>();
  /** Hosts whose PostgreSQL is in recovery. */
  readonly replicas = new Set<string>();
  /** Replicas that do not follow, as Patroni says of them. */
  readonly behind = new Set<string>();
  /** What every session with PostgreSQL fails with, while there is something. */
  failure: PortError | undefined;
  /** Patroni's words with which it refuses every restart and switchover, while there are any. */
  refusal: string | undefined;
  /** It does what is asked, and its answer does not come. */
  answersLate = false;
  /** What changes around the servers when Patroni is asked for it. */
  world: PatroniWorld = { switchOver: async () => "there is nobody to switch over to", memberChanged: () => undefined };
  readonly #clusters = new Map<string, FakeCluster>();
  readonly #clusterOf: (host: string) => string;
  readonly #nameOf: (host: string) => string;

  /**
   * @param clusterOf which cluster a host belongs to; by default every host is one of its own
   * @param nameOf the name of its member; by default the host's
   */
  constructor(clusterOf: (host: string) => string = (host) => host, nameOf: (host: string) => string = (host) => host) {
    this.#clusterOf = clusterOf;
    this.#nameOf = nameOf;
  }

  /** The cluster of that name; a fresh one, as initdb leaves it, if there is none yet. */
  cluster(name: string): FakeCluster {
    let cluster = this.#clusters.get(name);
    if (cluster === undefined) {
      const superuser: FakeRole = { password: undefined, canLogin: true, expires: false, privileges: ["SUPERUSER"] };
      cluster = {
        serverVersion: "17.11",
        timeline: 1,
        primary: undefined,
        inForce: new Map(),
        restarts: [],
        refills: [],
        roles: new Map([["postgres", superuser]]),
        databases: new Map([["postgres", { owner: "postgres", openToPublic: true }]]),
        configuration: {},
        unknown: new Set(),
        invalid: new Map(),
        lagging: new Map(),
        observations: 0,
        writes: 0,
      };
      this.#clusters.set(name, cluster);
    }
    return cluster;
  }

  /** The server of this host has started: what is configured is in force. */
  started(host: string): void {
    const cluster = this.cluster(this.#clusterOf(host));
    const primary = cluster.primary === undefined ? undefined : cluster.inForce.get(cluster.primary);
    const declared = declaredForRestart(cluster);
    // As Patroni does (effective_configuration in postgresql/config.py): a replica keeps what its primary still has.
    const kept = Object.entries(primary ?? {}).filter(
      ([name, value]) => neededByReplicas.has(name) && Number(value) > Number(declared[name] ?? 0),
    );
    cluster.inForce.set(host, { ...declared, ...(this.replicas.has(host) ? Object.fromEntries(kept) : {}) });
  }

  /** A member of the stand-in's world, seen again or for the first time. */
  joins(host: string, role: "primary" | "replica"): void {
    const cluster = this.cluster(this.#clusterOf(host));
    if (role === "replica") this.replicas.add(host);
    else this.replicas.delete(host);
    if (role === "primary") cluster.primary = host;
    if (!cluster.inForce.has(host)) this.started(host);
  }

  /** What Patroni writes of this host as pending_restart_reason; undefined when nothing waits for a restart. */
  pendingRestart(host: string): Readonly<Record<string, { old_value: string; new_value: string }>> | undefined {
    const cluster = this.cluster(this.#clusterOf(host));
    const inForce = cluster.inForce.get(host);
    const declared = declaredForRestart(cluster);
    if (inForce === undefined) return undefined;
    const changed = [...new Set([...Object.keys(inForce), ...Object.keys(declared)])]
      .filter((name) => inForce[name] !== declared[name])
      .map((name) => [name, { old_value: inForce[name] ?? "", new_value: declared[name] ?? "" }] as const);
    return changed.length === 0 ? undefined : Object.fromEntries(changed);
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

    observeParameters: async ({ host, ...address }, names, signal) => {
      const cluster = this.#reached({ host, ...address }, signal);
      cluster.observations++;
      const pending = this.pendingRestart(host);
      const { unknown, invalid, lagging, configuration } = cluster;
      const given = parametersOf(lagging.get(host) ?? configuration);
      const written = new Map([...given].filter(([name]) => !unknown.has(name) && !invalid.has(name)));
      return {
        parameters: names.map((name) => {
          const text = written.get(name);
          return {
            name,
            known: !unknown.has(name) && !name.includes("."),
            takes: invalid.get(name) ?? "",
            ...(text === undefined ? {} : { line: { text, byAlterSystem: false, refused: false } }),
            pendingRestart: pending?.[name] !== undefined,
          };
        }),
        others: [...written.keys()].filter((name) => !names.includes(name)),
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
        name: this.#nameOf(address.host),
        state: "running",
        role: this.replicas.has(address.host) ? "replica" : "primary",
        timeline: cluster.timeline,
        pendingRestart: this.pendingRestart(address.host) !== undefined,
        streaming: this.replicas.has(address.host) && !this.behind.has(address.host),
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
      if (changed) this.world.memberChanged();
      return configuration;
    },

    restart: async (address, signal) => {
      const cluster = this.#reached(address, signal);
      const pending = this.pendingRestart(address.host) !== undefined;
      const refusal = this.refusal ?? (pending ? undefined : "restart conditions are not satisfied");
      if (refusal !== undefined) throw new PortError(refusal, { reason: "PatroniRefused", code: "503" });
      cluster.restarts.push(address.host);
      this.started(address.host);
      this.world.memberChanged();
      return this.answersLate ? "underWay" : "done";
    },

    reinitialize: async (address, signal) => {
      const cluster = this.#reached(address, signal);
      const refusal =
        this.refusal ?? (this.replicas.has(address.host) ? undefined : "I am the leader, can not reinitialize");
      if (refusal !== undefined) throw new PortError(refusal, { reason: "PatroniRefused", code: "503" });
      cluster.refills.push(address.host);
      this.behind.delete(address.host);
      this.started(address.host);
      this.world.memberChanged();
      return this.answersLate ? "underWay" : "done";
    },

    switchover: async (address, { leader, candidate }, signal) => {
      this.#reached(address, signal);
      const refusal = this.refusal ?? (await this.world.switchOver(this.#clusterOf(address.host), leader, candidate));
      if (refusal !== undefined) throw new PortError(refusal, { reason: "PatroniRefused", code: "412" });
      return this.answersLate ? "underWay" : "done";
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
    if (this.failure !== undefined) throw this.failure;
    if (this.replicas.has(address.host)) {
      throw new PortError(`${address.host}:${address.port}: is in recovery: a replica`, { reason: "NotPrimary" });
    }
    return cluster;
  }
}

/** Of the parameters that PostgreSQL takes only at its start, those that a test might declare. */
const needsRestart: ReadonlySet<string> = new Set([
  "autovacuum_max_workers",
  "huge_pages",
  "max_connections",
  "max_files_per_process",
  "max_locks_per_transaction",
  "max_prepared_transactions",
  "max_replication_slots",
  "max_wal_senders",
  "max_worker_processes",
  "shared_buffers",
  "shared_preload_libraries",
  "superuser_reserved_connections",
  "track_commit_timestamp",
  "wal_level",
]);

const neededByReplicas: ReadonlySet<string> = new Set([
  "max_connections",
  "max_locks_per_transaction",
  "max_prepared_transactions",
  "max_wal_senders",
  "max_worker_processes",
]);

/** Of what is configured; what PostgreSQL does not take it does not wait for. */
function declaredForRestart({ configuration, unknown, invalid }: FakeCluster): Readonly<Record<string, string>> {
  const waits = (name: string): boolean => needsRestart.has(name) && !unknown.has(name) && !invalid.has(name);
  return Object.fromEntries([...parametersOf(configuration)].filter(([name]) => waits(name)));
}

function parametersOf({ postgresql }: DynamicConfiguration): ReadonlyMap<string, string> {
  const { parameters = {} } = (postgresql ?? {}) as { parameters?: Record<string, unknown> };
  return new Map(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
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
