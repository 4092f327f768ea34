// The contract of the cache. (Implementation to follow in this file.)
import type { Key, Kind, KubeObject, Ref } from "./object.ts";

/** What became of one object in the cache. Handlers see both sides, so that a moved child wakes both owners. */
export type Delta<T extends KubeObject = KubeObject> =
  | { readonly type: "initial" | "added"; readonly object: Readonly<T> }
  | { readonly type: "updated"; readonly old: Readonly<T>; readonly object: Readonly<T> }
  /** `finalStateUnknown`: the deletion was found by a relist; `object` is the last state known. */
  | { readonly type: "deleted"; readonly object: Readonly<T>; readonly finalStateUnknown: boolean };

export interface CacheListOptions {
  readonly namespace?: string;
  /** Every pair must match. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Only objects with an owner reference of this uid (indexed). */
  readonly ownerUid?: string;
}

/** Reads from memory, own writes included. Objects are shared and frozen in tests: never change them. */
export interface Cache {
  get<T extends KubeObject>(kind: Kind<T>, ref: Ref): Readonly<T> | undefined;
  list<T extends KubeObject>(kind: Kind<T>, options?: CacheListOptions): readonly Readonly<T>[];
}

export type { Key };
