// The contract of Kubernetes Events. (Implementation to follow in this file.)
import type { KubeObject } from "./object.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** CamelCase, at most 128 characters; the same closed list as condition reasons. */
  readonly reason: string;
  /** What was being done, CamelCase, e.g. "Reconcile"; default: the reason. */
  readonly action?: string;
  /** For a person; cut at 1 kB. */
  readonly message: string;
}

/** Tells people what happened to an object. Never throws, never blocks: under load events are dropped. */
export interface EventRecorder {
  emit(regarding: KubeObject, note: EventNote): void;
}
