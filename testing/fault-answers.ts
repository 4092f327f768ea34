// Answers that the proxy makes itself, and what it reads in those of the API server. Pure.

const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** The `Status` that an API server sends with a failure. */
export function statusOf(code: number, retryAfterSeconds: number | undefined): object {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  const reason = reasons[code] ?? "Unknown";
  return {
    apiVersion: "v1",
    kind: "Status",
    status: "Failure",
    code,
    reason,
    message: "by the fault proxy",
    ...details,
  };
}

/** The path of a list, in pages of so many objects. */
export function withLimit(path: string, limit: number): string {
  const url = new URL(path, "http://proxy");
  url.searchParams.set("limit", String(limit));
  return url.pathname + url.search;
}

/** The version of the object or list in an answer, where it has one. */
export function versionIn(body: Buffer): string | undefined {
  try {
    return (JSON.parse(body.toString("utf8")) as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion;
  } catch {
    return undefined;
  }
}
