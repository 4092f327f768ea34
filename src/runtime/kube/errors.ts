// The two families of errors that a controller meets, and how to tell them apart. Everything that is neither terminal nor
// carries a time of its own is retried with backoff.

/** The `Status` object that the API server sends with a failure. */
export interface Status {
  kind: "Status";
  code?: number;
  reason?: string;
  message?: string;
  details?: {
    name?: string;
    kind?: string;
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
}

/** An answer of the API server other than success, or (status 0) no answer at all. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status; 0 when the request got no answer (refused, reset, timed out). */
  readonly status: number;
  /** The machine-readable reason of the Status, e.g. "AlreadyExists"; "NoAnswer" for status 0. */
  readonly reason: string;
  /** What the server asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly details: Status["details"];

  constructor(
    message: string,
    options: { status: number; reason: string; retryAfterMs?: number; details?: Status["details"]; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }
}

/**
 * The error that a `Status` describes: the body of a failed answer, or the object of an ERROR frame.
 * @param given.status the HTTP status of an answer; an ERROR frame has only the Status' own code
 */
export function errorOfStatus(
  body: unknown,
  given: { readonly call: string; readonly status?: number; readonly retryAfterMs?: number | undefined },
): ApiError {
  const told = (typeof body === "object" && body !== null ? body : {}) as Partial<Status>;
  const status = given.status ?? told.code ?? 500;
  const reason = told.reason ?? reasons[status] ?? "Unknown";
  const seconds = told.details?.retryAfterSeconds;
  const retryAfterMs = given.retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1_000);
  return new ApiError(`${given.call}: ${told.message ?? `the API server answered ${status}`}`, {
    status,
    reason,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    details: told.details,
  });
}

/** For answers that carry no Status (of a proxy, or of a filter that runs before the API machinery). */
const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** Waits for an edit: retrying the same input can only fail again. A new event still reconciles. */
export class TerminalError extends Error {
  override readonly name: string = "TerminalError";
  /** CamelCase: condition reason, Event reason and metric label. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** A failure that says itself when to try again. */
export class RetryAfterError extends Error {
  override readonly name = "RetryAfterError";
  readonly afterMs: number;
  /** CamelCase, as of a TerminalError; undefined where it has no name of its own. */
  readonly reason: string | undefined;

  constructor(message: string, afterMs: number, options: ErrorOptions & { readonly reason?: string } = {}) {
    super(message, options);
    this.afterMs = afterMs;
    this.reason = options.reason;
  }
}

const has = (error: unknown, test: (api: ApiError) => boolean): boolean => error instanceof ApiError && test(error);

export const isNotFound = (error: unknown): boolean => has(error, (api) => api.status === 404);
export const isConflict = (error: unknown): boolean =>
  has(error, (api) => api.status === 409 && api.reason !== "AlreadyExists");
export const isAlreadyExists = (error: unknown): boolean =>
  has(error, (api) => api.status === 409 && api.reason === "AlreadyExists");
export const isForbidden = (error: unknown): boolean => has(error, (api) => api.status === 403);
/** 400 and 422: the API server refuses this body, and would again. */
export const isRefused = (error: unknown): boolean => has(error, (api) => api.status === 400 || api.status === 422);
/** The resourceVersion or continue token is too old: list again. Comes as HTTP 410 or inside a watch. */
export const isExpired = (error: unknown): boolean =>
  has(error, (api) => api.status === 410 || api.reason === "Expired" || api.reason === "Gone");
/** The API server is behind the resourceVersion that was asked for (a restarted or lagging server). */
export const isFutureVersion = (error: unknown): boolean =>
  has(
    error,
    (api) =>
      api.status === 504 && (api.details?.causes?.some((cause) => cause.reason === "ResourceVersionTooLarge") ?? false),
  );
export const isTooManyRequests = (error: unknown): boolean => has(error, (api) => api.status === 429);
export const isNoAnswer = (error: unknown): boolean => has(error, (api) => api.status === 0);
