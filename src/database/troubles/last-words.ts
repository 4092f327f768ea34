// What a container said before it gave up: the one line of its log that tells why. Pure. What differs between two failures of one
// cause (times, process ids) is left out, so that a message which stands in a condition does not change by itself; and so is what
// concerns clients alone: it may hold their data.
import { shortened } from "../../runtime/index.ts";

/** For a condition: an error's message can be as long as a statement. */
const maxLength = 400;

/**
 * The last line of PostgreSQL, initdb or Patroni that tells why it ended, with PostgreSQL's own DETAIL; undefined where none does.
 * Of the newest run alone: what was said before the server last took connections is over. That a disk is full goes before all
 * else, since whatever follows from it is said later.
 */
export function lastWords(log: string): string | undefined {
  const readyAt = log.lastIndexOf("database system is ready to accept");
  const lines = log.slice(Math.max(0, readyAt)).split(/\r?\n/);
  let telling: { readonly weight: number; readonly at: number; readonly text: string } | undefined;
  for (const [at, line] of lines.entries()) {
    const [weight, text] = weigh(line, readyAt >= 0);
    if (text !== undefined && weight >= (telling?.weight ?? 1)) telling = { weight, at, text };
  }
  if (telling === undefined) return undefined;
  const detail = /^[^"]*?\bDETAIL:\s+(.+)$/.exec(lines[telling.at + 1] ?? "")?.[1];
  return shortened(withoutChance(detail === undefined ? telling.text : `${telling.text} (${detail})`), maxLength);
}

/**
 * The operating system's words at the end of a message, as C and Python repeat them. Go, in which nodes speak of their own disks,
 * has them in small letters; what clients write into a statement stands in quotes.
 */
export const saysDiskFull = (text: string): boolean =>
  /(?:^|[:\]] )(?:No space left on device|Disk quota exceeded)(?:: '[^']*')?(?: \(.*\))?$/.test(text);

/** The first of these in a line is its own; what looks like another stands in what it tells of. */
const levels =
  /\b(PANIC|FATAL|CRITICAL|ERROR|WARNING|NOTICE|INFO|LOG|DEBUG\d?|DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION): ( *)(.+)$/;

/** The level of a line, what stands between it and the message beside one space, and the message; undefined where it has none. */
export function spokenIn(
  line: string,
): { readonly level: string; readonly space: string; readonly message: string } | undefined {
  const [, level, space = "", message] = levels.exec(line) ?? [];
  return level === undefined || message === undefined ? undefined : { level, space, message };
}

/** It concerns one client, or belongs to the ordinary course. */
export const saysNothing = (said: string): boolean => says.some((nothing) => nothing.test(said));

/** How much a line tells, and what of it. 0: nothing. */
function weigh(line: string, ran: boolean): readonly [weight: number, text?: string] {
  // PostgreSQL's prefix is the user's to choose; behind it stands the level. A line that goes on begins with a tab.
  if (line.startsWith("\t")) return [0];
  const { level, space, message } = spokenIn(line) ?? {};
  if (level === undefined || message === undefined) {
    const said = exceptionOf(line);
    if (said === undefined || saysNothing(said)) return [0];
    return [saysDiskFull(said) ? 3 : 1, said];
  }
  const said = `${level}: ${message.trim()}`;
  if (saysNothing(said)) return [0];
  if (level === "ERROR") {
    // PostgreSQL writes two spaces (send_message_to_server_log in elog.c). Its ERROR ends a client's statement, never a server.
    return ran || space !== "" ? [0] : [1, said];
  }
  if (level !== "PANIC" && level !== "FATAL" && level !== "CRITICAL") return [0];
  return [saysDiskFull(said) ? 3 : 2, said];
}

/** "initdb: error: …", or the last line of a Python traceback. */
function exceptionOf(line: string): string | undefined {
  return /^(?:\w+: error: .+|(?:[\w.]+\.)?\w*(?:Error|Exception)(?:\([^)]*\))?: .+)$/.exec(line.trim())?.[0];
}

/** What stands in the log of every server that is on its way up or down, or ends one client's session. */
const says: readonly RegExp[] = [
  /the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting connections)/,
  /: terminating .*(?:due to|because of) |: (?:terminating connection|connection to client lost)/,
  /: (?:password|\w+) authentication failed|no pg_hba\.conf entry|pg_hba\.conf rejects|canceling (?:statement|autovacuum|authentication)/,
  /: (?:database|role) ".*" does not exist|: (?:database ".*" is not currently|permission denied for database)/,
  /: (?:sorry, )?too many (?:clients|connections)|: remaining connection slots/,
  // Patroni's way to say that PostgreSQL has ended: why, PostgreSQL has said before.
  /postmaster is not running|failed to start postgres|connection to server .* failed/,
];

function withoutChance(text: string): string {
  return text
    .replace(/\s*\(PID:? \d+\)/gi, "")
    .replace(new RegExp("\\b(process|pid) \\d+", "gi"), "$1")
    .replace(/(xlogtemp|pgsql_tmp)\.?\d+/g, "$1");
}
