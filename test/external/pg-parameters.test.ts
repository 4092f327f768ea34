// What a real server says about its parameters. The configuration file is edited as Patroni would, and reloaded where it says so.
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parameterProblems, hasTakenUp } from "../../src/database/outside/parameter-problems.ts";
import type { ParameterFacts } from "../../src/database/outside/postgres.ts";
import { pgPostgres } from "../../src/external/pg-postgres.ts";
import { startPostgres, type RunningPostgres } from "../support/postgres-server.ts";

const { signal } = new AbortController();

let server: RunningPostgres;
let file: string;
let original: string;
beforeAll(async () => {
  server = await startPostgres();
  const [row] = await server.query<{ file: string }>("SELECT current_setting('config_file') AS file");
  file = row?.file ?? "";
  original = await readFile(file, "utf8");
}, 120_000);
beforeEach(() => writeFile(file, original));
afterAll(() => server?.stop());

const observe = (names: readonly string[]) => pgPostgres.observeParameters(server.address, names, signal);

/** As Patroni writes it. */
async function configure(parameters: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(parameters).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  await appendFile(file, `${lines.join("\n")}\n`);
}

/** What is said of one declared parameter that stands in the file as declared. */
async function seen(name: string, value: string): Promise<{ facts: ParameterFacts; problem: string | undefined }> {
  await configure({ [name]: value });
  const configuration = await observe([name]);
  const [facts] = configuration.parameters;
  const [problem] = parameterProblems({ [name]: value }, configuration, server.major);
  return { facts: facts!, problem: problem?.message };
}

describe("a value that PostgreSQL takes is no problem, however it is written:", () => {
  test.each([
    ["work_mem", "16MB"],
    ["work_mem", "16384kB"],
    ["work_mem", "16384"],
    ["work_mem", "0x4000"],
    ["work_mem", "0.5GB"],
    ["effective_cache_size", "1 GB"],
    ["enable_seqscan", "on"],
    ["enable_seqscan", "TRUE"],
    ["enable_seqscan", "1"],
    ["enable_seqscan", "of"],
    ["random_page_cost", "1.0"],
    ["random_page_cost", "1"],
    ["random_page_cost", "11e-1"],
    ["log_min_duration_statement", "1.5s"],
    ["statement_timeout", "1min"],
    ["timezone", "Europe/Berlin"],
    ["datestyle", "German"],
    ["log_line_prefix", "%m 'x' "],
    ["default_transaction_isolation", "Repeatable Read"],
    ["search_path", '"$user", public'],
    ["pg_stat_statements.max", "1000"],
    ["auto_explain.log_min_duration", "not loaded, so nobody minds"],
    ["myapp.greeting", "hello"],
  ])("%s = %s", async (name, value) => {
    const { facts, problem } = await seen(name, value);
    expect(facts).toMatchObject({ name, line: { text: value, refused: false }, pendingRestart: false });
    expect(problem).toBeUndefined();
  });
});

describe("a value that waits for a restart is no problem, reloaded or not:", () => {
  test.each([
    ["shared_buffers", "256MB"],
    ["max_connections", "200"],
    ["max_wal_senders", "12"],
    ["huge_pages", "off"],
    ["track_commit_timestamp", "on"],
    ["shared_preload_libraries", "auto_explain"],
  ])("%s = %s", async (name, value) => {
    const { facts, problem } = await seen(name, value);
    expect(facts).toMatchObject({ known: true, line: { refused: false }, pendingRestart: true });
    expect(problem).toBeUndefined();
    await server.query("SELECT pg_reload_conf()");
    expect((await observe([name])).parameters[0]).toMatchObject({ line: { refused: false }, pendingRestart: true });
  });

  test("one that was taken back waits no more", async () => {
    await configure({ shared_buffers: "256MB" });
    await server.query("SELECT pg_reload_conf()");
    await configure({ shared_buffers: "128MB" });
    expect((await observe(["shared_buffers"])).parameters[0]).toMatchObject({ pendingRestart: false });
  });
});

describe("a value that PostgreSQL does not take is a problem, with what it takes:", () => {
  test.each([
    ["timezone", "Mars/Phobos", "PostgreSQL 17 refuses the value"],
    ["work_mem", "lots", "PostgreSQL 17 refuses the value; PostgreSQL 17 takes a number from 64 to 2147483647, in kB"],
    ["max_connections", "-5", "PostgreSQL 17 refuses the value; PostgreSQL 17 takes a number from 1 to 262143"],
    ["wal_buffers", "-2", "PostgreSQL 17 refuses the value; PostgreSQL 17 takes a number from -1 to 262143, in 8kB"],
    ["enable_seqscan", "maybe", "PostgreSQL 17 refuses the value; PostgreSQL 17 takes on or off"],
    ["wal_level", "all", "PostgreSQL 17 refuses the value; PostgreSQL 17 takes one of minimal, replica, logical"],
    ["random_page_cost", "-1", "PostgreSQL 17 refuses the value; PostgreSQL 17 takes a number from 0 to 1.79769e+308"],
    ["transaction_isolation", "serializable", /^PostgreSQL 17 refuses the value/],
    ["block_size", "16384", "PostgreSQL 17 has no parameter of this name that can be set"],
    ["role", "postgres", "PostgreSQL 17 has no parameter of this name that can be set"],
    ["wrk_mem", "16MB", "PostgreSQL 17 has no parameter of this name that can be set"],
  ])("%s = %s", async (name, value, expected) => {
    const { problem } = await seen(name, value);
    if (typeof expected === "string") expect(problem).toBe(expected);
    else expect(problem).toMatch(expected);
  });
});

describe("the line that counts", () => {
  test("is the last", async () => {
    await configure({ work_mem: "8MB" });
    await configure({ work_mem: "16MB" });
    expect((await observe(["work_mem"])).parameters[0]).toMatchObject({ line: { text: "16MB", byAlterSystem: false } });
  });

  test("is found in whatever case it is written", async () => {
    await configure({ TimeZone: "UTC" });
    expect((await observe(["timezone"])).parameters[0]).toMatchObject({
      name: "timezone",
      known: true,
      line: { text: "UTC" },
    });
  });

  test("may be ALTER SYSTEM's", async () => {
    await configure({ work_mem: "16MB" });
    await server.query("ALTER SYSTEM SET work_mem = '8MB'");
    try {
      const configuration = await observe(["work_mem"]);
      await server.query("ALTER SYSTEM SET enable_hashjoin = off");
      expect((await observe([])).others).not.toContain("enable_hashjoin");
      expect(configuration.parameters[0]).toMatchObject({ line: { text: "8MB", byAlterSystem: true } });
      expect(parameterProblems({ work_mem: "16MB" }, configuration, "17")).toMatchObject([
        { message: expect.stringContaining("ALTER SYSTEM RESET work_mem") as string },
      ]);
    } finally {
      await server.query("ALTER SYSTEM RESET ALL");
    }
  });

  test("may be none: then the value is not taken up, or not yet", async () => {
    const configuration = await observe(["jit", "myapp.greeting"]);
    expect(configuration.parameters.map(({ line }) => line)).toEqual([undefined, undefined]);
    expect(hasTakenUp({ jit: "off", "myapp.greeting": "hello" }, configuration)).toBe(false);
  });
});

test("what the main file sets beside what was asked about is told", async () => {
  await configure({ work_mem: "16MB", jit: "off" });
  const { others } = await observe(["work_mem"]);
  expect(others).toContain("jit");
  expect(others).not.toContain("work_mem");
});

test("a replica answers too", async () => {
  const replica = await startPostgres({ standby: true, settings: { work_mem: "16MB" } });
  try {
    const { parameters } = await pgPostgres.observeParameters(replica.address, ["work_mem"], signal);
    expect(parameters).toMatchObject([{ name: "work_mem", known: true, line: { text: "16MB" } }]);
  } finally {
    await replica.stop();
  }
});
