// Which changes of an object wake a key. Pure. Only updates are ever held back: what appears, begins to go or goes always passes,
// and so does an object that took the place of a namesake (another uid).
import type { KubeObject } from "../kube/object.ts";
import type { Delta } from "../kube/store.ts";
import { isBeginning } from "./beginnings.ts";

export type Predicate<T extends KubeObject = KubeObject> = (delta: Delta<T>) => boolean;

/** Compares the two sides of an update. */
function whenUpdated(differ: (old: KubeObject, object: KubeObject) => boolean): Predicate {
  return (delta) => delta.type !== "updated" || isBeginning(delta) || differ(delta.old, delta.object);
}

/** The spec changed. Not so: status, labels, annotations, finalizers. Not every built-in kind has a generation. */
export const generationChanged: Predicate = whenUpdated(
  (old, now) => old.metadata.generation !== now.metadata.generation,
);

/** Anything changed; drops what a relist shows again. */
export const resourceVersionChanged: Predicate = whenUpdated(
  (old, now) => old.metadata.resourceVersion !== now.metadata.resourceVersion,
);

/** A finalizer came, went or moved. */
export const finalizersChanged: Predicate = whenUpdated((old, now) => {
  const before = old.metadata.finalizers ?? [];
  const after = now.metadata.finalizers ?? [];
  return before.length !== after.length || before.some((name, index) => name !== after[index]);
});

/** The object began to be deleted, and nothing else. */
export const deletionChanged: Predicate = whenUpdated(() => false);

/** A label with one of these keys, or with a key that begins with one ending in "/", changed; without arguments: any. */
export function labelsChanged(...keys: readonly string[]): Predicate {
  return whenUpdated((old, now) => pairsDiffer(old.metadata.labels, now.metadata.labels, keys));
}

/** As `labelsChanged`: `annotationsChanged("holdfast.dev/")` looks only at that prefix. */
export function annotationsChanged(...keys: readonly string[]): Predicate {
  return whenUpdated((old, now) => pairsDiffer(old.metadata.annotations, now.metadata.annotations, keys));
}

export function any<T extends KubeObject>(...predicates: readonly Predicate<T>[]): Predicate<T> {
  return (delta) => predicates.some((predicate) => predicate(delta));
}

export function all<T extends KubeObject>(...predicates: readonly Predicate<T>[]): Predicate<T> {
  return (delta) => predicates.every((predicate) => predicate(delta));
}

/** Turns around the answer for updates; what appears, begins to go or goes still passes. */
export function not<T extends KubeObject>(predicate: Predicate<T>): Predicate<T> {
  return (delta) => delta.type !== "updated" || isBeginning(delta) || !predicate(delta);
}

type Pairs = Readonly<Record<string, string>>;

function pairsDiffer(old: Pairs = {}, now: Pairs = {}, keys: readonly string[]): boolean {
  const counts = (name: string): boolean =>
    keys.length === 0 || keys.some((key) => (key.endsWith("/") ? name.startsWith(key) : name === key));
  const differs = (a: Pairs, b: Pairs): boolean =>
    Object.entries(a).some(([name, value]) => counts(name) && b[name] !== value);
  return differs(old, now) || differs(now, old);
}
