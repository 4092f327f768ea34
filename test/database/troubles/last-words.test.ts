import { describe, expect, test } from "vitest";
import { lastWords, saysDiskFull } from "../../../src/database/troubles/last-words.ts";

/** As PostgreSQL 17 and Patroni 4.0.7 write them. */
const postgres = (level: string, text: string, pid = 45): string =>
  `2026-11-21 10:00:03.250 UTC [${pid}] ${level}:  ${text}`;
const patroni = (level: string, text: string): string => `2026-11-21 10:00:02,114 ${level}: ${text}`;
const log = (...lines: readonly string[]): string => `${lines.join("\n")}\n`;

const notRunning = patroni("ERROR", "postmaster is not running");
const ready = postgres("LOG", "database system is ready to accept connections");

test.each([
  {
    because: "PostgreSQL says why, Patroni only that",
    log: log(
      patroni("INFO", "starting as a secondary"),
      postgres("FATAL", "could not map anonymous shared memory: Cannot allocate memory"),
      "2026-11-21 10:00:03.250 UTC [45] HINT:  This error usually means that there is not enough memory.",
      postgres("LOG", "database system is shut down"),
      notRunning,
      patroni("INFO", "failed to start postgres"),
    ),
    words: "FATAL: could not map anonymous shared memory: Cannot allocate memory",
  },
  {
    because: "what the error leaves open stands in its DETAIL",
    log: log(
      postgres("FATAL", "database files are incompatible with server"),
      postgres(
        "DETAIL",
        "The data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17.11",
      ),
    ),
    words:
      "FATAL: database files are incompatible with server (The data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17.11)",
  },
  {
    because: "of two attempts the last counts",
    log: log(
      postgres("FATAL", 'could not load library "first"'),
      notRunning,
      postgres("FATAL", "the second"),
      notRunning,
    ),
    words: "FATAL: the second",
  },
  {
    because: "errors of clients are not why a server ends",
    log: log(postgres("FATAL", "could not open file"), postgres("ERROR", 'syntax error at or near "selct"')),
    words: "FATAL: could not open file",
  },
  {
    because: "a full disk is the cause of whatever is said later",
    log: log(
      postgres("PANIC", 'could not write to file "pg_wal/xlogtemp.45": No space left on device'),
      postgres("LOG", "startup process (PID 45) was terminated by signal 6: Aborted"),
      postgres("FATAL", "could not write to log file"),
    ),
    words: 'PANIC: could not write to file "pg_wal/xlogtemp": No space left on device',
  },
  {
    because: "what was before it last took connections is over",
    log: log(postgres("PANIC", "No space left on device"), ready, postgres("FATAL", "now something else")),
    words: "FATAL: now something else",
  },
  {
    because: "why a server was killed does not stand in what its clients did before",
    log: log(
      ready,
      postgres("ERROR", 'duplicate key value violates unique constraint "people_email_key"'),
      postgres("DETAIL", "Key (email)=(jane@example.org) already exists."),
      postgres("STATEMENT", "insert into people values ('jane@example.org')"),
      postgres("LOG", "server process (PID 77) was terminated by signal 9: Killed"),
    ),
    words: undefined,
  },
  {
    because: "nor where the end of the log does not reach back to its start",
    log: log(
      postgres("ERROR", 'duplicate key value violates unique constraint "people_email_key"'),
      postgres("DETAIL", "Key (email)=(jane@example.org) already exists."),
    ),
    words: undefined,
  },
  {
    because: "a client may say anything, also that the disk is full",
    log: log(
      ready,
      postgres("ERROR", 'invalid input syntax for type integer: "no space left on device"'),
      postgres("ERROR", 'invalid input syntax for type integer: "x: No space left on device"'),
      postgres("ERROR", 'could not extend file "base/5/16384": No space left on device'),
      postgres("STATEMENT", "select 'FATAL:  PANIC:  x: No space left on device'"),
      "\tFATAL:  a statement goes on: No space left on device",
    ),
    words: undefined,
  },
  {
    because: "what clients do does not hide it",
    log: log(
      ready,
      postgres("PANIC", 'could not write to file "pg_wal/xlogtemp.45": No space left on device'),
      postgres("ERROR", "division by zero"),
      postgres("FATAL", 'role "jane" does not exist'),
    ),
    words: 'PANIC: could not write to file "pg_wal/xlogtemp": No space left on device',
  },
  {
    because: "of Patroni's own errors those from before it ran tell",
    log: log(
      patroni("ERROR", "could not reach the API server"),
      ready,
      patroni("ERROR", "failed to update leader lock"),
    ),
    words: undefined,
  },
  {
    because: "Patroni may say alone why it does not go on",
    log: log(patroni("ERROR", "get_cluster: not allowed")),
    words: "ERROR: get_cluster: not allowed",
  },
  {
    because: "initdb has a form of its own",
    log: log(
      "initdb: error: could not create directory: Permission denied",
      "initdb: removing contents of data directory",
    ),
    words: "initdb: error: could not create directory: Permission denied",
  },
  {
    because: "Patroni is Python: the last line of a traceback tells",
    log: log(
      "Traceback (most recent call last):",
      '  File "/usr/bin/patroni", line 33',
      "patroni.exceptions.PatroniFatalException: Failed to bootstrap cluster",
    ),
    words: "patroni.exceptions.PatroniFatalException: Failed to bootstrap cluster",
  },
  {
    because: "Python's word for a full disk",
    log: log("OSError: [Errno 28] No space left on device: '/var/lib/postgresql/data/pgdata/postgresql.conf.tmp'"),
    words: "OSError: [Errno 28] No space left on device: '/var/lib/postgresql/data/pgdata/postgresql.conf.tmp'",
  },
  {
    because: "the prefix of a line is the user's to choose",
    log: log("orders app@10.0.0.7 FATAL:  could not open file"),
    words: "FATAL: could not open file",
  },
  {
    because: "these stand in every log",
    log: log(
      postgres("FATAL", "the database system is starting up"),
      postgres("FATAL", "terminating walreceiver process due to administrator command"),
      postgres("FATAL", 'password authentication failed for user "app"'),
      notRunning,
    ),
    words: undefined,
  },
  {
    because: "these end one session, not the server",
    log: log(
      ready,
      postgres("FATAL", 'database "shop" does not exist'),
      postgres("FATAL", 'role "jane" does not exist'),
      postgres("FATAL", 'database "shop" is not currently accepting connections'),
      postgres("FATAL", "sorry, too many clients already"),
      postgres("FATAL", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
      postgres("FATAL", 'too many connections for role "app"'),
      postgres("FATAL", "connection to client lost"),
      postgres("FATAL", "terminating connection due to idle-session timeout"),
      postgres("FATAL", 'no pg_hba.conf entry for host "10.0.0.7", user "jane", database "shop", no encryption'),
      postgres("FATAL", 'permission denied for database "shop"'),
      postgres("FATAL", "canceling authentication due to timeout"),
    ),
    words: undefined,
  },
  {
    because: "a file that cannot be read is another matter",
    log: log(postgres("FATAL", "could not load /pgdata/pg_hba.conf")),
    words: "FATAL: could not load /pgdata/pg_hba.conf",
  },
  { because: "there is no log", log: "", words: undefined },
])("the last words are $words: $because", ({ log: text, words }) => {
  expect(lastWords(text)).toBe(words);
});

describe("two failures of one cause", () => {
  test.each([
    { text: (pid: number) => `lock file "postmaster.pid" already exists (PID ${pid})` },
    { text: (pid: number) => `could not write "base/pgsql_tmp/pgsql_tmp${pid}.0"` },
    { text: (pid: number) => `process ${pid} was killed` },
  ])("say the same: $text", ({ text }) => {
    const [first, second] = [45, 1_207].map((pid) => lastWords(log(postgres("FATAL", text(pid), pid))));
    expect(first).toBe(second);
    expect(first).toBeDefined();
  });
});

test("what is longer than anybody reads is cut", () => {
  expect(lastWords(log(postgres("FATAL", "x".repeat(9_000))))).toHaveLength(400);
});

test.each([
  { text: "could not extend file: No space left on device", full: true },
  { text: "write: Disk quota exceeded", full: true },
  { text: "OSError: [Errno 28] No space left on device: '/var/lib/postgresql/x'", full: true },
  { text: "FATAL: could not write: No space left on device (There is none.)", full: true },
  { text: 'ERROR: invalid input syntax for type integer: "x: No space left on device"', full: false },
  { text: "image cannot be had: write /var/lib/containerd/tmp: no space left on device", full: false },
  { text: "out of memory", full: false },
])("the disk is full: $full, by $text", ({ text, full }) => {
  expect(saysDiskFull(text)).toBe(full);
});
