// The resource At, as TypeScript sees it. Its schema is manifests/crd.yaml.
import { defineKind, type Condition, type KubeObject } from "holdfast/runtime";

export interface At extends KubeObject {
  readonly spec: {
    /** RFC 3339. */
    readonly schedule: string;
    /** One line for a shell. */
    readonly command: string;
  };
  readonly status?: {
    readonly phase: "PENDING" | "RUNNING" | "DONE";
    readonly conditions: readonly Condition[];
  };
}

export const At = defineKind<At>({
  group: "cnat.programming-kubernetes.info",
  version: "v1alpha1",
  kind: "At",
  plural: "ats",
  namespaced: true,
});
