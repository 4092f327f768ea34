import { describe, expect, test } from "vitest";
import { unusableFor } from "../../../src/database/troubles/unusable-data.ts";

const at = "2026-11-21 10:00:00.123 UTC [42]";
const patroniAt = "2026-11-21 10:00:00,123";

describe("what a replica holds is of no use any more, by its own words", () => {
  test.each([
    {
      because: "the primary has removed WAL that it needs",
      line: `${at} FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000003 has already been removed`,
      says: "could not receive data from WAL stream: ERROR: requested WAL segment 000000010000000000000003 has already been removed",
    },
    {
      because: "it went on where the primary's timeline did not",
      line: `${at} FATAL:  could not start WAL streaming: ERROR:  requested starting point 0/5000000 on timeline 1 is not in this server's history`,
      says: "could not start WAL streaming: ERROR: requested starting point 0/5000000 on timeline 1 is not in this server's history",
    },
    {
      because: "its own timeline is not the primary's",
      line: `${at} FATAL:  requested timeline 3 is not a child of this server's history`,
      says: "requested timeline 3 is not a child of this server's history",
    },
    {
      because: "it is in pieces",
      line: `${at} PANIC:  could not locate a valid checkpoint record at 0/3000028`,
      says: "could not locate a valid checkpoint record at 0/3000028",
    },
    {
      because: "its control file is damaged",
      line: `${at} FATAL:  incorrect checksum in control file`,
      says: "incorrect checksum in control file",
    },
    {
      because: "its control file is empty",
      line: `${at} PANIC:  could not read file "global/pg_control": read 0 of 296`,
      says: 'could not read file "global/pg_control": read 0 of 296',
    },
    {
      because: "its control file is gone while Patroni runs, which remembers what it held",
      line: "postgres: could not find the database system",
      says: "could not find the database system",
    },
    {
      because: "its first copy was cut off",
      line: `${patroniAt} INFO: data dir for the cluster is not empty, but system ID is invalid; consider doing reinitialize`,
      says: "data dir for the cluster is not empty, but system ID is invalid",
    },
    {
      because: "it could not be rewound",
      line: `${patroniAt} ERROR: Failed to rewind from healthy primary: orders-1-0`,
      says: "Failed to rewind from healthy primary: orders-1-0",
    },
  ])("$because", ({ line, says }) => {
    expect(unusableFor(`${at} LOG:  database system was shut down\n${line}\n${at} LOG:  waiting for WAL`)?.words).toBe(
      says,
    );
  });
});

describe("it may still be of use", () => {
  const rewindFailed = `${patroniAt} ERROR: Failed to rewind from healthy primary: orders-1-0`;
  const removed = `${at} FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000003 has already been removed`;
  test.each([
    { because: "its log says nothing", log: "" },
    {
      because: "the primary does not answer",
      log: `${at} FATAL:  could not connect to the primary server: Connection refused`,
    },
    {
      because: "its slot is not there yet",
      log: `${at} FATAL:  could not start WAL streaming: ERROR:  replication slot "orders_2_0" does not exist`,
    },
    {
      because: "it is ahead of the primary, which may lack what it has",
      log: `${at} FATAL:  highest timeline 2 of the primary is behind recovery timeline 3`,
    },
    {
      because: "it is no disk to copy onto again",
      log: `${at} PANIC:  could not write to file "pg_wal/xlogtemp.42": No space left on device`,
    },
    {
      because: "it follows by now",
      log: `${removed}\n${at} LOG:  started streaming WAL from primary at 0/4000000 on timeline 1`,
    },
    {
      because: "it has been filled anew since",
      log: `${removed}\n${patroniAt} INFO: replica has been created using basebackup`,
    },
    {
      because: "it is being filled anew",
      log: `${removed}\n${patroniAt} INFO: Removing data directory: /var/lib/postgresql/data/pgdata`,
    },
    {
      because: "another instance leads by now",
      log: `${patroniAt} INFO: Lock owner: orders-1-0; I am orders-2-0\n${removed}\n${patroniAt} INFO: no action. I am (orders-2-0), a secondary, and following a leader (orders-3-0)`,
    },
    {
      because: "a client says so",
      log: `${at} ERROR:  requested WAL segment 000000010000000000000003 has already been removed`,
    },
    {
      because: "a client's statement says so",
      log: `${at} LOG:  statement: select 1 --\n\tFATAL:  requested timeline 3 is not a child of this server's history`,
    },
    { because: "a client speaks as Patroni", log: `${at} ERROR:  Failed to rewind from healthy primary: orders-1-0` },
    { because: "it was rewound", log: `${rewindFailed}\n${patroniAt} INFO: pg_rewind exit code=0` },
    { because: "Patroni starts it again", log: `${removed}\n${patroniAt} INFO: starting as a secondary` },
    { because: "it begins anew", log: `${removed}\n${at} LOG:  entering standby mode` },
    { because: "it replays WAL", log: `${removed}\n${at} LOG:  redo starts at 0/3000028` },
  ])("$because", ({ log }) => {
    expect(unusableFor(log)).toBeUndefined();
  });
});

test("what is said again and again of one leader counts", () => {
  const owner = `${patroniAt} INFO: Lock owner: orders-1-0; I am orders-2-0`;
  const failed = `${patroniAt} ERROR: Failed to rewind from healthy primary: orders-1-0`;
  expect(unusableFor([owner, failed, owner, owner].join("\n"))?.words).toBe(
    "Failed to rewind from healthy primary: orders-1-0",
  );
});

test("the newest words count, and long ones are shortened", () => {
  const long = `${at} FATAL:  "${"x".repeat(1_000)}" is not a valid data directory`;
  const words =
    unusableFor(`${patroniAt} ERROR: Failed to rewind from healthy primary: orders-1-0\n${long}`)?.words ?? "";
  expect(words).toMatch(/^"xxx/);
  expect(words.length).toBeLessThanOrEqual(300);
});

describe("what anybody can have written into the log is not believed:", () => {
  const segment = "000000010000000000000003";
  const removed = `could not receive data from WAL stream: ERROR:  requested WAL segment ${segment} has already been removed`;
  const invalid = "data dir for the cluster is not empty, but system ID is invalid; consider doing reinitialize";
  test.each([
    `${at} FATAL:  password authentication failed for user "could not locate a valid checkpoint record"`,
    `${at} FATAL:  password authentication failed for user "FATAL:  ${removed}"`,
    `${at} FATAL:  database "requested WAL segment ${segment} has already been removed" does not exist`,
    `${at} FATAL:  role "${removed}" does not exist`,
    `${at} FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "requested timeline 3 is not a child of this server's history"`,
    `${at} FATAL:  unrecognized configuration parameter "x" FATAL:  requested timeline 3 is not a child of this server's history`,
    `${at} STATEMENT:  select 'FATAL:  ${removed}`,
    `${at} LOG:  statement: select 'FATAL:  ${removed}`,
    `${at} LOG:  statement: select ' ${patroniAt} INFO: ${invalid}`,
    `${at} LOG:  ${removed}`,
    `${at} ERROR:  FATAL:  ${removed}`,
    `${at} WARNING:  PANIC:  could not locate a valid checkpoint record`,
    `${at} LOG:  INFO: ${invalid}`,
    `${at} INFO:  ${invalid}`,
    `INFO: ${invalid}`,
    `${at} LOG:  ERROR: Failed to rewind from healthy primary: orders-1-0`,
    `\t${patroniAt} INFO: ${invalid}`,
    `${at} FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment x has already been removed, says "me"`,
    `${at} LOG:  statement: postgres: could not find the database system`,
  ])("%s", (line) => {
    expect(
      unusableFor(`${at} LOG:  database system was shut down\n${line}\n${at} LOG:  waiting for WAL`),
    ).toBeUndefined();
  });

  test("nor are a recovery, or another leader, that a client tells of", () => {
    const told = `${at} FATAL:  ${removed}`;
    const forged = [
      `${at} ERROR:  started streaming WAL from primary at 0/4000000 on timeline 1`,
      `${at} LOG:  statement: select ': started streaming WAL from primary'`,
      `${at} LOG:  statement: select ' INFO: Lock owner: orders-9-0; I am orders-2-0'`,
    ];
    const owner = `${patroniAt} INFO: Lock owner: orders-1-0; I am orders-2-0`;
    expect(unusableFor([owner, told, ...forged].join("\n"))).toBeDefined();
  });
});

test.each([
  {
    because: "WAL of this timeline, in hexadecimal, is gone",
    line: `${at} FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 0000001A0000000000000003 has already been removed`,
    cause: { type: "walRemoved", timeline: 26 },
  },
  {
    because: "the copy was cut off",
    line: `${patroniAt} INFO: data dir for the cluster is not empty, but system ID is invalid; consider doing reinitialize`,
    cause: { type: "copyCutOff" },
  },
  ...[
    `${at} FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 3 has already been removed`,
    `${at} FATAL:  could not start WAL streaming: ERROR:  requested starting point 0/5000000 on timeline 1 is not in this server's history`,
    `${at} FATAL:  requested timeline 3 is not a child of this server's history`,
    `${at} PANIC:  could not locate a valid checkpoint record at 0/3000028`,
    `${at} PANIC:  could not read file "global/pg_control": read 0 of 296`,
    "postgres: could not find the database system",
    `${patroniAt} ERROR: Failed to rewind from healthy primary: orders-1-0`,
  ].map((line) => ({ because: "it may hold what the primary lacks", line, cause: { type: "other" } })),
])("what the words mean: $because: $line", ({ line, cause }) => {
  expect(unusableFor(line)?.cause).toEqual(cause);
});
