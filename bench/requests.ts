// What a user asked of the API server, from its audit log: the server counts, nobody reports about himself.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

export interface Requests {
  /** Also those that were refused. */
  readonly writes: number;
  /** Gets and lists. Watches, which last, are none. */
  readonly reads: number;
}

/** @param from where to begin: `auditLogEnd` of an earlier moment */
export async function countRequests(auditLogPath: string, user: string, from: number): Promise<Requests> {
  let [writes, reads] = [0, 0];
  for await (const line of createInterface({ input: createReadStream(auditLogPath, { start: from }) })) {
    if (!line.includes(user)) continue;
    const event = JSON.parse(line) as { stage: string; verb: string; user?: { username?: string } };
    if (event.stage !== "ResponseComplete" || event.user?.username !== user || event.verb === "watch") continue;
    if (event.verb === "get" || event.verb === "list") reads += 1;
    else writes += 1;
  }
  return { writes, reads };
}
