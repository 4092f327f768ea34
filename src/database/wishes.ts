// What a resolved Database wishes of PostgreSQL and Patroni, and where they are reached. Pure.
import { dynamicConfiguration, restUser } from "../postgres/patroni-config.ts";
import { superuser } from "../postgres/roles.ts";
import type { Database } from "./api.ts";
import type { Instance } from "./instances.ts";
import { ports } from "./names.ts";
import type { ProvisionRequest } from "./provision.ts";
import type { ResolvedDatabase } from "./resolve.ts";

const connectTimeoutMs = 5_000;

/**
 * What people set by hand for a while and forget: a cluster that is paused fails over no more, and nobody would see it.
 * spec.paused is the way to be left alone: then nothing is provided at all.
 */
const unset = { pause: null, standby_cluster: null, synchronous_mode: null } as const;

/** By the Pod's address: it needs no DNS, and is the primary's or nobody's. The primary's Pod is ready, so it has one. */
export function provisionRequest(
  database: Readonly<Database>,
  resolved: ResolvedDatabase,
  primary: Instance,
): ProvisionRequest {
  const { ip: host = "", pod, timeline } = primary;
  const { superuser: superuserPassword, rest } = resolved.credentials;
  return {
    uid: resolved.uid,
    generation: database.metadata.generation ?? 0,
    wishes: {
      role: resolved.username,
      password: resolved.password,
      database: resolved.databaseName,
      configuration: { ...dynamicConfiguration(resolved.parameters), ...unset },
    },
    primary: { podUid: pod?.metadata.uid ?? "", timeline },
    postgres: { host, port: ports.postgres, user: superuser, password: superuserPassword, connectTimeoutMs },
    patroni: { host, port: ports.patroni, user: restUser, password: rest, connectTimeoutMs },
  };
}
