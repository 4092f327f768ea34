// What we send when we apply: the desired object without what an apply must not carry. Pure.
import type { KubeObject } from "../kube/object.ts";
import { isRecord } from "./paths.ts";

/** Written by the server alone; an intent that carried them would claim them, or be refused. */
const serverFields = new Set([
  "creationTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "selfLink",
  "uid",
]);

/**
 * The fields that we want, and only those: no status, no null or undefined (they mean absent), no server-written metadata.
 * `stringData` of a Secret becomes `data`: the server moves it there while it keeps `stringData` as owned, so it would never
 * be found equal again (https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data).
 */
export function intentOf<T extends KubeObject>(desired: T): T {
  const intent: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(desired)) {
    if (name !== "status" && value !== null && value !== undefined) intent[name] = withoutNulls(value);
  }
  const metadata = Object.entries(intent["metadata"] as Record<string, unknown>);
  intent["metadata"] = Object.fromEntries(metadata.filter(([name]) => !serverFields.has(name)));
  if (intent["kind"] === "Secret" && intent["apiVersion"] === "v1" && isRecord(intent["stringData"])) {
    const { stringData, data, ...rest } = intent;
    return { ...rest, data: { ...(data as Record<string, string>), ...inBase64(stringData) } } as unknown as T;
  }
  return intent as unknown as T;
}

function inBase64(stringData: unknown): Record<string, string> {
  const entries = Object.entries(stringData as Record<string, string>);
  return Object.fromEntries(entries.map(([name, value]) => [name, Buffer.from(value).toString("base64")]));
}

/** The value itself where there is nothing to leave out, as it nearly always is: an intent is made of each child at each pass. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(withoutNulls);
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  if (!isRecord(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(value)) {
    const member = value[name];
    const kept = member === null ? undefined : withoutNulls(member);
    if (kept === member && kept !== undefined) continue;
    copy ??= { ...value };
    if (kept === undefined) delete copy[name];
    else copy[name] = kept;
  }
  return copy ?? value;
}
