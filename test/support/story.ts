// What the stories on a real cluster have in common: the Database `orders`, its conditions, and how long things took.
import { eventually, read } from "./kubectl.ts";

/** The manifest of the Database `orders`, one instance unless said otherwise; nothing of it is kept. */
export function orders(namespace: string, spec: object = {}): object {
  return {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "Database",
    metadata: { name: "orders", namespace },
    spec: { version: "17", replicas: 1, storage: { size: "1Gi" }, deletionPolicy: "Delete", ...spec },
  };
}

export interface StoryCondition {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** A condition of `orders`, or undefined while it is not about the present spec. */
export async function conditionOf(namespace: string, type: string): Promise<StoryCondition | undefined> {
  const database = await read(namespace, "databases.holdfast.dev", "orders");
  const conditions: (StoryCondition & { type: string; observedGeneration: number })[] =
    database?.["status"]?.conditions ?? [];
  return conditions.find(
    (condition) => condition.type === type && condition.observedGeneration === database?.["metadata"].generation,
  );
}

/** Waits until Ready is false for this reason. @returns what it says */
export function untilNotReady(namespace: string, reason: string, timeoutMs = 180_000): Promise<StoryCondition> {
  return eventually(
    `${namespace}/orders is not Ready: ${reason}`,
    async () => {
      const ready = await conditionOf(namespace, "Ready");
      return ready?.status === "False" && ready.reason === reason ? ready : undefined;
    },
    timeoutMs,
  );
}

/** The Pods of the instances: name → uid. A Pod that was replaced has another uid. */
export function uidsOf(objects: readonly Record<string, any>[]): Record<string, string> {
  return Object.fromEntries(objects.map(({ metadata }) => [metadata.name as string, metadata.uid as string]));
}
