// The roles that Holdfast and Patroni need in PostgreSQL, and the names that nobody else may take.

/** Made by initdb; the operator logs in as it to create roles and databases. */
export const superuser = "postgres";
/** Streams WAL and takes base backups; nothing else. */
export const replicationUser = "holdfast_replication";
/** Reads files for pg_rewind: four functions, no superuser (https://www.postgresql.org/docs/17/app-pgrewind.html). */
export const rewindUser = "holdfast_rewind";

/** Role names that no application may have: ours, and what PostgreSQL takes for keywords. */
export const reservedRoles: readonly string[] = [superuser, "public", "none", replicationUser, rewindUser];

/** Databases that initdb makes. */
export const reservedDatabases: readonly string[] = ["postgres", "template0", "template1"];
