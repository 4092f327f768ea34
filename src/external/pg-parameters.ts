// What a server says about its parameters: what it knows, what its configuration files hold, what it refuses.
import type { Client } from "pg";
import type { ParameterFacts, ServerConfiguration } from "../database/outside/postgres.ts";

interface Line {
  name: string;
  text: string;
  refused: boolean;
  main: boolean;
  auto: boolean;
}

interface Setting {
  name: string;
  settable: boolean;
  pending: boolean;
  type: string;
  unit: string | null;
  least: string | null;
  most: string | null;
  words: string[] | null;
}

export async function observeParameters(client: Client, names: readonly string[]): Promise<ServerConfiguration> {
  // The view reads the files anew, and says of each line whether it could be applied.
  // https://www.postgresql.org/docs/17/view-pg-file-settings.html
  const { rows: lines } = await client.query<Line>(
    `SELECT pg_catalog.lower(name) AS name, COALESCE(setting, '') AS text, error IS NOT NULL AS refused,
            sourcefile = pg_catalog.current_setting('config_file') AS main,
            sourcefile LIKE '%/postgresql.auto.conf' AS auto
       FROM pg_catalog.pg_file_settings WHERE name IS NOT NULL ORDER BY seqno`,
  );
  // Afterwards: reading the files also sets pending_restart by what is in them now, in this session, reloaded or not.
  const { rows: settings } = await client.query<Setting>(
    `SELECT pg_catalog.lower(name) AS name, context <> 'internal' AS settable, pending_restart AS pending,
            vartype AS type, unit, min_val AS least, max_val AS most, enumvals AS words
       FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) = ANY ($1::pg_catalog.text[])`,
    [names.map((name) => name.toLowerCase())],
  );
  // Of several lines for one name the last counts.
  const lineOf = new Map(lines.map((line) => [line.name, line]));
  const settingOf = new Map(settings.map((setting) => [setting.name, setting]));
  const asked = new Set(names.map((name) => name.toLowerCase()));
  return {
    parameters: names.map((name) => factsOf(name, lineOf.get(name.toLowerCase()), settingOf.get(name.toLowerCase()))),
    others: [...new Set(lines.filter(({ main, name }) => main && !asked.has(name)).map(({ name }) => name))],
  };
}

function factsOf(name: string, line: Line | undefined, setting: Setting | undefined): ParameterFacts {
  const pendingRestart = setting?.pending === true;
  return {
    name,
    known: setting?.settable === true,
    takes: setting === undefined ? "" : takenBy(setting),
    ...(line === undefined
      ? {}
      : // A line that waits for a restart could not be applied either.
        { line: { text: line.text, byAlterSystem: line.auto, refused: line.refused && !pendingRestart } }),
    pendingRestart,
  };
}

function takenBy({ type, unit, least, most, words }: Setting): string {
  switch (type) {
    case "bool":
      return "on or off";
    case "enum":
      return `one of ${(words ?? []).join(", ")}`;
    case "integer":
    case "real":
      return `a number from ${least} to ${most}${unit === null ? "" : `, in ${unit}`}`;
    default:
      return "";
  }
}
