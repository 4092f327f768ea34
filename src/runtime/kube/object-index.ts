// Objects of one kind by key, by namespace and by the uid of an owner. Remembers what it is given; knows nothing of time.
import type { Key, KubeObject } from "./object.ts";

export interface CacheListOptions {
  readonly namespace?: string;
  /** Every pair must match. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Only objects with an owner reference of this uid (indexed). */
  readonly ownerUid?: string;
}

export class ObjectIndex<T extends KubeObject> {
  readonly #objects = new Map<Key, T>();
  readonly #byNamespace = new Map<string, Set<Key>>();
  readonly #byOwner = new Map<string, Set<Key>>();

  get size(): number {
    return this.#objects.size;
  }

  get(key: Key): T | undefined {
    return this.#objects.get(key);
  }

  /** Puts the object under the key, or takes away what is there. */
  set(key: Key, object: T | undefined): void {
    const before = this.#objects.get(key);
    if (before === object) return;
    if (before !== undefined) {
      for (const [index, value] of this.#placesOf(before)) remove(index, value, key);
    }
    if (object === undefined) {
      this.#objects.delete(key);
      return;
    }
    this.#objects.set(key, object);
    for (const [index, value] of this.#placesOf(object)) add(index, value, key);
  }

  list({ namespace, labels, ownerUid }: CacheListOptions = {}): T[] {
    const found: T[] = [];
    for (const object of this.#candidates(namespace, ownerUid)) {
      if (namespace !== undefined && object.metadata.namespace !== namespace) continue;
      if (labels === undefined || hasLabels(object, labels)) found.push(object);
    }
    return found;
  }

  *#candidates(namespace: string | undefined, ownerUid: string | undefined): Iterable<T> {
    if (namespace === undefined && ownerUid === undefined) {
      yield* this.#objects.values();
      return;
    }
    // An owner has few objects, a namespace may have many.
    const keys = ownerUid === undefined ? this.#byNamespace.get(namespace ?? "") : this.#byOwner.get(ownerUid);
    for (const key of keys ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) yield object;
    }
  }

  *#placesOf(object: T): Iterable<[Map<string, Set<Key>>, string]> {
    yield [this.#byNamespace, object.metadata.namespace ?? ""];
    for (const owner of object.metadata.ownerReferences ?? []) yield [this.#byOwner, owner.uid];
  }
}

function add(index: Map<string, Set<Key>>, value: string, key: Key): void {
  const keys = index.get(value);
  if (keys === undefined) index.set(value, new Set([key]));
  else keys.add(key);
}

function remove(index: Map<string, Set<Key>>, value: string, key: Key): void {
  const keys = index.get(value);
  if (keys?.delete(key) === true && keys.size === 0) index.delete(value);
}

function hasLabels(object: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  for (const [name, value] of Object.entries(labels)) {
    if (object.metadata.labels?.[name] !== value) return false;
  }
  return true;
}
