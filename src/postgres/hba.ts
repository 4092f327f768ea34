// Who may log in how: pg_hba.conf. Pure. No line trusts anybody, and nobody logs in over the network without SCRAM.
import { replicationUser, superuser } from "./roles.ts";

/**
 * The lines of pg_hba.conf; the first that matches decides (https://www.postgresql.org/docs/17/auth-pg-hba-conf.html).
 * Patroni logs in through the socket: as the superuser by its user id, which initdb gives both the same name, and for
 * replication by password.
 */
export const hba: readonly string[] = [
  `local   all          ${superuser}  peer`,
  "local   all          all  scram-sha-256",
  `local   replication  ${replicationUser}  scram-sha-256`,
  `host    replication  ${replicationUser}  all  scram-sha-256`,
  // For replication a line of its own is needed ("all" does not cover it); for databases this role has no business.
  `host    all          ${replicationUser}  all  reject`,
  "host    all          all  all  scram-sha-256",
];
