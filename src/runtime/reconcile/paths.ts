// Paths into an object as people write them: spec.template.spec.containers[name=postgres].image. Pure.

/** Where a comparison stands: the readable path, and the plain field names on the way (list items add none). */
export interface Place {
  readonly text: string;
  readonly names: readonly string[];
}

export const root: Place = Object.freeze({ text: "", names: Object.freeze([]) });

const plainName = /^[\w-]+$/;

/** A comparison goes through hundreds of places, most of which nobody reads: they are written out when they are. */
class FieldPlace implements Place {
  readonly #parent: Place;
  readonly #name: string;

  constructor(parent: Place, name: string) {
    this.#parent = parent;
    this.#name = name;
  }

  get text(): string {
    const { text } = this.#parent;
    if (!plainName.test(this.#name)) return `${text}[${this.#name}]`;
    return text === "" ? this.#name : `${text}.${this.#name}`;
  }

  get names(): readonly string[] {
    return [...this.#parent.names, this.#name];
  }
}

type ItemKey = Readonly<Record<string, unknown>> | string | number;

class ItemPlace implements Place {
  readonly #list: Place;
  readonly #key: ItemKey | (() => ItemKey);

  constructor(list: Place, key: ItemKey | (() => ItemKey)) {
    this.#list = list;
    this.#key = key;
  }

  get text(): string {
    const key = typeof this.#key === "function" ? this.#key() : this.#key;
    const label =
      typeof key !== "object"
        ? key
        : Object.entries(key)
            .map(([name, value]) => `${name}=${String(value)}`)
            .join(",");
    return `${this.#list.text}[${label}]`;
  }

  get names(): readonly string[] {
    return this.#list.names;
  }
}

/** The place of a field: `a.b`, or `a[app.kubernetes.io/name]` where the name is not a plain word. */
export function fieldAt(place: Place, name: string): Place {
  return new FieldPlace(place, name);
}

/** The place of a list item that is known by the values of its key fields: `ports[port=5432,protocol=TCP]`. */
export function itemAt(place: Place, key: Extract<ItemKey, object> | (() => Extract<ItemKey, object>)): Place {
  return new ItemPlace(place, key);
}

/** The place of a list item that is its own value: `finalizers[holdfast.dev/cleanup]`. */
export function valueAt(place: Place, value: unknown): Place {
  return typeof value === "string" || typeof value === "number" ? new ItemPlace(place, value) : place;
}

/**
 * Field names of a path written as `a.b[odd/name].c`. List items cannot be named.
 * @throws Error when the path is not written that way.
 */
export function parsePath(text: string): readonly string[] {
  const names: string[] = [];
  const part = /(?:^|\.)([\w-]+)|\[([^\]=]+)\]/gy;
  let end = 0;
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    names.push((match[1] ?? match[2])!);
    end = part.lastIndex;
  }
  if (names.length === 0 || end !== text.length) throw new Error(`"${text}" is not a path like spec.selector`);
  return names;
}

/** What stands at these field names; undefined where anything on the way is missing or not an object. */
export function lookUp(object: unknown, names: readonly string[]): unknown {
  let value = object;
  for (const name of names) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** The JSON Pointer (RFC 6901) of these field names. */
export function pointerTo(names: readonly string[]): string {
  return names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** A JSON object, not a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
