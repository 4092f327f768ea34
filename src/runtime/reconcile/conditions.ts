// Conditions as in metav1.Condition: set, read and summarise them. Pure: time is an argument.

export type ConditionStatus = "True" | "False" | "Unknown";

/** https://kubernetes.io/docs/reference/kubernetes-api/definitions/condition-v1-meta/ */
export interface Condition {
  readonly type: string;
  readonly status: ConditionStatus;
  /** CamelCase, never empty. */
  readonly reason: string;
  readonly message: string;
  /** When `status` last changed; RFC 3339. */
  readonly lastTransitionTime: string;
  /** The generation of the spec that this speaks of. */
  readonly observedGeneration?: number;
}

export type NewCondition = Omit<Condition, "lastTransitionTime">;

/** The API allows 32768; nobody reads that much in `kubectl describe`. */
export const maxMessageLength = 1024;

/**
 * The list with this condition in it: in its old place, or at the end. `lastTransitionTime` moves only with `status`. The same
 * list comes back where nothing changes.
 */
export function setCondition(
  list: readonly Condition[] | undefined,
  condition: NewCondition,
  now: Date,
): readonly Condition[] {
  const conditions = list ?? [];
  const message = shortened(condition.message);
  const index = conditions.findIndex(({ type }) => type === condition.type);
  const old = conditions[index];
  // Whole seconds, as the API server writes them.
  const time = old?.status === condition.status ? old.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`;
  const next: Condition = { ...condition, message, lastTransitionTime: time };
  if (old === undefined) return [...conditions, next];
  const same =
    old.status === next.status &&
    old.reason === next.reason &&
    old.message === message &&
    old.observedGeneration === next.observedGeneration;
  return same ? conditions : conditions.with(index, next);
}

export function findCondition(list: readonly Condition[] | undefined, type: string): Condition | undefined {
  return list?.find((condition) => condition.type === type);
}

/** Whether it says True, and, where `generation` is given, says so of that generation or a later one. */
export function isTrue(list: readonly Condition[] | undefined, type: string, generation?: number): boolean {
  const condition = findCondition(list, type);
  if (condition?.status !== "True") return false;
  return generation === undefined || (condition.observedGeneration ?? 0) >= generation;
}

export interface SummaryOptions {
  /** The condition to make, e.g. "Ready". */
  readonly type: string;
  /** Which conditions count, the weightiest first, and the status that is healthy for each: `{ Available: "True", Degraded: "False" }`. */
  readonly healthy: Readonly<Record<string, "True" | "False">>;
  /** What to say when all are healthy. */
  readonly otherwise: { readonly reason: string; readonly message: string };
  readonly observedGeneration?: number;
}

/**
 * One condition out of several. False if any is unhealthy, else Unknown if any is unknown or missing, else True; with the reason
 * and message of the weightiest culprit.
 */
export function summarise(list: readonly (Condition | NewCondition)[], options: SummaryOptions): NewCondition {
  const { type, healthy, otherwise, observedGeneration } = options;
  const generation = observedGeneration === undefined ? {} : { observedGeneration };
  const parts = Object.entries(healthy).map(([part, status]) => {
    const found = list.find((condition) => condition.type === part);
    if (found === undefined || found.status === "Unknown") return { part, found, verdict: "Unknown" as const };
    return { part, found, verdict: found.status === status ? ("True" as const) : ("False" as const) };
  });
  const culprit =
    parts.find(({ verdict }) => verdict === "False") ?? parts.find(({ verdict }) => verdict === "Unknown");
  if (culprit === undefined) return { type, status: "True", ...otherwise, ...generation };
  const { part, found, verdict } = culprit;
  const { reason, message } = found ?? { reason: `${part}Unknown`, message: `${part} is not known yet` };
  return { type, status: verdict, reason, message, ...generation };
}

/** At most so many UTF-16 code units, no character cut in two; what is left out at the end shows as "…". */
export function shortened(text: string, maxLength = maxMessageLength): string {
  if (text.length <= maxLength) return text;
  return `${text
    .slice(0, maxLength - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, "")}…`;
}
