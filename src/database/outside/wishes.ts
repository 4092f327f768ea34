// What a resolved Database wishes of PostgreSQL and Patroni, and where they are reached. Pure.
import { wholeParameters } from "../../postgres/parameters.ts";
import { dynamicConfiguration, restUser } from "../../postgres/patroni-config.ts";
import { superuser } from "../../postgres/roles.ts";
import type { Database } from "../api.ts";
import type { Instance } from "../instances.ts";
import type { HandOverRequest } from "./leaderless.ts";
import { ports } from "../names.ts";
import type { DynamicConfiguration } from "./patroni.ts";
import type { ServerAddress } from "./postgres.ts";
import type { ProvisionRequest } from "./provision.ts";
import type { ResolvedDatabase } from "../resolve.ts";

const connectTimeoutMs = 5_000;

/**
 * What people set by hand for a while and forget: a cluster that is paused fails over no more, and nobody would see it.
 * spec.paused is the way to be left alone: then nothing is provided at all.
 */
const unset = { pause: null, standby_cluster: null, synchronous_mode: null } as const;

/** By the Pods' addresses: they need no DNS, and are the instance's or nobody's. The primary's Pod is ready, so it has one. */
export function provisionRequest(
  database: Readonly<Database>,
  resolved: ResolvedDatabase,
  primary: Instance,
  instances: readonly Instance[],
): ProvisionRequest {
  const { pod, timeline, pendingRestart } = primary;
  const server = (instance: Instance) => ({
    name: instance.podName,
    postgres: postgresAddress(resolved, instance),
    pendingRestart: instance.pendingRestart,
  });
  return {
    uid: resolved.uid,
    generation: database.metadata.generation ?? 0,
    wishes: {
      role: resolved.username,
      password: resolved.password,
      database: resolved.databaseName,
      configuration: configurationOf(resolved),
      parameters: wholeParameters(resolved.parameters),
    },
    primary: { podUid: pod?.metadata.uid ?? "", timeline },
    postgres: postgresAddress(resolved, primary),
    patroni: patroniAddress(resolved, primary),
    pendingRestart,
    replicas: instances.filter(({ streaming }) => streaming).map(server),
  };
}

/** Of every instance whose Pod has an address: which of them answers is not known. */
export function handOverRequest(resolved: ResolvedDatabase, instances: readonly Instance[]): HandOverRequest {
  const present = instances.filter(({ ip, deleting }) => ip !== undefined && !deleting);
  return {
    uid: resolved.uid,
    configuration: configurationOf(resolved),
    members: present.map((instance) => patroniAddress(resolved, instance)),
  };
}

const configurationOf = ({ parameters }: ResolvedDatabase): DynamicConfiguration => ({
  ...dynamicConfiguration(parameters),
  ...unset,
});

function postgresAddress({ credentials }: ResolvedDatabase, { ip: host = "" }: Instance): ServerAddress {
  return { host, port: ports.postgres, user: superuser, password: credentials.superuser, connectTimeoutMs };
}

/** Patroni's REST API of an instance. */
export function patroniAddress({ credentials }: ResolvedDatabase, { ip: host = "" }: Instance): ServerAddress {
  return { host, port: ports.patroni, user: restUser, password: credentials.rest, connectTimeoutMs };
}
