// Child reconcilers as data, and the one loop that brings them about: desired → stamp → diff → apply | skip → prune.
import type { ApplyOptions, KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { Kind, KubeObject } from "../kube/object.ts";
import type { Cache } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";

/** One kind of object that a parent `P` (already resolved) consists of. Special cases are values here, never methods. */
export interface Child<P, T extends KubeObject> {
  readonly kind: Kind<T>;
  /** Pure: what must exist. An empty array means that none may exist. */
  readonly desired: (parent: P) => readonly T[];
  /** "createOnce": content is never written again after the creation (generated Secrets). Default "apply". */
  readonly mode?: "apply" | "createOnce";
  /** "owned": delete what is ours and no longer desired. "never": it goes by a planned act elsewhere. Default "owned". */
  readonly prune?: "owned" | "never";
  /** What to do when the API server refuses a change of an immutable field. Default "refuse" (a TerminalError). */
  readonly onImmutable?: "refuse" | "recreate" | "recreate-orphaning";
  /**
   * "controller": a controller ownerReference, so that garbage collection follows. "annotation": only the owner's uid as
   * annotation, for what must outlive its owner. Default "controller".
   */
  readonly ownership?: "controller" | "annotation";
  /** Dotted paths that must not be set by anybody, since they change the meaning (a selector on a selector-less Service). */
  readonly absent?: readonly string[];
  /** Names of children without which this one is not tried in the same pass. */
  readonly needs?: readonly string[];
}

// biome/oxlint: `any` is the only bound that keeps each child's own T.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Children<P> = Readonly<Record<string, Child<P, any>>>;

declare const applied: unique symbol;
/** An object that the API server holds (answered by it, or found equal in the cache): never one that was only built. */
export type Applied<T extends KubeObject> = Readonly<T> & { readonly [applied]: true };

type KindOf<C> = C extends { readonly kind: Kind<infer T> } ? T : never;
/** What `applyChildren` answers: for each child its live objects. A child that failed or was not tried is absent. */
export type AppliedChildren<C> = { readonly [Name in keyof C]?: readonly Applied<KindOf<C[Name]>>[] };

export interface ChildFailure {
  readonly child: string;
  readonly error: Error;
}

/** How a family of children is marked and written. */
export interface ApplyConfig extends Pick<ApplyOptions, "fieldManager"> {
  /** Stamped on every child; prune touches nothing without them. E.g. app.kubernetes.io/managed-by. */
  readonly labels: Readonly<Record<string, string>>;
  /** Annotation that carries the owner's uid where `ownership` is "annotation". */
  readonly ownerUidAnnotation: string;
}

/** What applying needs of the world. */
export interface ApplyContext {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly signal: AbortSignal;
}
