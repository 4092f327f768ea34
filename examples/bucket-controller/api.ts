// The resource Bucket, as TypeScript sees it. Its schema is manifests/crd.yaml.
import { defineKind, type Condition, type KubeObject } from "holdfast/runtime";
import type { ObjectRef, Tags } from "./store.ts";

export interface Bucket extends KubeObject {
  readonly spec: {
    readonly tags?: Tags;
    /** Tags that others keep, as JSON in the store. They are read, never written; those of the spec go before them. */
    readonly tagsFrom?: ObjectRef;
    /** Whether the bucket goes with the resource, and everything in it. Default Retain. */
    readonly deletionPolicy?: "Delete" | "Retain";
  };
  readonly status?: {
    /** Its name in the store. */
    readonly bucket: string;
    /** The tags that it was left with. */
    readonly tags?: Tags | undefined;
    /** Which version of `tagsFrom` is in them. */
    readonly tagsVersion?: string | undefined;
    readonly conditions: readonly Condition[];
  };
}

export const Bucket = defineKind<Bucket>({
  group: "storage.example.org",
  version: "v1alpha1",
  kind: "Bucket",
  plural: "buckets",
  namespaced: true,
});

/** Nobody else's: with the uid in it, neither a namesake's nor one that was there before. */
export function bucketOf({ metadata: { name, uid } }: Readonly<Bucket>): string {
  return `${name}-${uid}`;
}
