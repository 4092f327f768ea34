// One request that waits for its answer: its deadline and its signal, and that its end is told once.
import { ApiError } from "../errors.ts";
import type { Sending } from "./http-connection.ts";

/** What became of one request, for metrics. `code` is the HTTP status, or "<error>" when no answer came. */
export interface CompletedRequest {
  readonly method: string;
  readonly host: string;
  readonly code: string;
  /** Until the answer was read; of a watch until it was accepted. */
  readonly durationMs: number;
}

/** What a call is, and who wants to know of its end. */
export interface CallTerms {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly host: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onAnswer?: ((status: number) => void) | undefined;
  readonly observe?: ((request: CompletedRequest) => void) | undefined;
}

/** Errors of requests that were lost on a kept-alive connection which the server was closing. */
const lost = new WeakSet<ApiError>();

/** Whether the request may never have reached the server. */
export function isLost(error: ApiError): boolean {
  return lost.has(error);
}

/** How the promise of a call ends. */
interface Ends<T> {
  readonly resolve: (result: T) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Once it is over it holds neither what was sent nor what came: a signal's listeners know one another also when they were removed, and
 * one that grew old keeps all that came after it until the garbage is collected as a whole.
 */
export class PendingCall<T> {
  /** Set once it is sent, for as long as there is something to cancel. */
  sending: Sending | undefined;
  readonly #terms: CallTerms;
  /** Until it is over. */
  #ends: Ends<T> | undefined;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort: (() => void) | undefined;

  constructor(terms: CallTerms, ends: Ends<T>) {
    this.#terms = terms;
    this.#ends = ends;
    this.#timer = setTimeout(expire, terms.timeoutMs, this);
    if (terms.signal === undefined) return;
    this.#onAbort = () => this.#giveUp(terms.signal?.reason);
    terms.signal.addEventListener("abort", this.#onAbort);
  }

  /** e.g. "GET /api/v1/pods": without the query, which is enough to know what was asked. */
  get name(): string {
    return callName(this.#terms);
  }

  succeed(status: number, result: T): void {
    const ends = this.#finish();
    if (ends === undefined) return;
    ends.resolve(result);
    this.#tell(status);
  }

  refuse(status: number, error: ApiError): void {
    const ends = this.#finish();
    if (ends === undefined) return;
    ends.reject(error);
    this.#tell(status);
  }

  /** No answer came, and none is waited for. @param stale it may never have reached the server */
  fail(cause: unknown, stale = false): void {
    const error = noAnswer(this.#terms, cause);
    if (stale) lost.add(error);
    this.#giveUp(error);
  }

  /** For its timer. */
  expire(): void {
    this.fail(new Error(`no answer within ${this.#terms.timeoutMs} ms`));
  }

  #giveUp(error: unknown): void {
    const ends = this.#finish();
    if (ends === undefined) return;
    ends.reject(error);
    this.sending?.cancel();
    this.sending = undefined;
    this.#tell(undefined);
  }

  /** @returns undefined when it was over before */
  #finish(): Ends<T> | undefined {
    const ends = this.#ends;
    if (ends === undefined) return undefined;
    this.#ends = undefined;
    clearTimeout(this.#timer);
    if (this.#onAbort !== undefined) this.#terms.signal?.removeEventListener("abort", this.#onAbort);
    return ends;
  }

  #tell(status: number | undefined): void {
    const { method, host, observe, onAnswer } = this.#terms;
    const code = status === undefined ? "<error>" : String(status);
    observe?.({ method, host, code, durationMs: performance.now() - this.#startedAt });
    if (status !== undefined) onAnswer?.(status);
  }
}

/** One function for all timers. */
function expire(call: { expire(): void }): void {
  call.expire();
}

function callName({ method, path }: Pick<CallTerms, "method" | "path">): string {
  const query = path.indexOf("?");
  return `${method} ${query < 0 ? path : path.slice(0, query)}`;
}

/** The error of a request to which no answer came. */
export function noAnswer(asked: Pick<CallTerms, "method" | "path">, cause: unknown): ApiError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ApiError(`${callName(asked)}: ${why}`, { status: 0, reason: "NoAnswer", cause });
}
