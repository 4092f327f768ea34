// Bytes of a watch → its lines: a frame has one. Splits bytes, never text, so a character or a line may be cut anywhere.

const newline = 0x0a;

/** Takes bytes as they come and gives the lines that they complete. A line of many pieces is put together once, not once a piece. */
export class LineDecoder {
  #pending: Buffer[] = [];

  /** Keeps a copy of what belongs to a line whose end has not come, and of the bytes nothing. Empty lines are none. */
  add(bytes: Buffer, start: number, end: number, give: (line: string) => void): void {
    let from = start;
    for (let at = bytes.indexOf(newline, from); at >= 0 && at < end; at = bytes.indexOf(newline, from)) {
      const line = this.#take(bytes, from, at);
      from = at + 1;
      if (line !== "") give(line);
    }
    if (from < end) this.#pending.push(Buffer.from(bytes.subarray(from, end)));
  }

  /** Whether a line has begun that has not ended. */
  get incomplete(): boolean {
    return this.#pending.length > 0;
  }

  #take(bytes: Buffer, start: number, end: number): string {
    if (this.#pending.length === 0) return bytes.toString("utf8", start, end);
    const line = Buffer.concat([...this.#pending, bytes.subarray(start, end)]).toString("utf8");
    this.#pending = [];
    return line;
  }
}
