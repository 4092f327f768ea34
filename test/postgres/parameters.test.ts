import { describe, expect, test } from "vitest";
import {
  checkParameters,
  defaultParameters,
  mayBeDeclared,
  ownedParameters,
  wholeParameters,
} from "../../src/postgres/parameters.ts";

test.each([
  { given: "16MB", text: "16MB", because: "a string stays as it is" },
  { given: 200, text: "200", because: "a number" },
  { given: 1.1, text: "1.1", because: "YAML makes a number of 1.1" },
  { given: true, text: "on", because: "YAML makes a boolean of on" },
  { given: false, text: "off", because: "YAML makes a boolean of off" },
  { given: "", text: "", because: "an empty string is a value" },
])("a value may be what YAML makes of it: $because", ({ given, text }) => {
  expect(checkParameters({ work_mem: given })).toEqual({ parameters: { work_mem: text }, problems: [] });
});

describe("refused by name", () => {
  test.each([
    { name: "listen_addresses", because: "Patroni would drop it silently" },
    { name: "port", because: "Services point to 5432" },
    { name: "data_directory", because: "the volume is mounted elsewhere" },
    { name: "hba_file", because: "it would let anybody in" },
    { name: "ssl_passphrase_command", because: "a family: ssl*; it runs a command" },
    { name: "archive_command", because: "a family: archive_*; it runs a command" },
    { name: "restore_command", because: "it runs a command" },
    { name: "session_preload_libraries", because: "it loads code" },
    { name: "synchronous_standby_names", because: "Patroni writes it" },
    { name: "recovery_target_time", because: "a family: recovery_target*" },
    { name: "password_encryption", because: "md5 is not to be had" },
    { name: "fsync", because: "it loses data" },
    { name: "include_dir", because: "it would bring in what is refused here" },
  ])("$name: $because", ({ name }) => {
    const { parameters, problems } = checkParameters({ [name]: "x", work_mem: "16MB" });
    expect(parameters).toEqual({ work_mem: "16MB" });
    expect(problems).toEqual([{ name, message: expect.stringContaining("cannot be set: ") as string }]);
  });

  test("every parameter that Holdfast sets itself", () => {
    expect(checkParameters({ ...ownedParameters }).problems.map(({ name }) => name)).toEqual(
      Object.keys(ownedParameters),
    );
  });
});

test("the defaults pass their own check", () => {
  expect(checkParameters({ ...defaultParameters }).problems).toEqual([]);
});

test.each([
  { name: "Work_Mem", because: "two spellings of one name would fight" },
  { name: "work mem", because: "no name" },
  { name: "a.b.c", because: "at most one dot" },
  { name: "1a", because: "begins with a digit" },
  { name: "x = 'y'\nfsync", because: "must not smuggle in another" },
  { name: "", because: "empty" },
])("a name that is none is refused: $name ($because)", ({ name }) => {
  expect(checkParameters({ [name]: "x" }).problems).toHaveLength(1);
});

test.each([
  { value: "a\nfsync = off", because: "a line break would begin another setting" },
  { value: "a\0", because: "a control character" },
  { value: "x".repeat(1001), because: "too long" },
  { value: { a: 1 }, because: "an object" },
  { value: null, because: "nothing" },
  { value: Number.NaN, because: "no number" },
])("a value that cannot be written is refused: $because", ({ value }) => {
  expect(checkParameters({ work_mem: value }).problems).toHaveLength(1);
});

test.each([
  { name: "wal_level", value: "logical", allowed: true, because: "more than replicas need" },
  { name: "wal_level", value: "minimal", allowed: false, because: "replicas need more" },
  { name: "max_connections", value: "24", allowed: false, because: "Patroni would take its own default instead" },
  { name: "max_connections", value: "25", allowed: true, because: "Patroni's least" },
  { name: "max_connections", value: "0100", allowed: false, because: "octal: PostgreSQL reads 64" },
  { name: "max_connections", value: "many", allowed: false, because: "no number" },
  { name: "max_wal_senders", value: "10", allowed: false, because: "ten instances need more" },
  {
    name: "shared_preload_libraries",
    value: "pg_stat_statements, auto_explain",
    allowed: true,
    because: "both are known",
  },
  { name: "shared_preload_libraries", value: "pg_stat_statements,evil", allowed: false, because: "one is not" },
  { name: "pg_stat_statements.max", value: "1000", allowed: true, because: "a setting of an extension" },
])("$name = $value is allowed: $allowed ($because)", ({ name, value, allowed }) => {
  expect(checkParameters({ [name]: value }).problems.length === 0).toBe(allowed);
});

test("the whole of the parameters: the user's go before the defaults, and ours before the user's", () => {
  const whole = wholeParameters({ max_connections: "300", work_mem: "16MB", logging_collector: "on" });
  expect(whole).toEqual({
    ...defaultParameters,
    ...ownedParameters,
    max_connections: "300",
    work_mem: "16MB",
  });
});

// CMDLINE_OPTIONS in https://github.com/patroni/patroni/blob/v4.0.7/patroni/postgresql/config.py, and what it writes beside them:
// where a user may have one it has a default here, so that whatever else stands in Patroni's file was declared.
test.each([
  "listen_addresses",
  "port",
  "cluster_name",
  "wal_level",
  "hot_standby",
  "max_connections",
  "max_wal_senders",
  "wal_keep_size",
  "max_prepared_transactions",
  "max_locks_per_transaction",
  "track_commit_timestamp",
  "max_replication_slots",
  "max_worker_processes",
  "wal_log_hints",
  "hba_file",
  "ident_file",
  "unix_socket_directories",
  "primary_conninfo",
  "primary_slot_name",
  "recovery_target_timeline",
  "synchronous_standby_names",
  "restore_command",
  "archive_cleanup_command",
])("%s, which Patroni writes by itself, is not the user's alone", (name) => {
  expect(mayBeDeclared(name) && !Object.hasOwn(wholeParameters({}), name)).toBe(false);
});
