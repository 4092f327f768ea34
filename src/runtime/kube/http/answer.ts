// What an answer comes to: its body as text, or an ApiError where it is no success.
import { StringDecoder } from "node:string_decoder";
import { type ApiError, errorOfStatus } from "../errors.ts";

export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** A body in UTF-8 → text, as it comes: it may be cut anywhere, also inside of a character. */
export class BodyText {
  #text = "";
  /** Only where a piece does not end with ASCII, which JSON seldom does not. */
  #decoder: StringDecoder | undefined;

  add(bytes: Buffer, start: number, end: number): void {
    if (this.#decoder === undefined && (bytes[end - 1] ?? 0) < 0x80) {
      this.#text += bytes.toString("utf8", start, end);
    } else {
      this.#decoder ??= new StringDecoder("utf8");
      this.#text += this.#decoder.write(bytes.subarray(start, end));
    }
  }

  /** All of it. Called once. */
  end(): string {
    return this.#decoder === undefined ? this.#text : this.#text + this.#decoder.end();
  }
}

/** @param call what was asked, e.g. "GET /api/v1/pods" */
export function refusal(status: number, retryAfter: string | undefined, body: string, call: string): ApiError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    // A proxy in between answers HTML or plain text: the HTTP status alone must do.
  }
  return errorOfStatus(parsed, { call, status, retryAfterMs: retryAfterMs(retryAfter, Date.now()) });
}

/** Seconds, or a date (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3). */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
