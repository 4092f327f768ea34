// What wakes which key: from a change in the cache to the object itself, its controller, or what a map function says. Pure.
import { controllerOf, groupOf, keyOf, refTo, type Key, type Kind, type KubeObject, type Ref } from "../kube/object.ts";
import type { Cache, Delta } from "../kube/store.ts";
import type { Predicate } from "./predicates.ts";

/** Which objects of a kind to watch. There is one watch (and one cache) a kind in a manager. */
export interface WatchOptions<T extends KubeObject> {
  /** A label selector, e.g. "app.kubernetes.io/managed-by=holdfast". */
  readonly labels?: string;
  /** A field selector. */
  readonly fields?: string;
  /** Drops what nobody reads before it is stored. managedFields of others are dropped always. */
  readonly transform?: (object: T) => T;
  /** Which changes wake a key; all of them reach the cache. Default: every change. */
  readonly when?: Predicate<T>;
}

interface OthersOptions {
  /**
   * A pass knows what it wrote: the answer says it, and the cache shows it at once. So the echo of its own write does not wake
   * its key, and who wants another pass after a write asks for it with `requeue(0)`. true: be woken all the same.
   */
  readonly wakeOnOwnWrites?: boolean;
}

/** A kind whose objects carry a controller reference to ours. */
export interface Owned<T extends KubeObject> extends WatchOptions<T>, OthersOptions {
  readonly kind: Kind<T>;
}

/** A kind that wakes objects of ours in some other way. */
export interface Watched<T extends KubeObject> extends WatchOptions<T>, OthersOptions {
  readonly kind: Kind<T>;
  /** The objects to reconcile when this one changed. Called with the old and the new object. A throw is logged and ignored. */
  readonly map: (object: Readonly<T>, cache: Cache) => Iterable<Ref>;
}

/** All that a controller watches. */
export interface Watches<T extends KubeObject> extends WatchOptions<T> {
  readonly for: Kind<T>;
  readonly owns?: readonly Owned<any>[];
  readonly watches?: readonly Watched<any>[];
}

/** One kind that wakes keys. */
export interface Wake {
  readonly kind: Kind;
  /** The controller's own kind: key and object are one. */
  readonly own: boolean;
  readonly options: WatchOptions<any> & OthersOptions;
  readonly refs: (object: KubeObject, cache: Cache) => Iterable<Ref>;
}

/** All that wakes a controller, its own kind first. */
export function wakes<T extends KubeObject>(controller: Watches<T>): readonly Wake[] {
  return [
    { kind: controller.for, own: true, options: controller, refs: (object) => [refTo(object)] },
    ...(controller.owns ?? []).map((owned) => ({
      kind: owned.kind as Kind,
      own: false,
      options: owned,
      refs: (object: KubeObject) => ownerRefs(controller.for, object),
    })),
    ...(controller.watches ?? []).map((watched) => ({
      kind: watched.kind as Kind,
      own: false,
      options: watched,
      refs: watched.map as Wake["refs"],
    })),
  ];
}

/** Both sides of an update count: an object that moved from one owner to another wakes both. */
export function keysOf(wake: Wake, delta: Delta, cache: Cache): ReadonlySet<Key> {
  const keys = new Set<Key>();
  for (const ref of wake.refs(delta.object, cache)) keys.add(keyOf(ref));
  if (delta.type === "updated" && !wake.own) for (const ref of wake.refs(delta.old, cache)) keys.add(keyOf(ref));
  return keys;
}

/** The controlling owner if it is of `kind`, in whatever version. Owners live in their children's namespace. */
function ownerRefs(kind: Kind, object: KubeObject): readonly Ref[] {
  const owner = controllerOf(object);
  if (owner === undefined || owner.kind !== kind.kind || groupOf(owner.apiVersion) !== kind.group) return [];
  const { namespace } = object.metadata;
  return [kind.namespaced && namespace !== undefined ? { namespace, name: owner.name } : { name: owner.name }];
}
