// Bytes of a watch → the JSON values in them, one a line. Splits bytes, never text, so a character or a frame may be cut anywhere.

const newline = 0x0a;

/** Takes chunks as they come and gives the frames that they complete. A frame of many chunks is copied once, not once a chunk. */
export class FrameDecoder {
  #pending: Buffer[] = [];

  /** @throws SyntaxError when a line is not JSON. */
  *decode(chunk: Buffer): Generator<unknown, void> {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.#take(chunk, start, end);
      start = end + 1;
      if (line !== "") yield JSON.parse(line);
    }
    if (start < chunk.length) this.#pending.push(start === 0 ? chunk : chunk.subarray(start));
  }

  /** Whether the stream stopped inside of a frame. */
  get incomplete(): boolean {
    return this.#pending.length > 0;
  }

  #take(chunk: Buffer, start: number, end: number): string {
    if (this.#pending.length === 0) return chunk.toString("utf8", start, end);
    const line = Buffer.concat([...this.#pending, chunk.subarray(start, end)]).toString("utf8");
    this.#pending = [];
    return line;
  }
}
