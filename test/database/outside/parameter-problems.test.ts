import { describe, expect, test } from "vitest";
import { hasTakenUp, parameterProblems } from "../../../src/database/outside/parameter-problems.ts";
import type { ParameterFacts } from "../../../src/database/outside/postgres.ts";

const line = (text: string, more: Partial<NonNullable<ParameterFacts["line"]>> = {}) => ({
  line: { text, byAlterSystem: false, refused: false, ...more },
});
const memory = { name: "work_mem", known: true, takes: "a number from 64 to 2147483647, in kB", pendingRestart: false };

describe.each<{ wished: string; facts: ParameterFacts; taken: boolean; problem: string | undefined; because: string }>([
  {
    wished: "16MB",
    facts: { ...memory, ...line("16MB") },
    taken: true,
    problem: undefined,
    because: "it is written so",
  },
  {
    wished: "16MB",
    facts: { ...memory, ...line("16MB"), pendingRestart: true },
    taken: true,
    problem: undefined,
    because: "a restart is no edit",
  },
  {
    wished: "0x80",
    facts: { ...memory, name: "wal_keep_size", ...line("128") },
    taken: true,
    problem: undefined,
    because: "Patroni reads some numbers and writes them anew",
  },
  {
    wished: "010",
    facts: { ...memory, name: "wal_keep_size", ...line("8") },
    taken: true,
    problem: undefined,
    because: "a zero in front makes it octal",
  },
  {
    wished: "010",
    facts: { ...memory, name: "wal_keep_size", ...line("10") },
    taken: false,
    problem: "Patroni puts 10 in place of the value; PostgreSQL 17 takes a number from 64 to 2147483647, in kB",
    because: "these are two numbers",
  },
  {
    wished: "1.0",
    facts: { ...memory, name: "random_page_cost", ...line("1") },
    taken: true,
    problem: undefined,
    because: "1.0 is 1",
  },
  {
    wished: "hello",
    facts: { name: "myapp.greeting", known: false, takes: "", ...line("hello"), pendingRestart: false },
    taken: true,
    problem: undefined,
    because: "anybody may make up names with a dot",
  },
  {
    wished: "1",
    facts: { name: "wrk_mem", known: false, takes: "", pendingRestart: false },
    taken: true,
    problem: "PostgreSQL 17 has no parameter of this name that can be set",
    because: "nobody will ever write it: there is nothing to wait for",
  },
  {
    wished: "lots",
    facts: memory,
    taken: false,
    problem: "Patroni leaves the value out as not valid; PostgreSQL 17 takes a number from 64 to 2147483647, in kB",
    because: "Patroni leaves out what is no number",
  },
  {
    wished: "1kB",
    facts: { ...memory, ...line("64") },
    taken: false,
    problem: "Patroni puts 64 in place of the value; PostgreSQL 17 takes a number from 64 to 2147483647, in kB",
    because: "Patroni corrects what is too small",
  },
  {
    wished: "Mars/Phobos",
    facts: {
      name: "timezone",
      known: true,
      takes: "",
      ...line("Mars/Phobos", { refused: true }),
      pendingRestart: false,
    },
    taken: true,
    problem: "PostgreSQL 17 refuses the value",
    because: "Patroni hands on any text, and PostgreSQL says no",
  },
  {
    wished: "16MB",
    facts: { ...memory, ...line("8MB", { byAlterSystem: true }) },
    taken: true,
    problem: "ALTER SYSTEM has set it otherwise, which ALTER SYSTEM RESET work_mem takes back",
    because: "what ALTER SYSTEM writes goes before everything else",
  },
  {
    wished: "16MB",
    facts: { ...memory, ...line("16MB", { byAlterSystem: true }) },
    taken: true,
    problem: undefined,
    because: "ALTER SYSTEM has set the same",
  },
])("$facts.name = $wished: $because", ({ wished, facts, taken, problem }) => {
  const server = { parameters: [facts], others: [] };

  test(taken ? "is taken up" : "is not taken up, or not yet", () => {
    expect(hasTakenUp({ [facts.name]: wished }, server)).toBe(taken);
  });

  test(problem === undefined ? "is no problem" : "is a problem", () => {
    const expected = problem === undefined ? [] : [{ name: facts.name, message: problem }];
    expect(parameterProblems({ [facts.name]: wished }, server, "17.11")).toEqual(expected);
  });
});

test.each([
  { others: ["work_mem"], taken: false, because: "it was taken out of the spec, and is still there" },
  { others: ["primary_conninfo", "port", "cluster_name"], taken: true, because: "Patroni writes these by itself" },
])("beside what is declared, $others: $because", ({ others, taken }) => {
  expect(hasTakenUp({}, { parameters: [], others })).toBe(taken);
});

test("declared values are in no message", () => {
  const facts = [
    memory,
    { ...memory, name: "a", ...line("x", { refused: true }) },
    { ...memory, name: "b", known: false },
  ];
  const said = parameterProblems(
    { work_mem: "secret", a: "x", b: "secret" },
    { parameters: facts, others: [] },
    "17.11",
  );
  expect(said).toHaveLength(3);
  expect(JSON.stringify(said)).not.toContain("secret");
});
