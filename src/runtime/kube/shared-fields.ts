// What a field manager owns is the same for most objects of a kind, and takes as much memory as all else of an object: what is
// equal is held once.
type Fields = Readonly<Record<string, unknown>>;

/** More different ones under one name are not remembered: then they are not the same for most. */
const mostKnown = 8;

export class SharedFields {
  /** By the name of the field that they are about. */
  readonly #known = new Map<string, Fields[]>();

  /**
   * The same fields, with parts that are shared. May change what it is given, and what it gives must not be changed.
   * Of metadata each field is shared by itself, since owner references bear a uid of their own.
   */
  share(fields: Record<string, unknown>): Fields {
    for (const name of Object.keys(fields)) {
      const part = fields[name];
      if (name === "f:metadata" && isFields(part)) fields[name] = this.share(part);
      else if (name !== "f:ownerReferences" && isFields(part)) fields[name] = this.#one(name, part);
    }
    return fields;
  }

  #one(name: string, part: Fields): Fields {
    const known = this.#known.get(name);
    const same = known?.find((candidate) => areEqual(candidate, part));
    if (same !== undefined) return same;
    if (known === undefined) this.#known.set(name, [part]);
    else if (known.length < mostKnown) known.push(part);
    return part;
  }
}

function areEqual(one: Fields, other: Fields): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  for (const name of names) {
    const [a, b] = [one[name], other[name]];
    if (isFields(a) && isFields(b) ? !areEqual(a, b) : a !== b) return false;
  }
  return true;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
