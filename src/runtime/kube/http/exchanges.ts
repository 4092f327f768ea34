// The two ways to take an answer: as the text of its body, or as lines that stream.
import { BodyText, isSuccess, refusal } from "./answer.ts";
import type { Exchange } from "./http-connection.ts";
import { LineStream } from "./line-stream.ts";
import type { PendingCall } from "./pending-call.ts";

export class TextExchange implements Exchange {
  readonly #call: PendingCall<string>;
  readonly #body = new BodyText();
  #status = 0;
  #retryAfter: string | undefined;

  constructor(call: PendingCall<string>) {
    this.#call = call;
  }

  head(status: number, retryAfter: string | undefined): void {
    this.#status = status;
    this.#retryAfter = retryAfter;
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#body.add(bytes, start, end);
  }

  end(): void {
    const text = this.#body.end();
    this.#call.sending = undefined;
    if (isSuccess(this.#status)) this.#call.succeed(this.#status, text);
    else this.#call.refuse(this.#status, refusal(this.#status, this.#retryAfter, text, this.#call.name));
  }

  fail(error: Error, stale: boolean): void {
    this.#call.fail(error, stale);
  }
}

/** Its call succeeds with the head; a refusal is read to its end. */
export class StreamExchange implements Exchange {
  readonly #call: PendingCall<LineStream>;
  #stream: LineStream | undefined;
  #refused: BodyText | undefined;
  #status = 0;
  #retryAfter: string | undefined;

  constructor(call: PendingCall<LineStream>) {
    this.#call = call;
  }

  head(status: number, retryAfter: string | undefined): void {
    this.#status = status;
    this.#retryAfter = retryAfter;
    if (isSuccess(status)) {
      this.#stream = new LineStream(() => this.#call.sending);
      this.#call.sending?.hold();
      this.#call.succeed(status, this.#stream);
    } else {
      this.#refused = new BodyText();
    }
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#refused?.add(bytes, start, end);
    this.#stream?.push(bytes, start, end);
  }

  end(): void {
    this.#stream?.end();
    const text = this.#refused?.end();
    if (text === undefined) return;
    this.#call.refuse(this.#status, refusal(this.#status, this.#retryAfter, text, this.#call.name));
  }

  fail(error: Error, stale: boolean): void {
    this.#stream?.end(error);
    this.#call.fail(error, stale);
  }
}
