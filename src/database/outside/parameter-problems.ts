// Pure: which declared parameters a server does not have in force, and why, for the person who declared them.
import { mayBeDeclared, type ParameterProblem, type Parameters } from "../../postgres/parameters.ts";
import type { ParameterFacts, ServerConfiguration } from "./postgres.ts";

/** The server's file is as Patroni writes it from what is wished, as far as it ever will be. */
export function hasTakenUp(wished: Parameters, { parameters, others }: ServerConfiguration): boolean {
  return !others.some(mayBeDeclared) && parameters.every((facts) => verdictOf(wished[facts.name], facts) !== "absent");
}

/**
 * What is not in force, and will not be by waiting or by a restart. To be asked when the server has had the time to take up
 * what is wished. Declared values are not in the messages.
 * @param version of PostgreSQL, e.g. "17.11"
 */
export function parameterProblems(
  wished: Parameters,
  { parameters }: ServerConfiguration,
  version: string,
): readonly ParameterProblem[] {
  const server = `PostgreSQL ${version.split(".")[0]}`;
  return parameters.flatMap((facts) => {
    const { name, takes, line } = facts;
    const needs = takes === "" ? "" : `; ${server} takes ${takes}`;
    switch (verdictOf(wished[name], facts)) {
      case "inForce":
        return [];
      case "unknown":
        return [{ name, message: `${server} has no parameter of this name that can be set` }];
      case "overridden":
        return [{ name, message: `ALTER SYSTEM has set it otherwise, which ALTER SYSTEM RESET ${name} takes back` }];
      case "refused":
        return [{ name, message: `${server} refuses the value${needs}` }];
      case "absent":
        return [
          {
            name,
            message:
              line === undefined
                ? `Patroni leaves the value out as not valid${needs}`
                : `Patroni puts ${line.text} in place of the value${needs}`,
          },
        ];
    }
  });
}

/** "absent": the file does not have the value, or not yet. */
function verdictOf(wished: string | undefined, { name, known, line }: ParameterFacts) {
  if (!known && !name.includes(".")) return "unknown";
  if (line === undefined || wished === undefined) return "absent";
  if (!sameText(wished, line.text)) return line.byAlterSystem ? "overridden" : "absent";
  return line.refused ? "refused" : "inForce";
}

/** Patroni writes values as they are, but for some numbers, which it reads as PostgreSQL does and writes anew (0x80 as 128). */
function sameText(wished: string, written: string): boolean {
  return wished === written || numberOf(wished) === numberOf(written);
}

/** NaN, which equals nothing, for any other text. 0x10 is 16 and 010 is 8, as in C. */
function numberOf(text: string): number {
  const [, sign = "", octal, other] = /^\s*([+-]?)(?:0([0-7]+)|(0x[0-9a-f]+|\d+(?:\.\d*)?))\s*$/i.exec(text) ?? [];
  const size = octal === undefined ? Number(other ?? NaN) : Number(`0o${octal}`);
  return sign === "-" ? -size : size;
}
