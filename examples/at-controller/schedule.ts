// RFC 3339 → instant. Date.parse alone would take more (a date without a time zone, the 30th of February).
import { TerminalError } from "holdfast/runtime";

const rfc3339 = /^(\d{4}-\d\d-\d\d)[T ]([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):\d\d)$/i;

/** Milliseconds since 1970. @throws TerminalError `InvalidSchedule`: only an edit helps. */
export function instantOf(schedule: string): number {
  const [, day] = rfc3339.exec(schedule) ?? [];
  const exists = day !== undefined && new Date(`${day}T00:00Z`).toJSON()?.startsWith(day);
  const instant = exists ? Date.parse(schedule) : NaN;
  if (!Number.isNaN(instant)) return instant;
  throw new TerminalError(
    "InvalidSchedule",
    `spec.schedule "${schedule}" is not an instant of RFC 3339, such as 2026-02-10T20:30:00Z`,
  );
}
