// The times of Leases and Events. Pure.

/** The API server takes six digits and nothing else (https://github.com/kubernetes-client/javascript/issues/828). */
export function microTime(date: Date): string {
  return date.toISOString().replace("Z", "000Z");
}
