// What was done to a child, told to people: in the log, and as an Event of its owner.
import type { EventRecorder } from "../kube/events.ts";
import type { Kind, KubeObject } from "../kube/object.ts";
import type { Log } from "../telemetry/log.ts";
import type { Owner } from "./ownership.ts";

/** @param how follows the name: ": an immutable field has changed" */
export function tell(
  owner: Owner,
  kind: Kind,
  { metadata: { name } }: Readonly<KubeObject>,
  what: "Created" | "Updated" | "Recreated" | "Deleted",
  how: string,
  { events, log }: { readonly events: EventRecorder; readonly log: Log },
): void {
  const message = `${what} ${kind.kind} ${name}${how}`;
  log.info({ kind: kind.kind, child: name }, message);
  events.emit(owner.object, { type: "Normal", reason: what, message });
}
