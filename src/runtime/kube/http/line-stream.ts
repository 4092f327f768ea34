// The lines of an answer as they come, for as long as they come. Whoever reads slowly lets the server wait, not the memory grow.
import type { Sending } from "./http-connection.ts";
import { LineDecoder } from "./lines.ts";

/** Lines that wait for their reader: so many characters, then the connection is not read on. */
const mostWaiting = 1 << 20;

/** No async iterable: each line would wait for promises of its own, though many come at once. */
export class LineStream {
  readonly #sending: () => Sending | undefined;
  readonly #decoder = new LineDecoder();
  readonly #give = (line: string): void => this.#add(line);
  #lines: string[] = [];
  #waiting = 0;
  #isPaused = false;
  #isOver = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param sending looked up when it is needed */
  constructor(sending: () => Sending | undefined) {
    this.#sending = sending;
  }

  /** Keeps nothing of the bytes. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    this.#decoder.add(bytes, start, end, this.#give);
    if (this.#waiting > mostWaiting && !this.#isPaused) {
      this.#isPaused = true;
      this.#sending()?.pause();
    }
    if (this.#lines.length > 0) this.#wake?.();
  }

  /** Nothing more comes. What has come is still read; `error` is thrown after it. */
  end(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error ?? (this.#decoder.incomplete ? new Error("the stream ended inside of a frame") : undefined);
    this.#wake?.();
  }

  /** Ends the connection, and the reading. */
  destroy(): void {
    this.#lines = [];
    this.#isOver = true;
    this.#error = undefined;
    this.#wake?.();
    this.#sending()?.cancel();
  }

  /** The next line that has come; undefined: there is none at the moment. */
  take(): string | undefined {
    const line = this.#lines.shift();
    if (line === undefined) return undefined;
    this.#waiting -= line.length;
    if (this.#isPaused && this.#waiting === 0) {
      this.#isPaused = false;
      this.#sending()?.resume();
    }
    return line;
  }

  /** For when there is none: waits for the next. False: none comes any more. @throws what ended the stream */
  async more(): Promise<boolean> {
    if (this.#lines.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    if (this.#lines.length > 0) return true;
    if (this.#error !== undefined) throw this.#error;
    return false;
  }

  #add(line: string): void {
    this.#lines.push(line);
    this.#waiting += line.length;
  }
}
