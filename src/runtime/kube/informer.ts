// watch → store → handlers: keeps one kind in memory and tells what became of its objects, in order.
import { type Clock, systemClock } from "../clock.ts";
import type { KubeClient } from "./client.ts";
import { type Key, keyOf, type Kind, type KubeObject, type Ref, refTo, resourceName } from "./object.ts";
import { labelMatcher } from "./selector.ts";
import { listAll } from "./snapshot.ts";
import { type Cache, type Delta, Store } from "./store.ts";
import { watchCollection } from "./watch.ts";

export interface InformerOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, "list" | "watch">;
  readonly kind: Kind<T>;
  /** One watch for each; absent or empty: one for all. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labels?: string | undefined;
  readonly fields?: string | undefined;
  readonly transform?: ((object: T) => T) | undefined;
  /** Whose managedFields entries are kept. */
  readonly fieldManager?: string | undefined;
  readonly freeze?: boolean | undefined;
  /** Told of every lost connection, and of every throw of a handler or of `transform`; none of them ends anything. */
  readonly onError: (error: unknown, about: InformerError) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export type InformerError =
  /** The cache may be stale from now on; it is tried again after `retryInMs`. */
  | { readonly type: "disconnected"; readonly kind: Kind; readonly retryInMs: number }
  | { readonly type: "handler"; readonly kind: Kind }
  /** The object is in the cache as it came. */
  | { readonly type: "transform"; readonly kind: Kind };

/** Called synchronously for each delta, so it must be quick: it queues keys. Nothing waits for what it may answer. */
export type DeltaHandler<T extends KubeObject> = (delta: Delta<T>) => void;

interface Subscription<T extends KubeObject> {
  readonly handler: DeltaHandler<T>;
  ended: boolean;
}

export class Informer<T extends KubeObject> {
  readonly kind: Kind<T>;
  readonly store: Store<T>;
  /** Resolves when the whole collection is in the store and every handler was told of it. Rejects when stopped before. */
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #clock: Clock;
  /** Replaced, never changed: who comes while changes are told has seen their outcome already. */
  #subscriptions: readonly Subscription<T>[] = [];
  readonly #sync = Promise.withResolvers<void>();
  readonly #unsynced: Set<string>;
  #lastHeardAt: Date | undefined;
  #lastEventAt: Date | undefined;

  constructor(options: InformerOptions<T>) {
    const { namespaces = [], labels, fieldManager, transform, freeze } = options;
    const matches = labels === undefined ? undefined : labelMatcher(labels);
    this.kind = options.kind;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#unsynced = new Set(namespaces.length === 0 ? [""] : namespaces);
    this.store = new Store({
      fieldManager,
      transform: transform === undefined ? undefined : (object) => this.#transformed(object, transform),
      freeze,
      watches: ({ metadata }) =>
        (namespaces.length === 0 || namespaces.includes(metadata.namespace ?? "")) &&
        matches?.(metadata.labels) !== false,
    });
    this.synced = this.#sync.promise;
    // Whoever awaits it sees the rejection; it is no crash where nobody does.
    this.synced.catch(() => undefined);
  }

  /** Whether an object of this name would be in the store, whatever it looks like. */
  covers({ namespace }: Ref): boolean {
    const { namespaces = [], labels, fields } = this.#options;
    const selects = [labels, fields].some((selector) => selector !== undefined && selector !== "");
    return !selects && (namespaces.length === 0 || namespaces.includes(namespace ?? ""));
  }

  get isSynced(): boolean {
    return this.#unsynced.size === 0;
  }

  /** When the API server last said anything, bookmarks included: how fresh the cache is at least. */
  get lastHeardAt(): Date | undefined {
    return this.#lastHeardAt;
  }

  /** When an object last changed. */
  get lastEventAt(): Date | undefined {
    return this.#lastEventAt;
  }

  /** Asks the API server for the collection, and says whether the store has been told all of it, and nothing since. */
  async isUpToDate(signal?: AbortSignal): Promise<boolean> {
    if (!this.isSynced) return false;
    const { client, kind, namespaces = [], labels, fields } = this.#options;
    const selection = { labels, fields, ...(signal === undefined ? {} : { signal }) };
    for (const namespace of namespaces.length === 0 ? [""] : namespaces) {
      const { items } = await listAll(client, kind, namespace === "" ? selection : { ...selection, namespace }, 500);
      const told = new Map<Key, string | undefined>();
      for (const object of this.store.told()) {
        if (namespace === "" || object.metadata.namespace === namespace)
          told.set(keyOf(refTo(object)), versionOf(object));
      }
      if (told.size !== items.length) return false;
      if (!items.every((item) => told.get(keyOf(refTo(item))) === versionOf(item))) return false;
    }
    return true;
  }

  /**
   * Told of all objects (as "initial"), also when added late, then of every change. Answers how to end it.
   * @param options.replay false: only of changes from now on
   */
  subscribe(handler: DeltaHandler<T>, { replay = true }: { readonly replay?: boolean } = {}): () => void {
    const subscription = { handler, ended: false };
    this.#subscriptions = [...this.#subscriptions, subscription];
    if (replay) for (const object of this.store.told()) this.#call(handler, { type: "initial", object });
    return () => {
      subscription.ended = true;
      this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
    };
  }

  /** Resolves when `signal` has aborted and all connections are closed. Never rejects. To be called once. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#unsynced].map((namespace) => this.#follow(namespace, signal)));
    this.#sync.reject(signal.reason);
  }

  async #follow(namespace: string, signal: AbortSignal): Promise<void> {
    const { client, kind, labels, fields, random } = this.#options;
    const selection = { ...(namespace === "" ? {} : { namespace }), labels, fields };
    const clock = this.#clock;
    const prepare = (object: T): T => this.store.prepare(object);
    const options = { ...selection, signal, clock, prepare, ...(random === undefined ? {} : { random }) };
    for await (const message of watchCollection(client, kind, options)) {
      if (message.type === "disconnected") {
        const { error, retryInMs } = message;
        this.#options.onError(error, { type: "disconnected", kind, retryInMs });
        continue;
      }
      this.#lastHeardAt = clock.date();
      if (message.type === "bookmark") {
        this.store.bookmark(message.resourceVersion, namespace);
      } else if (message.type === "changed") {
        this.#lastEventAt = this.#lastHeardAt;
        this.#tell(this.store.change(message.frame, message.object, namespace));
      } else {
        this.#tell(this.store.replace(message.items, message.resourceVersion, namespace));
        this.#unsynced.delete(namespace);
        if (this.isSynced) this.#sync.resolve();
      }
    }
  }

  #tell(deltas: readonly Delta<T>[]): void {
    const subscriptions = this.#subscriptions;
    for (const delta of deltas) {
      for (const { handler, ended } of subscriptions) if (!ended) this.#call(handler, delta);
    }
  }

  #call(handler: DeltaHandler<T>, delta: Delta<T>): void {
    try {
      // An async function may stand here too; its rejection must not end the process.
      const answer: unknown = handler(delta);
      if (answer instanceof Promise) answer.catch((error: unknown) => this.#failed("handler", error));
    } catch (error) {
      this.#failed("handler", error);
    }
  }

  #failed(type: "handler" | "transform", error: unknown): void {
    this.#options.onError(error, { type, kind: this.kind });
  }

  #transformed(object: T, transform: (object: T) => T): T {
    try {
      return transform(object);
    } catch (error) {
      this.#failed("transform", error);
      return object;
    }
  }
}

/** One cache over the stores of several kinds. Asking for a kind that is not watched throws: it would always look empty. */
export function cacheOf(informers: Iterable<Pick<Informer<any>, "kind" | "store" | "covers">>): Cache {
  const byResource = new Map<string, Pick<Informer<any>, "store" | "covers">>();
  for (const informer of informers) byResource.set(resourceName(informer.kind), informer);
  /** What was asked for before: a pass reads many times, and a kind is nearly always one and the same value. */
  const byKind = new WeakMap<Kind, Pick<Informer<any>, "store" | "covers">>();

  const informerOf = (kind: Kind): Pick<Informer<any>, "store" | "covers"> => {
    const known = byKind.get(kind);
    if (known !== undefined) return known;
    const informer = byResource.get(resourceName(kind));
    if (informer === undefined)
      throw new Error(`${resourceName(kind)} are not watched, so they cannot be read from the cache`);
    byKind.set(kind, informer);
    return informer;
  };
  return {
    get: (kind, ref) => informerOf(kind).store.get(ref),
    list: (kind, options) => informerOf(kind).store.list(options),
    covers: (kind, ref) => informerOf(kind).covers(ref),
  };
}

function versionOf({ metadata }: KubeObject): string {
  return `${metadata.uid}@${metadata.resourceVersion}`;
}
