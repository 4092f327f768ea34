// One connection to an API server: a request at a time, and its answer. Node's own client has agents, streams and events for every
// use that there is of HTTP, and undici a parser that must be compiled first: ARCHITECTURE.md has what they cost.
import type { Socket } from "node:net";
import { AnswerParser, type AnswerSink } from "./answer-parser.ts";

/** What becomes of one request: head, data and end, or fails at any point of that. */
export interface Exchange extends AnswerSink {
  /** @param stale it was lost on a connection that had served before, and nothing of an answer had come */
  fail(error: Error, stale: boolean): void;
}

/** A request that waits for a connection, or has one. All is without effect once it has ended. */
export interface Sending {
  /** Lets the other end wait for its reader. */
  pause(): void;
  resume(): void;
  /** From now on it keeps the process alive: the answer is one without an end. */
  hold(): void;
  /** The request is given up: its exchange is told no end any more, and its connection goes. */
  cancel(): void;
}

/** Bytes of a request. `encoding` is latin1 where that makes the same bytes: it is cheaper. */
export interface RequestText {
  readonly text: string;
  readonly encoding: "latin1" | "utf8";
}

/** Connects, and tells what comes in a buffer that it uses again for what comes next. */
export type Dial = (read: (bytes: Buffer, length: number) => void) => Socket;

export interface ConnectionOwner {
  /** The answer is complete: it may be used again. */
  free(connection: HttpConnection): void;
  /** It is of no use any more. Told once. */
  gone(connection: HttpConnection): void;
}

export class HttpConnection {
  /** For its owner: since when nobody uses it. */
  idleSince = 0;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser = new AnswerParser();
  #exchange: Exchange | undefined;
  #hasServed = false;
  #isHeld = false;
  #isGone = false;

  /** @throws what `dial` throws; what fails later is told to the exchange */
  constructor(dial: Dial, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#socket = dial((bytes, length) => this.#read(bytes, length));
    // Whoever waits for an answer has a timer, and that keeps the process alive. To switch it for each request is dear.
    this.#socket.unref();
    const ended = (): void => this.#close();
    this.#socket.on("end", ended);
    this.#socket.on("close", ended);
    this.#socket.on("error", (error) => this.#end(error));
  }

  /** Sends a request, as soon as it is connected. The one before must have ended. */
  send({ text, encoding }: RequestText, exchange: Exchange): void {
    this.#exchange = exchange;
    this.#parser.expect(exchange);
    this.#socket.write(text, encoding);
  }

  pause(exchange: Exchange): void {
    if (this.#exchange === exchange) this.#socket.pause();
  }

  resume(exchange: Exchange): void {
    if (this.#exchange === exchange) this.#socket.resume();
  }

  hold(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#isHeld = true;
    this.#socket.ref();
  }

  /** Ends the connection, if it is still this one's, without a word to it. */
  cancel(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.#end(hangUp());
  }

  /** What is under way fails. */
  destroy(): void {
    this.#end(hangUp());
  }

  #read(bytes: Buffer, length: number): void {
    if (this.#isGone) return;
    try {
      this.#parser.feed(bytes, length);
    } catch (error) {
      return this.#end(error as Error);
    }
    if (this.#exchange === undefined || !this.#parser.isDone) return;
    this.#exchange = undefined;
    this.#hasServed = true;
    if (this.#isHeld) this.#socket.unref();
    this.#isHeld = false;
    // An answer to a request that was not sent to its end: the server may take the rest of it for another.
    if (this.#parser.isReusable && this.#socket.writableLength === 0) this.#owner.free(this);
    else this.#end(hangUp());
  }

  /** The other end has closed it. */
  #close(): void {
    if (this.#isGone) return;
    this.#parser.close();
    if (this.#parser.isDone) this.#exchange = undefined;
    this.#end(hangUp());
  }

  #end(error: Error): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#socket.destroy();
    this.#owner.gone(this);
    exchange?.fail(error, isHangUp(error) && this.#hasServed && !this.#parser.hasBegun);
  }
}

/** The other end has closed the connection, perhaps before it read what was sent. */
export function isHangUp({ code }: NodeJS.ErrnoException): boolean {
  return code === "ECONNRESET" || code === "EPIPE";
}

function hangUp(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}
