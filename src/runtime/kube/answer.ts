// The answer to an HTTP request → its body, or the ApiError that it means.
import type { IncomingMessage } from "node:http";
import { type ApiError, errorOfStatus } from "./errors.ts";

/** A 2xx answer as it is, for its body to be streamed. `call` says what was asked, e.g. "GET /api/v1/pods". */
export async function readHead(answer: IncomingMessage, call: string): Promise<IncomingMessage> {
  if (isFailure(answer)) await readBody(answer, call);
  return answer;
}

/** The whole body of a 2xx answer. Rejects with an ApiError for another one, with the socket's error for a broken one. */
export function readBody(answer: IncomingMessage, call: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.once("error", reject);
    answer.once("end", () => {
      const [first] = chunks;
      const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
      if (isFailure(answer)) reject(refusal(answer, body, call));
      else resolve(body);
    });
  });
}

function isFailure(answer: IncomingMessage): boolean {
  return answer.statusCode === undefined || answer.statusCode < 200 || answer.statusCode > 299;
}

function refusal(answer: IncomingMessage, body: Buffer, call: string): ApiError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    // A proxy in between answers HTML or plain text: the HTTP status alone must do.
  }
  return errorOfStatus(parsed, {
    call,
    status: answer.statusCode ?? 500,
    retryAfterMs: retryAfterMs(answer.headers["retry-after"], Date.now()),
  });
}

/** Seconds, or a date (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3). */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
