// Patroni's configuration: the static file, and the dynamic part that lives in the cluster. Pure. Option by option after
// https://patroni.readthedocs.io/en/rest_api/yaml_configuration.html and the source of Patroni 4.0.7.
import { hba } from "./hba.ts";
import type { Json } from "./json.ts";
import { wholeParameters, type Parameters } from "./parameters.ts";
import { replicationUser, rewindUser, superuser } from "./roles.ts";
import { imageLayout, programsOf } from "./versions.ts";

/** What the static file depends on. Nothing in here changes during the life of a cluster but the version. */
export interface PatroniCluster {
  /** Scope: the name of the Endpoints that are the leader key. */
  readonly name: string;
  /** PostgreSQL's major version. */
  readonly version: string;
  /** On every Pod and Endpoints of the cluster, beside the scope label. */
  readonly labels: Readonly<Record<string, string>>;
  readonly scopeLabel: string;
  readonly roleLabel: string;
  readonly ports: { readonly postgres: number; readonly patroni: number };
}

/** Who logs in to the REST API for everything that is more than reading. */
export const restUser = "holdfast";

/**
 * The dynamic configuration, one for the whole cluster: the first instance writes it when it makes the cluster, later it is
 * changed through the REST API. Only what is named here is ours; Patroni adds keys of its own.
 */
export function dynamicConfiguration(parameters: Parameters): { readonly [key: string]: Json } {
  return {
    // A failover after a lost node takes ttl and up to one loop_wait. 20 s is the least ttl that Patroni takes, and
    // loop_wait + 2 × retry_timeout must fit into it.
    ttl: 20,
    loop_wait: 5,
    retry_timeout: 5,
    // While the API server is away, a primary that reaches every member stays primary
    // (https://patroni.readthedocs.io/en/latest/dcs_failsafe_mode.html).
    failsafe_mode: true,
    // A replica that lags by more bytes is not promoted.
    maximum_lag_on_failover: 1_048_576,
    // Nor is one whose timeline is behind: after all were down, it may be a former primary that others have left behind.
    check_timeline: true,
    postgresql: {
      use_slots: true,
      use_pg_rewind: true,
      pg_hba: hba,
      parameters: wholeParameters(parameters),
    },
  };
}

/** What every instance of a cluster reads at its start. What differs between instances, and all passwords, come from the environment. */
export function patroniConfig(cluster: PatroniCluster, parameters: Parameters): { readonly [key: string]: Json } {
  return {
    scope: cluster.name,
    log: { level: "INFO", format: "%(asctime)s %(levelname)s: %(message)s" },
    restapi: { listen: `*:${cluster.ports.patroni}`, authentication: { username: restUser } },
    kubernetes: {
      // The leader key is the Endpoints of the read-write Service: one write holds the lock and moves the address.
      use_endpoints: true,
      // Straight to the API servers would need the right to read Endpoints of the namespace "default".
      bypass_api_service: false,
      labels: cluster.labels,
      scope_label: cluster.scopeLabel,
      role_label: cluster.roleLabel,
      leader_label_value: "primary",
      follower_label_value: "replica",
      standby_leader_label_value: "primary",
      ports: [{ name: "postgres", port: cluster.ports.postgres }],
    },
    bootstrap: {
      dcs: dynamicConfiguration(parameters),
      initdb: [
        { encoding: "UTF8" },
        { locale: "C.UTF-8" },
        "data-checksums",
        { "auth-host": "scram-sha-256" },
        { "auth-local": "peer" },
      ],
    },
    postgresql: {
      listen: `*:${cluster.ports.postgres}`,
      data_dir: imageLayout.data,
      bin_dir: programsOf(cluster.version),
      pgpass: `${imageLayout.run}/pgpass`,
      // A base backup waits for a checkpoint, which by default takes its time: minutes, where two replicas join at once
      // (https://www.postgresql.org/docs/17/app-pgbasebackup.html).
      basebackup: [{ checkpoint: "fast" }],
      use_unix_socket: true,
      use_unix_socket_repl: true,
      authentication: {
        superuser: { username: superuser },
        replication: { username: replicationUser },
        rewind: { username: rewindUser },
      },
      // Local, so that no dynamic configuration can move them.
      parameters: { unix_socket_directories: imageLayout.run },
    },
    // There is no watchdog device in a Pod.
    watchdog: { mode: "off" },
  };
}

/** The static file's text. Every JSON text is YAML too (https://yaml.org/spec/1.2.2/#13-terminology). */
export function renderPatroniConfig(config: { readonly [key: string]: Json }): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
