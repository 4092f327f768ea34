// Where the live object is not what we want: desired against live, seen through what our field manager owns. Pure.
// May say "different" wrongly (one apply without effect), never "the same" wrongly.
import { groupOf, type KubeObject, type ManagedFieldsEntry } from "../kube/object.ts";
import { isMergedList, isMergedObject } from "./granularity.ts";
import { intentOf } from "./intent.ts";
import { fieldAt, isRecord, itemAt, lookUp, parsePath, root, valueAt, type Place } from "./paths.ts";
import { dialectOf, sameValue, type Dialect } from "./same-value.ts";

export interface Difference {
  /** For people: `spec.template.spec.containers[name=postgres].image`. Never holds a value of the object. */
  readonly path: string;
  /**
   * - "changed": ours, but not the value that we want now.
   * - "unowned": wanted, and nobody's or somebody else's: never applied, or taken from us.
   * - "removed": ours, and no longer wanted.
   * - "reordered": the items are there, in another order.
   * - "forbidden": set by anybody, although it must be absent; or a list that must be ours as a whole and is not.
   */
  readonly type: "changed" | "unowned" | "removed" | "reordered" | "forbidden";
}

export interface DiffOptions {
  /** Paths (`spec.selector`) that nobody may set. */
  readonly absent?: readonly string[];
  /** Paths of lists (`spec.ports`) into which nobody else may put items. */
  readonly whole?: readonly string[];
}

/** A node of FieldsV1: "f:name", "k:{…}", "v:…", "i:0" and ".". A leaf has no members. */
type Owned = Readonly<Record<string, unknown>>;

interface Walk {
  readonly dialect: Dialect;
  readonly report: (place: Place, type: Difference["type"]) => void;
}

/**
 * The paths where an apply of `desired` by `fieldManager` would change `live`; none when it would change nothing.
 *
 * A wanted value that happens to stand in live but is not ours (no entry in managedFields) is a difference: unowned, its later
 * removal from `desired` could not be seen. That costs one apply, after which we own it.
 *
 * Absent and null are the same, as are zero values that the server leaves out of fields which we own. An empty list is wanted
 * only where something stands in its place. Knowing no schema costs one apply without effect a pass for each of these, so better
 * not write them: a zero value inside of an atomic field, an empty object or list of a custom resource into which others write,
 * a list key that only a custom resource's schema supplies.
 */
export function diff(
  desired: KubeObject,
  live: Readonly<KubeObject>,
  fieldManager: string,
  options: DiffOptions = {},
): readonly Difference[] {
  const found: Difference[] = [];
  const walk: Walk = {
    dialect: dialectOf(groupOf(desired.apiVersion), desired.kind),
    report: ({ text }, type) => void found.push({ path: text, type }),
  };
  const entry = live.metadata.managedFields?.find((candidate) => isOurs(candidate, fieldManager));
  if (entry !== undefined && entry.apiVersion !== desired.apiVersion) {
    walk.report(fieldAt(root, "apiVersion"), "changed");
  }
  const intent = withoutIdentity(intentOf(desired));
  compareFields(intent, live, entry?.fieldsV1 ?? {}, root, walk);
  for (const text of options.absent ?? []) {
    if (!isEmpty(lookUp(live, parsePath(text)))) walk.report({ ...root, text }, "forbidden");
  }
  for (const text of options.whole ?? []) {
    // An item that somebody has given another key is a missing one of ours and a strange one more: as many as before.
    const count = (object: unknown): number => itemsAt(object, text).length;
    const differs = found.some(({ path }) => path === text || path.startsWith(`${text}[`));
    if (differs || count(live) !== count(intent)) {
      walk.report({ ...root, text }, "forbidden");
    }
  }
  return found;
}

function itemsAt(object: unknown, text: string): readonly unknown[] {
  const value = lookUp(object, parsePath(text));
  return Array.isArray(value) ? value : [];
}

function isOurs(entry: ManagedFieldsEntry, fieldManager: string): boolean {
  return entry.manager === fieldManager && entry.operation === "Apply" && (entry.subresource ?? "") === "";
}

/** What names an object is nobody's in managedFields. */
function withoutIdentity(intent: KubeObject): Readonly<Record<string, unknown>> {
  const metadata = omit(intent.metadata, "name", "namespace");
  const content = omit(intent, "apiVersion", "kind", "metadata");
  return Object.keys(metadata).length === 0 ? content : { metadata, ...content };
}

function omit(object: object, ...names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

function compareFields(
  desired: Readonly<Record<string, unknown>>,
  live: unknown,
  owned: Owned,
  place: Place,
  walk: Walk,
): void {
  const there = isRecord(live) ? live : {};
  let matched = 0;
  for (const name of Object.keys(desired)) {
    const standing = Object.hasOwn(there, name) ? there[name] : undefined;
    const part = member(owned, ownedName(name));
    if (part !== undefined) matched += 1;
    compareValue(desired[name], standing, part, fieldAt(place, name), walk);
  }
  // As many as were found: none is left over, as nearly always.
  const fields = Object.keys(owned).length - (Object.hasOwn(owned, ".") ? 1 : 0);
  if (fields === matched) return;
  for (const key of Object.keys(owned)) {
    if (key.startsWith("f:") && !Object.hasOwn(desired, key.slice(2))) {
      walk.report(fieldAt(place, key.slice(2)), "removed");
    }
  }
}

function compareValue(desired: unknown, live: unknown, owned: Owned | undefined, place: Place, walk: Walk): void {
  if (owned === undefined) compareUnowned(desired, live, place, walk);
  else if (isLeaf(owned)) compareLeaf(desired, live, place, walk);
  else if (Array.isArray(desired)) compareList(desired, Array.isArray(live) ? live : [], owned, place, walk);
  else if (isRecord(desired)) compareFields(desired, live, owned, place, walk);
  else walk.report(place, "changed");
}

function compareUnowned(desired: unknown, live: unknown, place: Place, walk: Walk): void {
  if (isRecord(desired) && Object.keys(desired).length > 0) {
    // Down to the leaves where something stands already: the report then says which of them are to change hands.
    if (isRecord(live)) compareFields(desired, live, {}, place, walk);
    else if (claimsSomething(desired)) walk.report(place, "unowned");
    return;
  }
  const saysNothing = Array.isArray(desired) && desired.length === 0;
  if (saysNothing && (isEmpty(live) || isMergedList(place, walk.dialect))) return;
  walk.report(place, "unowned");
}

/** A value that is owned as one: a scalar, an atomic list or object, or an object that was empty when it was applied. */
function compareLeaf(desired: unknown, live: unknown, place: Place, walk: Walk): void {
  if (live === undefined || live === null) {
    // Ours, and not there: the server has left out the zero value that we applied last.
    if (!isZero(desired)) walk.report(place, "changed");
  } else if (isRecord(desired) && isMergedObject(place, walk.dialect)) {
    compareFields(desired, live, {}, place, walk);
  } else if (!sameValue(desired, live, place, walk.dialect)) {
    walk.report(place, "changed");
  }
}

/** A list of which single items are owned. */
function compareList(
  desired: readonly unknown[],
  live: readonly unknown[],
  owned: Owned,
  place: Place,
  walk: Walk,
): void {
  const { items, isMap, idOf, at } = ownedItemsOf(owned);
  if (items === undefined) {
    if (!sameValue(desired, live, place, walk.dialect)) walk.report(place, "changed");
    return;
  }
  const positions = live.map(idOf);
  const wanted = new Set<string>();
  let last = -1;
  let inOrder = true;
  for (const item of desired) {
    const id = idOf(item);
    if (id === undefined) {
      walk.report(place, "changed");
      return;
    }
    wanted.add(id);
    const ownedItem = items.get(id)?.owned;
    const index = positions.indexOf(id);
    if (ownedItem === undefined) {
      walk.report(at(place, item), "unowned");
    } else if (index < 0 || positions.includes(id, index + 1)) {
      walk.report(at(place, item), "changed");
    } else {
      if (isMap) compareItem(item, live[index], ownedItem, at(place, item), walk);
      inOrder &&= index > last;
      last = index;
    }
  }
  if (!inOrder) walk.report(place, "reordered");
  for (const [id, { item }] of items) if (!wanted.has(id)) walk.report(at(place, item), "removed");
}

/** What of a list is owned: items by the values of key fields (k:), by value (v:) or by index (i:). */
interface OwnedItems {
  /** By `idOf`, with what stood in the key. Absent: by index. */
  readonly items: ReadonlyMap<string, { readonly item: unknown; readonly owned: Owned | undefined }> | undefined;
  readonly isMap: boolean;
  /** The same for items that mean the same one; undefined for what cannot be one. */
  readonly idOf: (item: unknown) => string | undefined;
  readonly at: (list: Place, item: unknown) => Place;
}

/** Made once for each, since the cache holds only once what many objects have alike: all but the references to an owner. */
const ownedItems = new WeakMap<Owned, OwnedItems>();

function ownedItemsOf(owned: Owned): OwnedItems {
  const known = ownedItems.get(owned);
  if (known !== undefined) return known;
  const keys = Object.keys(owned).filter((key) => key !== ".");
  const first = keys.find((key) => key.startsWith("k:"));
  const isMap = first !== undefined;
  const { idOf, at } = isMap ? byKeyFields(Object.keys(valueIn(first) as object).toSorted()) : byValue;
  const items = new Map<string, { item: unknown; owned: Owned | undefined }>();
  const byIndex = keys.some((key) => key.startsWith("i:"));
  for (const key of byIndex ? [] : keys) {
    const item = valueIn(key);
    const id = idOf(item);
    if (id !== undefined) items.set(id, { item, owned: member(owned, key) });
  }
  const made = { items: byIndex ? undefined : items, isMap, idOf, at };
  if (!keys.some((key) => key.includes('"uid"'))) ownedItems.set(owned, made);
  return made;
}

/** The key of a list item in FieldsV1: `k:{"name":"db"}`, `v:"text"`. */
function valueIn(key: string): unknown {
  return JSON.parse(key.slice(2));
}

/** An item that is owned as one is one value: of one that is merged, at least the key fields are owned. */
function compareItem(desired: unknown, live: unknown, owned: Owned, place: Place, walk: Walk): void {
  if (!isLeaf(owned)) compareValue(desired, live, owned, place, walk);
  else if (!sameValue(desired, live, place, walk.dialect)) walk.report(place, "changed");
}

/** The only default among the key fields of the built-in types. Without it `{port: 53}` could not be found again. */
const keyDefaults: Readonly<Record<string, unknown>> = { protocol: "TCP" };

function byKeyFields(names: readonly string[]): Pick<OwnedItems, "idOf" | "at"> {
  return {
    idOf(item) {
      if (!isRecord(item)) return undefined;
      let id = "k:";
      for (const name of names) {
        const value = item[name] ?? keyDefaults[name];
        if (value === undefined) return undefined;
        // Nearly always one text; a number and its digits are two.
        id += typeof value === "string" ? `"${value}"\0` : `${JSON.stringify(value)}\0`;
      }
      return id;
    },
    at: (list, item) =>
      itemAt(list, () => {
        const there = isRecord(item) ? item : {};
        return Object.fromEntries(names.map((name) => [name, there[name] ?? keyDefaults[name]]));
      }),
  };
}

const byValue: Pick<OwnedItems, "idOf" | "at"> = { idOf: (item) => `v:${JSON.stringify(item)}`, at: valueAt };

/** "f:name" of "name": made once, since a text that is put together has to be looked up before it can be a name. */
function ownedName(name: string): string {
  const known = ownedNames.get(name);
  if (known !== undefined) return known;
  const made = `f:${name}`;
  if (ownedNames.size < 4_096) ownedNames.set(name, made);
  return made;
}

const ownedNames = new Map<string, string>();

function member(owned: Owned, key: string): Owned | undefined {
  const value = Object.hasOwn(owned, key) ? owned[key] : undefined;
  return isRecord(value) ? value : undefined;
}

function isLeaf(owned: Owned): boolean {
  return Object.keys(owned).length === 0;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === null || (isRecord(value) && Object.keys(value).length === 0);
}

function isZero(value: unknown): boolean {
  return value === false || value === 0 || value === "" || isEmpty(value);
}

/** Whether an apply of it would claim anything: lists without items claim nothing. */
function claimsSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (!isRecord(value)) return true;
  const members = Object.values(value);
  return members.length === 0 || members.some(claimsSomething);
}
