// What a container said before it gave up: the one line of its log that tells why. Pure. What differs between two failures of one
// cause (times, process ids) is left out, so that a message which stands in a condition does not change by itself.

/** For a condition: an error's message can be as long as a statement. */
const maxLength = 400;

/**
 * The last line of PostgreSQL, initdb or Patroni that tells why it ended, with PostgreSQL's own DETAIL; undefined where none does.
 * Of the newest run alone: what was said before the server last took connections is over. That a disk is full goes before all
 * else, since whatever follows from it is said later.
 */
export function lastWords(log: string): string | undefined {
  const lines = log.slice(Math.max(0, log.lastIndexOf("database system is ready to accept"))).split(/\r?\n/);
  let telling: { readonly weight: number; readonly at: number; readonly text: string } | undefined;
  for (const [at, line] of lines.entries()) {
    const [weight, text] = weigh(line);
    if (text !== undefined && weight >= (telling?.weight ?? 1)) telling = { weight, at, text };
  }
  if (telling === undefined) return undefined;
  const detail = /^[^"]*?\bDETAIL:\s+(.+)$/.exec(lines[telling.at + 1] ?? "")?.[1];
  const text = withoutChance(detail === undefined ? telling.text : `${telling.text} (${detail})`);
  return text.length > maxLength ? `${text.slice(0, maxLength - 1).toWellFormed()}…` : text;
}

/** The words of the operating system, as PostgreSQL, Patroni and the container runtime repeat them. */
export const saysDiskFull = (text: string): boolean => /no space left on device|disk quota exceeded/i.test(text);

/** How much a line tells, and what of it. 0: nothing. */
function weigh(line: string): readonly [weight: number, text?: string] {
  // PostgreSQL's prefix is the user's to choose; behind it stands the level.
  const [, level, message] = /\b(PANIC|FATAL|CRITICAL|ERROR):\s+(.+)$/.exec(line) ?? [];
  const said = level === undefined || message === undefined ? exceptionOf(line) : `${level}: ${message.trim()}`;
  if (saysDiskFull(line)) return [3, said ?? line.trim()];
  if (said === undefined || says.some((nothing) => nothing.test(said))) return [0];
  return [level === undefined || level === "ERROR" ? 1 : 2, said];
}

/** "initdb: error: …", or the last line of a Python traceback. */
function exceptionOf(line: string): string | undefined {
  return /^(?:\w+: error: .+|(?:[\w.]+\.)?\w*(?:Error|Exception)(?:\([^)]*\))?: .+)$/.exec(line.trim())?.[0];
}

/** What stands in the log of every server that is on its way up or down, or comes from its clients. */
const says: readonly RegExp[] = [
  /the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting connections)/,
  /: terminating .*(?:due to|because of) /,
  /: (?:password|\w+) authentication failed|no pg_hba\.conf entry|canceling (?:statement|autovacuum)/,
  // Patroni's way to say that PostgreSQL has ended: why, PostgreSQL has said before.
  /postmaster is not running|failed to start postgres|connection to server .* failed/,
];

function withoutChance(text: string): string {
  return text
    .replace(/\s*\(PID:? \d+\)/gi, "")
    .replace(new RegExp("\\b(process|pid) \\d+", "gi"), "$1")
    .replace(/(xlogtemp|pgsql_tmp)\.?\d+/g, "$1");
}
