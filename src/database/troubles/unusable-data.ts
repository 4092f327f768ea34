// Whether what a replica holds is of no use any more, by its log: it can never follow the primary again, whatever is restarted. Pure.
// Clients write into that log too, also before they have a password: only whole messages of PostgreSQL's own processes and of Patroni
// count, behind the first level of a line. What it decides must be safe though somebody forged them: refill.ts.
import { shortened } from "../../runtime/index.ts";
import { saysNothing, spokenIn } from "./last-words.ts";

/** Why the data of a replica are of no use. */
export interface Unusable {
  /** In the words of its log, for a condition. */
  readonly words: string;
  readonly cause: UnusableCause;
}

export type UnusableCause =
  /** The primary has removed WAL of this timeline that it asks for. */
  | { readonly type: "walRemoved"; readonly timeline: number }
  /** There are files, and nothing that tells of which cluster: as a first copy leaves them that was cut off. */
  | { readonly type: "copyCutOff" }
  /** It may hold what the primary lacks. */
  | { readonly type: "other" };

/** For a condition. */
const maxLength = 300;

/** Patroni's prefix (DEFAULT_FORMAT in patroni/log.py). PostgreSQL's own lines have no comma there. */
const patroni = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR|CRITICAL): (\S.*)$/;

/** Patroni follows, rewinds, starts or has been filled anew: what was said before is over. */
const overByPatroni =
  /^(?:replica has been created using|Removing data directory\b|pg_rewind exit code=0$|starting as a secondary$)/;
/** PostgreSQL starts, or follows: xlogrecovery.c, walreceiver.c. */
const overByPostgres = /^(?:started streaming WAL from primary|entering standby mode$|redo starts at )/;

/** Whom Patroni follows: what could not follow one may follow the next. */
const leader = /^(?:Lock owner: |.*\bfollowing a leader \()([\w-]+)/;

const cutOff = /^(data dir for the cluster is not empty, but system ID is invalid)\b/;
/** Another primary was followed, or led, than the one that there is, and pg_rewind cannot mend it. */
const notRewound = /^(Failed to rewind from healthy primary: \S+)$/;

/** Of the program itself, before it has a log: without what Patroni or PostgreSQL put in front. */
const saidBefore = /^postgres: (could not find the database system)/;

const fromPrimary = "could not (?:receive data from|start) WAL (?:stream|streaming): ERROR: {2}";
const walRemoved = new RegExp(
  `^${fromPrimary}requested WAL segment ([0-9A-F]{8})[0-9A-F]{16} has already been removed$`,
);

/** Whole messages of processes that no client speaks to: walreceiver.c, xlog.c, xlogrecovery.c, miscinit.c. */
const ofPostgres = new RegExp(
  `^(?:${[
    `${fromPrimary}requested WAL segment \\S+ has already been removed$`,
    `${fromPrimary}requested starting point \\S+ on timeline \\d+ is not in this server's history$`,
    "requested timeline \\d+ is not (?:a child of|in) this server's history$",
    "could not locate (?:a valid|required) checkpoint record\\b",
    "could not find redo location \\S+ referenced by checkpoint record\\b",
    "incorrect checksum in control file$",
    "control file contains invalid (?:checkpoint location|database cluster state)$",
    'could not read file "global/pg_control": read \\d+ of \\d+$',
    "backup_label contains data inconsistent with control file$",
    "WAL contains references to invalid pages$",
    '"[^"]*" is not a valid data directory$',
    'required WAL directory "[^"]*" does not exist$',
  ].join("|")})`,
);

/**
 * Why the data of a replica are of no use, by its log; undefined where that does not say so. A primary whose timeline is behind the
 * replica's is not among the reasons: then the replica may have what the primary lacks.
 */
export function unusableFor(log: string): Unusable | undefined {
  let found: Unusable | undefined;
  let followed: string | undefined;
  for (const line of log.split(/\r?\n/)) {
    // A line that goes on begins with a tab.
    if (line.startsWith("\t")) continue;
    const [, level, said = ""] = patroni.exec(line) ?? [];
    const named = level === "INFO" ? leader.exec(said)?.[1] : undefined;
    if (named !== undefined && followed !== undefined && named !== followed) found = undefined;
    followed = named ?? followed;
    const told = level === undefined ? toldByPostgres(line) : toldByPatroni(level, said);
    if (told === "over") found = undefined;
    else found = told ?? found;
  }
  return found;
}

type Told = Unusable | "over" | undefined;

function toldByPatroni(level: string, said: string): Told {
  if (level === "INFO" && overByPatroni.test(said)) return "over";
  const invalid = level === "INFO" ? cutOff.exec(said)?.[1] : undefined;
  if (invalid !== undefined) return unusable(invalid, { type: "copyCutOff" });
  const failed = level === "ERROR" ? notRewound.exec(said)?.[1] : undefined;
  return failed === undefined ? undefined : unusable(failed, { type: "other" });
}

function toldByPostgres(line: string): Told {
  const before = saidBefore.exec(line)?.[1];
  if (before !== undefined) return unusable(before, { type: "other" });
  const { level, space, message = "" } = spokenIn(line) ?? {};
  // PostgreSQL writes two spaces behind a level (send_message_to_server_log in elog.c).
  if (space !== " " || saysNothing(`${level}: ${message}`)) return undefined;
  if (level === "LOG" && overByPostgres.test(message)) return "over";
  if ((level !== "FATAL" && level !== "PANIC") || !ofPostgres.test(message)) return undefined;
  const timeline = walRemoved.exec(message)?.[1];
  return unusable(
    message,
    timeline === undefined ? { type: "other" } : { type: "walRemoved", timeline: Number.parseInt(timeline, 16) },
  );
}

const unusable = (words: string, cause: UnusableCause): Unusable => ({
  words: shortened(words.replaceAll(/ {2,}/g, " ").trim(), maxLength),
  cause,
});
