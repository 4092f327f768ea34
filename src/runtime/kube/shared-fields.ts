// What a field manager owns is the same for most objects of a kind, and takes as much memory as all else of an object: what is
// equal is held once.
type Fields = Record<string, unknown>;

/** More different ones than this are not remembered: then they are not the same for most. */
const mostKnown = 512;

export class SharedFields {
  readonly #known = new Map<string, unknown>();

  /**
   * The same fields, with parts that are shared. May change what it is given, and what it gives must not be changed.
   * Of metadata each field is shared by itself, since owner references bear a uid of their own.
   */
  share(fields: Fields): Fields {
    for (const name of Object.keys(fields)) {
      const part = fields[name];
      if (typeof part !== "object" || part === null) continue;
      fields[name] = name === "f:metadata" ? this.share(part as Fields) : this.#one(part);
    }
    return fields;
  }

  #one(part: object): unknown {
    const text = JSON.stringify(part);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size < mostKnown && !text.includes('\\"uid\\"')) this.#known.set(text, part);
    return part;
  }
}
