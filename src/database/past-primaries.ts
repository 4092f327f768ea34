// Whether the data of a volume were ever written by a primary: by its own mark, and by Patroni's history. Pure.
import type { Endpoints, PersistentVolumeClaim } from "../runtime/index.ts";
import { annotations } from "./names.ts";

/**
 * False also where that is not known. The mark is written by the operator, which may be away or told to pause while another instance leads for
 * a while. Patroni then keeps the name of whoever was promoted at the end of a timeline, for as long as the Database is there:
 * [timeline, LSN, reason, time, name], in the annotation of its configuration's Endpoints (get_history in patroni/postgresql/__init__.py).
 * @param timeline that of the present primary
 */
export function neverLed(
  podName: string,
  volume: Readonly<PersistentVolumeClaim> | undefined,
  configuration: Readonly<Endpoints> | undefined,
  timeline: number | undefined,
): boolean {
  const marks = volume?.metadata.annotations;
  if (volume === undefined || timeline === undefined) return false;
  if (marks?.[annotations.lastPrimary] !== undefined || marks?.[annotations.retired] !== undefined) return false;
  // Whoever leads first is marked before there is a second instance.
  if (timeline === 1) return true;
  const lines = parseLines(configuration?.metadata.annotations?.["history"] ?? "");
  const isWhole = lines[0]?.timeline === 1 && lines.at(-1)?.timeline === timeline - 1;
  return isWhole && lines.every(({ promoted }) => typeof promoted === "string" && promoted !== podName);
}

function parseLines(text: string): readonly { readonly timeline: unknown; readonly promoted: unknown }[] {
  try {
    const lines: unknown = JSON.parse(text);
    if (!Array.isArray(lines)) return [];
    return lines.map((line: unknown) => (Array.isArray(line) ? { timeline: line[0], promoted: line[4] } : noLine));
  } catch {
    return [];
  }
}

const noLine = { timeline: undefined, promoted: undefined } as const;
