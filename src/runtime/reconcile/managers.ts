// Who else has a hand in a path: reads the managedFields of a live object. Pure.
import type { KubeObject } from "../kube/object.ts";
import { fieldAt, isRecord, itemAt, root, valueAt, type Place } from "./paths.ts";

/**
 * The other field managers that own `path`, or something above or below it; where none does (it was removed), the one that
 * wrote last. Needs an object from the API server: the cache keeps only our own entries.
 */
export function managersOf(live: Readonly<KubeObject>, path: string, ourselves: string): readonly string[] {
  const others = (live.metadata.managedFields ?? []).filter(
    ({ manager, subresource }) => manager !== ourselves && subresource !== "status",
  );
  const owners = others.filter(({ fieldsV1 }) => owns(fieldsV1 ?? {}, root, path));
  if (owners.length > 0) return [...new Set(owners.map(({ manager }) => manager ?? "unknown"))];
  const last = others.toSorted((a, b) => (a.time ?? "").localeCompare(b.time ?? "")).at(-1);
  return last === undefined ? [] : [last.manager ?? "unknown"];
}

function owns(fields: Readonly<Record<string, unknown>>, place: Place, path: string): boolean {
  return Object.entries(fields).some(([key, below]) => {
    if (key === "." || !isRecord(below)) return false;
    const here = placeOf(key, place);
    if (here.text === path || here.text.startsWith(`${path}.`) || here.text.startsWith(`${path}[`)) return true;
    const above = path.startsWith(`${here.text}.`) || path.startsWith(`${here.text}[`);
    return above && (Object.keys(below).length === 0 || owns(below, here, path));
  });
}

function placeOf(key: string, place: Place): Place {
  const rest = key.slice(2);
  if (key.startsWith("f:")) return fieldAt(place, rest);
  return key.startsWith("k:")
    ? itemAt(place, JSON.parse(rest) as Record<string, unknown>)
    : valueAt(place, JSON.parse(rest));
}
