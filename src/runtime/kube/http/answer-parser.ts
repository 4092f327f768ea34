// Bytes of one connection → HTTP/1.1 answers: status and body. As https://www.rfc-editor.org/rfc/rfc9112 frames them, and no more of
// HTTP than an API server, or a proxy in front of it, answers to requests that ask for nothing special. Strict: what could be read in
// two ways is refused.

/** Told of one answer in this order; an answer without a body has no data. */
export interface AnswerSink {
  /** @param retryAfter the one header, beside those that frame the answer, that anybody here wants to know */
  head(status: number, retryAfter: string | undefined): void;
  /** Some of the body. The bytes are another's: they are overwritten after the call. */
  data(bytes: Buffer, start: number, end: number): void;
  end(): void;
}

const maxHeadBytes = 64 * 1024;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const headEnd = "\r\n\r\n";

/** A blank before a colon or at the begin of a line, or half of a line's end, would make other headers of it for others. */
const head = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n\0]*)?\r\n(?:[\w!#$%&'*+.^`|~-]+:[^\r\n\0]*\r\n)*$/;
/** The headers that matter. */
const known = /^(connection|content-length|transfer-encoding|retry-after):[ \t]*([^\r\n]*?)[ \t]*\r$/gim;

/** What is expected next. */
type State = "nothing" | "head" | "counted" | "size" | "chunk" | "chunkEnd" | "trailers" | "untilClose";

export class AnswerParser {
  #state: State = "nothing";
  #sink: AnswerSink | undefined;
  /** The beginning of a head or a line whose end has not come. */
  #pending: Buffer | undefined;
  /** Bytes of the body, or of the chunk, that have not come. */
  #left = 0;
  #hasBegun = false;
  #closes = false;

  /** An answer is expected from now on. The one before must have ended. */
  expect(sink: AnswerSink): void {
    this.#sink = sink;
    this.#state = "head";
    this.#hasBegun = false;
  }

  /** Whether no answer is expected, or the one that was has ended. */
  get isDone(): boolean {
    return this.#state === "nothing";
  }

  /** Whether another answer can come over this connection. */
  get isReusable(): boolean {
    return this.#state === "nothing" && !this.#closes;
  }

  /** Whether anything of the answer has come. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /**
   * Takes the first `length` of `bytes`, and keeps none of them.
   * @throws Error when this is not an HTTP answer, or none was asked for.
   */
  feed(bytes: Buffer, length: number): void {
    if (this.#state === "nothing") throw new Error("the server sent what nobody asked for");
    this.#hasBegun = true;
    let end = length;
    if (this.#pending !== undefined) {
      bytes = Buffer.concat([this.#pending, bytes.subarray(0, length)]);
      end = bytes.length;
      this.#pending = undefined;
    }
    for (let at = 0; at < end;) at = this.#take(bytes, at, end);
  }

  /** The other end sends no more. What it still owes never comes. */
  close(): void {
    this.#closes = true;
    if (this.#state === "untilClose") this.#end();
  }

  /** Answers where the next part begins. */
  #take(bytes: Buffer, at: number, end: number): number {
    switch (this.#state) {
      case "nothing":
        // The answer itself is whole. What came behind it makes no answer to whatever is asked next.
        this.#closes = true;
        return end;
      case "head": {
        const last = bytes.indexOf(headEnd, at, "latin1");
        if (last < 0 || last + headEnd.length > end) return this.#keep(bytes, at, end);
        // With the line feed of its last line, so that all lines have one.
        this.#head(bytes.toString("latin1", at, last + 2));
        return last + headEnd.length;
      }
      case "counted":
      case "chunk": {
        const next = Math.min(end, at + this.#left);
        this.#left -= next - at;
        this.#sink?.data(bytes, at, next);
        if (this.#left === 0 && this.#state === "chunk") this.#state = "chunkEnd";
        else if (this.#left === 0) this.#end();
        return next;
      }
      case "untilClose":
        this.#sink?.data(bytes, at, end);
        return end;
      case "size":
      case "chunkEnd":
      case "trailers": {
        const last = bytes.indexOf(lineFeed, at);
        if (last < 0 || last >= end) return this.#keep(bytes, at, end);
        if (last === at || bytes[last - 1] !== carriageReturn)
          throw new Error("the server ended a line in its own way");
        this.#line(bytes.toString("latin1", at, last - 1));
        return last + 1;
      }
    }
  }

  #keep(bytes: Buffer, at: number, end: number): number {
    if (end - at > maxHeadBytes) throw new Error("the server's headers do not end");
    this.#pending = Buffer.from(bytes.subarray(at, end));
    return end;
  }

  /** @param text its lines, each with its end */
  #head(text: string): void {
    const [, minor, code] = head.exec(text) ?? [];
    if (code === undefined) {
      throw new Error(
        text.startsWith("HTTP/1.") ? "the server's headers cannot be read" : "the server speaks no HTTP/1.1",
      );
    }
    const status = Number(code);
    if (status === 101) throw new Error("the server wants to speak something else");
    // "Continue" and the like: the answer itself is still to come.
    if (status < 200) return;

    let tokens = "";
    let length: string | undefined;
    let encoding: string | undefined;
    let retryAfter: string | undefined;
    known.lastIndex = 0;
    for (let match = known.exec(text); match !== null; match = known.exec(text)) {
      const [, name = "", value = ""] = match;
      switch (name.toLowerCase()) {
        case "connection":
          tokens += `,${value.toLowerCase()}`;
          break;
        case "content-length":
          length = single(length, value);
          break;
        case "transfer-encoding":
          encoding = single(encoding, value.toLowerCase());
          break;
        case "retry-after":
          retryAfter = value;
      }
    }
    const isOld = minor === "0";
    this.#closes = isOld ? !has(tokens, "keep-alive") : has(tokens, "close");
    this.#body(status, length, encoding, isOld);
    this.#sink?.head(status, retryAfter);
    if (this.#state === "counted" && this.#left === 0) this.#end();
  }

  /** What comes after the head: https://www.rfc-editor.org/rfc/rfc9112#section-6.3 */
  #body(status: number, length: string | undefined, encoding: string | undefined, isOld: boolean): void {
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new Error("the server sent no length");
    if (encoding !== undefined && (encoding !== "chunked" || length !== undefined || isOld)) {
      throw new Error(`the server answered in ${encoding}, which has no clear end here`);
    }
    this.#state = "counted";
    this.#left = length === undefined ? 0 : Number(length);
    if (status === 204 || status === 304) {
      // It has no body. If it says that it has one: who knows what comes.
      if (status === 204 && (this.#left > 0 || encoding !== undefined)) this.#closes = true;
      this.#left = 0;
    } else if (encoding !== undefined) {
      this.#state = "size";
    } else if (length === undefined) {
      this.#state = "untilClose";
      this.#closes = true;
    }
  }

  /** A line between the parts of a chunked body. */
  #line(line: string): void {
    if (this.#state === "chunkEnd") {
      if (line !== "") throw new Error("a chunk was longer than the server had said");
      this.#state = "size";
    } else if (this.#state === "trailers") {
      if (line === "") this.#end();
    } else {
      const [, size] = /^([\da-f]{1,12})(?:[ \t]*;.*)?$/i.exec(line) ?? [];
      if (size === undefined) throw new Error("the server sent a chunk without its size");
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? "trailers" : "chunk";
    }
  }

  #end(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#state = "nothing";
    sink?.end();
  }
}

/** Whether the word is one of those, each with a comma before it. */
function has(tokens: string, word: string): boolean {
  return tokens !== "" && tokens.split(",").some((token) => token.trim() === word);
}

/** @throws Error when two headers say different things about the same */
function single(before: string | undefined, now: string): string {
  if (before !== undefined && before !== now) throw new Error(`the server said ${before}, and ${now}`);
  return now;
}
