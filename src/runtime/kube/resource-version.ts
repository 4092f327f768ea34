// The order of resourceVersions. Pure.

/**
 * Negative, 0 or positive like a comparator; undefined when the two cannot be ordered. Only versions of one resource type may
 * be compared: they are decimal numbers of any length since Kubernetes 1.35, and were in practice before
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions). A server that sends anything else is left
 * with equality alone.
 */
export function compareVersions(one: string | undefined, other: string | undefined): number | undefined {
  if (one === undefined || other === undefined) return undefined;
  if (one === other) return 0;
  if (!isNumber(one) || !isNumber(other)) return undefined;
  if (one.length !== other.length) return one.length - other.length;
  return one < other ? -1 : 1;
}

/** Whether `one` is surely newer: false also where the two cannot be ordered. */
export function isNewer(one: string | undefined, other: string | undefined): boolean {
  return (compareVersions(one, other) ?? 0) > 0;
}

function isNumber(version: string): boolean {
  return /^(0|[1-9]\d*)$/.test(version);
}
