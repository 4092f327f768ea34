// The settings of postgresql.conf: which a user may have, which Holdfast decides. Pure. Whether PostgreSQL knows a name or
// likes a value is for PostgreSQL to say.

/** A parameter that is refused, or one of its values, and why: for the person who wrote it. */
export interface ParameterProblem {
  readonly name: string;
  readonly message: string;
}

export type Parameters = Readonly<Record<string, string>>;

/** What every Database has unless it says otherwise. Patroni's own defaults are too small for ten replicas. */
export const defaultParameters: Parameters = {
  max_connections: "100",
  max_wal_senders: "20",
  max_replication_slots: "20",
  max_worker_processes: "8",
  // As Patroni has them anyway: named, so that everything in its file which a user may set has a declared value.
  max_prepared_transactions: "0",
  max_locks_per_transaction: "64",
  track_commit_timestamp: "off",
  wal_level: "replica",
  wal_keep_size: "128MB",
  // How soon a replica tries again when the primary turned it away, e.g. before its slot existed. Five seconds by default.
  wal_retrieve_retry_interval: "1s",
};

/** What every Database has, whatever it says. */
export const ownedParameters: Parameters = {
  password_encryption: "scram-sha-256",
  // Needed by pg_rewind where a data directory has no checksums: a retained one may be older than this operator.
  wal_log_hints: "on",
  // A container's log is its standard error.
  logging_collector: "off",
  log_destination: "stderr",
};

/** What a server should have in its configuration, with these parameters of a user's. */
export function wholeParameters(parameters: Parameters): Parameters {
  return { ...defaultParameters, ...parameters, ...ownedParameters };
}

const byHoldfast = "Holdfast decides it";
const byPatroni = "Patroni decides it";
const unsafe = "it can lose or corrupt data";
const code = "it names code or commands for the server to run";

/** Refused by name, each with the reason. Names are what PostgreSQL 17 knows; a family ends in "*". */
const refused: Readonly<Record<string, string>> = {
  // Where the server listens, keeps its files, and who gets in.
  listen_addresses: byHoldfast,
  port: byHoldfast,
  unix_socket_directories: byHoldfast,
  unix_socket_group: byHoldfast,
  unix_socket_permissions: byHoldfast,
  "bonjour*": byHoldfast,
  data_directory: byHoldfast,
  config_file: byHoldfast,
  hba_file: byHoldfast,
  ident_file: byHoldfast,
  external_pid_file: byHoldfast,
  password_encryption: byHoldfast,
  "krb_*": byHoldfast,
  "gss_*": byHoldfast,
  "ssl*": byHoldfast,
  allow_alter_system: byHoldfast,
  // The container's log.
  logging_collector: byHoldfast,
  log_destination: byHoldfast,
  log_directory: byHoldfast,
  log_filename: byHoldfast,
  log_file_mode: byHoldfast,
  log_rotation_age: byHoldfast,
  log_rotation_size: byHoldfast,
  log_truncate_on_rotation: byHoldfast,
  "syslog_*": byHoldfast,
  event_source: byHoldfast,
  // High availability and recovery. Patroni silently drops some of these, and would fight over others.
  cluster_name: byPatroni,
  hot_standby: byPatroni,
  wal_log_hints: byHoldfast,
  primary_conninfo: byPatroni,
  primary_slot_name: byPatroni,
  promote_trigger_file: byPatroni,
  "recovery_target*": byPatroni,
  recovery_min_apply_delay: "a replica that lags on purpose could never count as ready",
  synchronous_standby_names: byPatroni,
  synchronized_standby_slots: byPatroni,
  sync_replication_slots: byPatroni,
  restart_after_crash: byPatroni,
  data_sync_retry: unsafe,
  "include*": "files cannot be included",
  // Commands and libraries: whoever can edit a Database must not thereby run code in its Pod.
  "archive_*": code,
  restore_command: code,
  recovery_end_command: code,
  dynamic_library_path: code,
  extension_control_path: code,
  jit_provider: code,
  local_preload_libraries: code,
  session_preload_libraries: code,
  "oauth_*": code,
  // Settings that trade data for speed, and developers' tools.
  fsync: unsafe,
  full_page_writes: unsafe,
  zero_damaged_pages: unsafe,
  ignore_checksum_failure: unsafe,
  ignore_invalid_pages: unsafe,
  ignore_system_indexes: unsafe,
  allow_system_table_mods: unsafe,
  allow_in_place_tablespaces: unsafe,
};

/** Libraries that the image holds and that are safe to load. */
const libraries = new Set(["auto_explain", "pg_prewarm", "pg_stat_statements"]);

/** Allowed, but not with every value. Each answers what is wrong, or undefined. */
const checked: Readonly<Record<string, (value: string) => string | undefined>> = {
  // Patroni takes the default in place of what it finds too small, and says so only in its log.
  wal_level: (value) => (["replica", "logical"].includes(value) ? undefined : "must be replica or logical"),
  max_connections: atLeast(25),
  max_wal_senders: atLeast(20),
  max_replication_slots: atLeast(20),
  max_worker_processes: atLeast(2),
  max_prepared_transactions: atLeast(0),
  max_locks_per_transaction: atLeast(32),
  shared_preload_libraries: (value) => {
    const unknown = value
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !libraries.has(name));
    return unknown.length === 0 ? undefined : `must be of ${[...libraries].join(", ")}, not ${unknown.join(", ")}`;
  },
};

const longestValue = 1000;

/**
 * What a user's parameters come to, as text; problems are for every entry that cannot be had.
 * Values may be strings, numbers and booleans, since YAML makes a boolean of `on`.
 */
export function checkParameters(given: Readonly<Record<string, unknown>>): {
  readonly parameters: Parameters;
  readonly problems: readonly ParameterProblem[];
} {
  const problems: ParameterProblem[] = [];
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const text = textOf(value);
    const message = text === undefined ? "must be a string, number or boolean" : problemOf(name, text);
    if (message !== undefined) problems.push({ name, message });
    else if (text !== undefined) parameters[name] = text;
  }
  return { parameters, problems };
}

function problemOf(name: string, value: string): string | undefined {
  if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/.test(name) || name.length > 63) {
    return "is no name of a parameter: lower case letters, digits and _ with at most one dot";
  }
  const reason = refusal(name);
  if (reason !== undefined) return `cannot be set: ${reason}`;
  if (value.length > longestValue) return `must have at most ${longestValue} characters`;
  // A line break would end the setting in postgresql.conf and begin another.
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(value)) return "must not hold line breaks or control characters";
  return Object.hasOwn(checked, name) ? checked[name]?.(value) : undefined;
}

/** A user may have a parameter of this name, if PostgreSQL knows it. */
export function mayBeDeclared(name: string): boolean {
  return refusal(name) === undefined;
}

function refusal(name: string): string | undefined {
  if (Object.hasOwn(refused, name)) return refused[name];
  return Object.entries(refused).find(([family]) => family.endsWith("*") && name.startsWith(family.slice(0, -1)))?.[1];
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return typeof value === "string" ? value : undefined;
}

function atLeast(least: number): (value: string) => string | undefined {
  return (value) =>
    // With a zero in front it would be octal.
    /^(0|[1-9]\d{0,8})$/.test(value) && Number(value) >= least ? undefined : `must be a number of at least ${least}`;
}
