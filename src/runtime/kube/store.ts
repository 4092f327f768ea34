// The objects of one kind as the watch last told them, with our own writes laid over until the watch has caught up. Deltas follow
// the watch; reads follow the watch and our writes, and never go back in time. Synchronous throughout, so readers see whole states.
import { type CacheListOptions, ObjectIndex } from "./object-index.ts";
import {
  type Key,
  keyOf,
  type Kind,
  type KubeObject,
  type ManagedFieldsEntry,
  type Ref,
  refOf,
  refTo,
} from "./object.ts";
import { compareVersions, isNewer } from "./resource-version.ts";
import { SharedFields } from "./shared-fields.ts";

export type { CacheListOptions, Key };

/**
 * What became of one object in the cache. Handlers see both sides, so that a moved child wakes both owners.
 * `own`: this is surely the echo of a write that this process made, and nobody else had a part in it. Never set by a relist,
 * where changes of others may have been missed, nor when the echo was faster than the answer.
 * `mayBeOwn`: instead of `own`, where it is the echo of our write if that is answered with this very version.
 */
export type Delta<T extends KubeObject = KubeObject> =
  | ({ readonly type: "initial" | "added"; readonly object: Readonly<T> } & Echo)
  | ({ readonly type: "updated"; readonly old: Readonly<T>; readonly object: Readonly<T> } & Echo)
  /** `finalStateUnknown`: the deletion was found by a relist; `object` is the last state known. */
  | { readonly type: "deleted"; readonly object: Readonly<T>; readonly finalStateUnknown: boolean };

interface Echo {
  readonly own?: boolean;
  readonly mayBeOwn?: boolean;
}

/** Reads from memory, own writes included. Objects are shared and frozen in tests: never change them. */
export interface Cache {
  get<T extends KubeObject>(kind: Kind<T>, ref: Ref): Readonly<T> | undefined;
  list<T extends KubeObject>(kind: Kind<T>, options?: CacheListOptions): readonly Readonly<T>[];
  /** Whether every object of this place would be here: no selector leaves any out. What `get` lacks is then not there. */
  covers(kind: Kind, ref: Ref): boolean;
}

export interface StoreOptions<T extends KubeObject> {
  /** Of managedFields only this manager's entries are kept; without it none are. They are half of an object's memory. */
  readonly fieldManager?: string | undefined;
  /** Drops what nobody reads. May change the object that it is given. */
  readonly transform?: ((object: T) => T) | undefined;
  /** Freezes all objects deeply: tests find out who changes shared objects. */
  readonly freeze?: boolean | undefined;
  /** Whether the watch would tell of this object (its selector): other objects' writes are not remembered. Default: all. */
  readonly watches?: ((object: T) => boolean) | undefined;
}

/** A write of ours, or what was read live, that the watch has not told yet. */
type Ahead<T> =
  | { readonly type: "written"; readonly object: T }
  /**
   * Hides the object of this uid until the watch tells what became of it, and all that bore the name before (`version`).
   * `forGood`: it is known to be gone; otherwise it may be seen again as one that is terminating. `listed`: a list has it still.
   */
  | ({ readonly type: "gone"; readonly listed?: boolean } & Gone);

interface Gone {
  readonly uid: string;
  readonly version: string;
  readonly forGood: boolean;
}

export class Store<T extends KubeObject> {
  readonly #options: StoreOptions<T>;
  /** What the watch told. */
  readonly #told = new Map<Key, T>();
  readonly #fields = new SharedFields();
  readonly #ahead = new Map<Key, Ahead<T>>();
  /** What readers see: of each key what was told or what is ahead of it. */
  readonly #visible = new ObjectIndex<T>();
  /** How far the watch has come: one watch for all ("") or one for each namespace. */
  readonly #synced = new Map<string, string>();
  /** Versions that our writes made and the watch has yet to tell. */
  readonly #ownVersions = new Map<string, "created" | "changed">();
  /** The lowest version that we know of and the watch has yet to tell: before it nothing can have been caught up with. */
  #nextOwn: string | undefined;

  constructor(options: StoreOptions<T> = {}) {
    this.#options = options;
  }

  get size(): number {
    return this.#visible.size;
  }

  get(ref: Ref): Readonly<T> | undefined {
    return this.#visible.get(keyOf(ref));
  }

  list(options?: CacheListOptions): readonly Readonly<T>[] {
    return this.#visible.list(options);
  }

  /** What the watch told, without our writes: where deltas go on from. */
  told(): Iterable<Readonly<T>> {
    return this.#told.values();
  }

  /**
   * A whole list of what one watch covers (everything, or a namespace). What it lacks is deleted, with its last known state.
   * The list is the truth even where it is older than what was known: etcd may have been restored from a backup.
   * @param items each as `prepare` gave it
   */
  replace(items: readonly T[], resourceVersion: string, namespace = ""): Delta<T>[] {
    const before = this.#synced.get(namespace);
    const listed = new Map(items.map((item) => [keyOf(refTo(item)), item] as const));
    this.#synced.set(namespace, resourceVersion);
    const touched = new Set([...listed.keys(), ...this.#ahead.keys()]);
    if (isNewer(before, resourceVersion)) {
      this.#ahead.clear();
      this.#ownVersions.clear();
    }
    this.#forgetOwn(resourceVersion);
    for (const [key, ahead] of this.#ahead) {
      if (ahead.type !== "gone" || listed.get(key)?.metadata.uid !== ahead.uid) continue;
      // The first list may have been read before it went. The second was not: what was gone is back (etcd was restored).
      if (ahead.listed === true) this.#ahead.delete(key);
      else this.#ahead.set(key, { ...ahead, listed: true });
    }

    const deltas: Delta<T>[] = [];
    for (const [key, old] of this.#told) {
      touched.add(key);
      if (listed.has(key) || (namespace !== "" && old.metadata.namespace !== namespace)) continue;
      this.#told.delete(key);
      deltas.push({ type: "deleted", object: old, finalStateUnknown: true });
    }
    for (const [key, object] of listed)
      deltas.push(...this.#tell(key, object, before === undefined ? "initial" : "added"));
    for (const key of touched) this.#settle(key);
    this.#findNextOwn();
    return deltas;
  }

  /** One frame of the watch, in its order. Frames that were told before (a repeated connection) change nothing. */
  change(frame: "ADDED" | "MODIFIED" | "DELETED", object: T, namespace = ""): Delta<T>[] {
    const version = object.metadata.resourceVersion;
    if (isTold(version, this.#synced.get(namespace))) return [];
    const key = keyOf(refTo(object));
    const echo = this.#echoOf(object, this.#told.get(key));
    const told = this.prepare(object);
    let deltas: Delta<T>[] = [];
    if (frame !== "DELETED") {
      deltas = this.#tell(key, told, "added", echo);
    } else if (this.#told.get(key)?.metadata.uid === object.metadata.uid && this.#told.delete(key)) {
      deltas = [{ type: "deleted", object: told, finalStateUnknown: false }];
    }
    if (version !== undefined) this.#advance(version, namespace);
    this.#settle(key);
    return deltas;
  }

  /** The watch has told everything up to this version. */
  bookmark(resourceVersion: string, namespace = ""): void {
    if (!isTold(resourceVersion, this.#synced.get(namespace))) this.#advance(resourceVersion, namespace);
  }

  /**
   * The API server's answer to a write of ours: readers see it at once. Answers that are older than what is known, or cannot
   * be ordered, are left out. The object is held from now on, without the managedFields of others.
   */
  written(object: T, how: "created" | "changed"): void {
    const { resourceVersion: version, uid } = object.metadata;
    if (!isOrdered(version) || this.#options.watches?.(object) === false) return;
    const key = keyOf(refTo(object));
    // Removing the last finalizer is answered with the object as it went, and with the version that it had before.
    const known = this.#visible.get(key);
    if (isTerminating(object) && !isHeld(object) && uid !== undefined) {
      if (known === undefined || known.metadata.uid === uid) this.#hide(key, { uid, version, forGood: true });
      return;
    }
    if (isTold(version, this.#syncedOf(key)) || isTold(version, known?.metadata.resourceVersion)) return;
    if (!this.#ownVersions.has(version)) this.#ownVersions.set(version, how);
    this.#layOver(key, version, object);
  }

  /**
   * The API server's answer to a live read: readers see it at once, where it is newer than what they see. What the watch then tells
   * of it is news: nobody knows who wrote it. The object is held from now on, without the managedFields of others.
   * @param seen what readers saw before the read was sent; where there is nothing now they do not see it any more
   */
  read(ref: Ref, seen: Readonly<T> | undefined, object: T | undefined): void {
    const key = keyOf(ref);
    const known = this.#visible.get(key);
    const { resourceVersion: version, uid } = (object ?? seen)?.metadata ?? {};
    if (!isOrdered(version)) return;
    if (object === undefined) {
      const ahead = this.#ahead.get(key);
      const isHidden = ahead?.type === "gone" && ahead.uid === uid;
      if (uid !== undefined && (isHidden || known?.metadata.uid === uid))
        this.#hide(key, { uid, version: newest(version, known?.metadata.resourceVersion), forGood: true });
    } else if (
      this.#options.watches?.(object) !== false &&
      !isTold(version, this.#syncedOf(key)) &&
      !isTold(version, known?.metadata.resourceVersion)
    ) {
      this.#layOver(key, version, object);
    }
  }

  #layOver(key: Key, version: string, object: T): void {
    const ahead = this.#ahead.get(key);
    if (!isNewer(version, this.#nextOwn)) this.#nextOwn = version;
    if (ahead?.type === "gone" && (isTold(version, ahead.version) || !mayBeSeen(object, ahead))) return;
    this.#ahead.set(key, { type: "written", object: this.prepare(object) });
    this.#settle(key);
  }

  /**
   * A delete of ours was answered: readers do not see the object any more, until the watch tells that it is still being
   * deleted (finalizers, grace period) or that another one has its name.
   */
  deleted(ref: Ref, uid: string): void {
    const key = keyOf(ref);
    const known = this.#visible.get(key);
    // A second delete of a terminating object changes nothing, so the watch would never tell of it.
    if (known === undefined || known.metadata.uid !== uid || isTerminating(known)) return;
    const version = known.metadata.resourceVersion;
    if (isOrdered(version)) this.#hide(key, { uid, version, forGood: false });
  }

  #hide(key: Key, gone: Gone): void {
    const ahead = this.#ahead.get(key);
    const hidden = ahead?.type === "gone" ? ahead : undefined;
    // A late word about a predecessor says nothing of who has had the name since.
    if (hidden !== undefined && hidden.uid !== gone.uid && isNewer(hidden.version, gone.version)) return;
    this.#ahead.set(key, { type: "gone", ...gone, version: newest(gone.version, hidden?.version) });
    this.#findNextOwn();
    this.#settle(key);
  }

  #tell(key: Key, object: T, fresh: "initial" | "added", echo: Echo = {}): Delta<T>[] {
    const old = this.#told.get(key);
    if (
      old?.metadata.uid === object.metadata.uid &&
      old?.metadata.resourceVersion === object.metadata.resourceVersion
    ) {
      return [];
    }
    this.#told.set(key, object);
    if (old === undefined) return [{ type: fresh, object, ...echo }];
    if (old.metadata.uid === object.metadata.uid) return [{ type: "updated", old, object, ...echo }];
    return [
      { type: "deleted", object: old, finalStateUnknown: true },
      { type: "added", object, ...echo },
    ];
  }

  #advance(version: string, namespace: string): void {
    this.#synced.set(namespace, version);
    if (this.#nextOwn === undefined || isNewer(this.#nextOwn, version)) return;
    this.#forgetOwn(version);
    for (const key of this.#ahead.keys()) this.#settle(key);
    this.#findNextOwn();
  }

  #forgetOwn(upTo: string): void {
    for (const version of this.#ownVersions.keys()) if (isTold(version, upTo)) this.#ownVersions.delete(version);
  }

  #findNextOwn(): void {
    this.#nextOwn = undefined;
    const consider = (version: string | undefined): void => {
      if (!isNewer(version, this.#nextOwn)) this.#nextOwn = version;
    };
    for (const version of this.#ownVersions.keys()) consider(version);
    for (const [key, ahead] of this.#ahead) {
      const version = ahead.type === "gone" ? ahead.version : ahead.object.metadata.resourceVersion;
      // What the watch has passed already waits for a word about its own key.
      if (!isTold(version, this.#syncedOf(key))) consider(version);
    }
  }

  /** Forgets what is ahead of a key once the watch has caught up with it, and shows readers what holds now. */
  #settle(key: Key): void {
    const told = this.#told.get(key);
    let ahead = this.#ahead.get(key);
    if (ahead !== undefined && hasCaughtUp(ahead, told, this.#syncedOf(key))) {
      this.#ahead.delete(key);
      ahead = undefined;
    }
    this.#visible.set(key, ahead === undefined ? told : ahead.type === "written" ? ahead.object : undefined);
  }

  #syncedOf(key: Key): string | undefined {
    return this.#synced.get("") ?? this.#synced.get(refOf(key).namespace ?? "");
  }

  /**
   * That a write of ours was answered with this version is not enough: one that changed nothing is answered with the version
   * that somebody else made. So our managedFields entry must be newer than it was, and newer than all others; in doubt (their
   * times are in seconds) it is not ours.
   */
  #echoOf(object: T, told: T | undefined): Echo {
    const how = this.#ownVersions.get(object.metadata.resourceVersion ?? "");
    if (how === "created") return { own: true };
    const isOurs = (entry: ManagedFieldsEntry): boolean => entry.manager === this.#options.fieldManager;
    const lastWrite = lastTime(object, isOurs);
    const wasLast =
      lastWrite > lastTime(object, (entry) => !isOurs(entry)) &&
      (told === undefined || lastWrite > lastTime(told, isOurs));
    if (!wasLast) return {};
    return how === undefined ? { mayBeOwn: true } : { own: true };
  }

  /**
   * An object of a list without what is not kept. To be called as each comes: a whole list as it was sent takes twice the memory,
   * and all of it at once holds up everything else. May change what it is given.
   */
  prepare(object: T): T {
    const { fieldManager, transform, freeze } = this.#options;
    const { metadata } = object;
    if (metadata.managedFields !== undefined && !Object.isFrozen(metadata)) {
      const ours = metadata.managedFields.filter(
        (entry) => fieldManager !== undefined && entry.manager === fieldManager,
      );
      for (const { fieldsV1 } of ours) if (fieldsV1 !== undefined) this.#fields.share(fieldsV1);
      if (ours.length > 0) metadata.managedFields = ours;
      else delete metadata.managedFields;
    }
    const prepared = transform === undefined ? object : transform(object);
    return freeze === true ? deepFreeze(prepared) : prepared;
  }
}

/** Whether a watch that has come as far as `synced` has told of `version`; no where that cannot be known. */
function isTold(version: string | undefined, synced: string | undefined): boolean {
  return (compareVersions(version, synced) ?? 1) <= 0;
}

function hasCaughtUp<T extends KubeObject>(ahead: Ahead<T>, told: T | undefined, synced: string | undefined): boolean {
  if (ahead.type === "written") return isTold(ahead.object.metadata.resourceVersion, synced);
  if (told === undefined) return isTold(ahead.version, synced);
  return isNewer(told.metadata.resourceVersion, ahead.version) && mayBeSeen(told, ahead);
}

/** Whether this can be the object's state after what hides it: another one has the name, or a finalizer holds it. */
function mayBeSeen(object: KubeObject, { uid, forGood }: Gone): boolean {
  return object.metadata.uid !== uid || (!forGood && isTerminating(object));
}

function lastTime(object: KubeObject, counts: (entry: ManagedFieldsEntry) => boolean): string {
  let last = "";
  for (const entry of object.metadata.managedFields ?? []) {
    if (counts(entry) && (entry.time ?? "") > last) last = entry.time ?? "";
  }
  return last;
}

function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** It stays for a while although it is being deleted. A Namespace has finalizers of its own kind, in its spec. */
function isHeld({
  metadata,
  spec,
}: KubeObject & { readonly spec?: { readonly finalizers?: readonly unknown[] } }): boolean {
  const held = [metadata.finalizers, spec?.finalizers].some((finalizers) => (finalizers?.length ?? 0) > 0);
  return held || (metadata.deletionGracePeriodSeconds ?? 0) > 0;
}

function newest(version: string, other: string | undefined): string {
  return other !== undefined && isNewer(other, version) ? other : version;
}

function isOrdered(version: string | undefined): version is string {
  return compareVersions(version, "0") !== undefined;
}

function deepFreeze<V>(value: V): V {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
