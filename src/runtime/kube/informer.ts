// watch → store → handlers: keeps one kind in memory and tells what became of its objects, in order.
import { type Clock, systemClock } from "../clock.ts";
import type { KubeClient } from "./client.ts";
import { type Kind, type KubeObject, type Ref, resourceName } from "./object.ts";
import { labelMatcher } from "./selector.ts";
import { type Cache, type CacheListOptions, type Delta, Store } from "./store.ts";
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
  /** Told of every lost connection and of every throw of a handler; neither ends anything. */
  readonly onError: (error: unknown, about: InformerError) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export type InformerError =
  /** The cache may be stale from now on; it is tried again after `retryInMs`. */
  | { readonly type: "disconnected"; readonly kind: Kind; readonly retryInMs: number }
  | { readonly type: "handler"; readonly kind: Kind };

/** Called synchronously for each delta, so it must be quick: it queues keys. */
export type DeltaHandler<T extends KubeObject> = (delta: Delta<T>) => void;

export class Informer<T extends KubeObject> {
  readonly kind: Kind<T>;
  readonly store: Store<T>;
  /** Resolves when the whole collection is in the store and every handler was told of it. Rejects when stopped before. */
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #clock: Clock;
  readonly #handlers = new Set<DeltaHandler<T>>();
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
      transform,
      freeze,
      watches: ({ metadata }) =>
        (namespaces.length === 0 || namespaces.includes(metadata.namespace ?? "")) &&
        matches?.(metadata.labels) !== false,
    });
    this.synced = this.#sync.promise;
    // Whoever awaits it sees the rejection; it is no crash where nobody does.
    this.synced.catch(() => undefined);
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

  /** Told of all objects (as "initial"), then of every change; also when added late. Answers how to end it. */
  subscribe(handler: DeltaHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.store.list()) this.#call(handler, { type: "initial", object });
    return () => this.#handlers.delete(handler);
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
    const options = { ...selection, signal, clock, ...(random === undefined ? {} : { random }) };
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
    for (const delta of deltas) for (const handler of this.#handlers) this.#call(handler, delta);
  }

  #call(handler: DeltaHandler<T>, delta: Delta<T>): void {
    try {
      handler(delta);
    } catch (error) {
      this.#options.onError(error, { type: "handler", kind: this.kind });
    }
  }
}

/** One cache over the stores of several kinds. Asking for a kind that is not watched throws: it would always look empty. */
export function cacheOf(informers: Iterable<Pick<Informer<any>, "kind" | "store">>): Cache {
  const stores = new Map<string, Store<any>>();
  for (const { kind, store } of informers) stores.set(resourceName(kind), store);

  const storeOf = <T extends KubeObject>(kind: Kind<T>): Store<T> => {
    const store = stores.get(resourceName(kind));
    if (store === undefined)
      throw new Error(`${resourceName(kind)} are not watched, so they cannot be read from the cache`);
    return store;
  };
  return {
    get: <T extends KubeObject>(kind: Kind<T>, ref: Ref) => storeOf(kind).get(ref),
    list: <T extends KubeObject>(kind: Kind<T>, options?: CacheListOptions) => storeOf(kind).list(options),
  };
}
