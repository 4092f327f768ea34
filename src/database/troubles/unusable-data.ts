// Whether what a replica holds is of no use any more, by its log: it can never follow the primary again, whatever is restarted. Pure.
// Only what PostgreSQL and Patroni say of themselves counts, at levels that no client's statement reaches.
import { shortened } from "../../runtime/index.ts";

/** For a condition. */
const maxLength = 300;

/** It follows, or has been filled anew: what was said before is over. */
const isOver = /: +(?:started streaming WAL from primary|replica has been created using|Removing data directory)\b/;

/** Whom Patroni follows: what could not follow one may follow the next. */
const leader = /\bINFO: .*(?:Lock owner: |following a leader \()([\w-]+)/;

/** Words of Patroni's (one space behind the level), and why they are the end of a copy. */
const saidByPatroni: readonly RegExp[] = [
  // The first copy was cut off, or what identifies it is gone.
  /\bINFO: (data dir for the cluster is not empty, but system ID is invalid)\b/,
  // Another primary was followed, or led, than the one that there is, and pg_rewind cannot mend it.
  /\bERROR: (Failed to rewind from healthy primary: \S+)/,
];

/** Of the program itself, before it has a log: without what Patroni or PostgreSQL put in front. */
const saidBefore = /^postgres: (could not find the database system)/;

/** Words of PostgreSQL's (two spaces), of processes that no client speaks to: walreceiver.c, xlog.c, xlogrecovery.c, miscinit.c. */
const saidByPostgres = new RegExp(
  `\\b(?:FATAL|PANIC): {2}(.*(?:${[
    "requested WAL segment \\S+ has already been removed",
    "requested starting point \\S+ on timeline \\d+ is not in this server's history",
    "requested timeline \\d+ is not (?:a child of|in) this server's history",
    "could not locate (?:a valid|required) checkpoint record",
    "could not find redo location \\S+ referenced by checkpoint record",
    "incorrect checksum in control file",
    "control file contains invalid (?:checkpoint location|database cluster state)",
    'could not read file "global/pg_control": read \\d+ of \\d+',
    "backup_label contains data inconsistent with control file",
    "WAL contains references to invalid pages",
    '"[^"]*" is not a valid data directory',
    'required WAL directory "[^"]*" does not exist',
  ].join("|")}).*)$`,
);

/**
 * Why the data of a replica are of no use, in the words of its log; undefined where that does not say so. A primary whose timeline is
 * behind the replica's is not among the reasons: then the replica may have what the primary lacks.
 */
export function unusableFor(log: string): string | undefined {
  let words: string | undefined;
  let followed: string | undefined;
  for (const line of log.split(/\r?\n/)) {
    // A line that goes on begins with a tab.
    if (line.startsWith("\t")) continue;
    const named = leader.exec(line)?.[1];
    if (isOver.test(line) || (named ?? followed) !== (followed ?? named)) words = undefined;
    followed = named ?? followed;
    const said = [...saidByPatroni, saidBefore, saidByPostgres].flatMap((form) => form.exec(line)?.[1] ?? []);
    words = said[0] ?? words;
  }
  return words === undefined ? undefined : shortened(words.replaceAll(/ {2,}/g, " ").trim(), maxLength);
}
