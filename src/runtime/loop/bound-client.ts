// A client bound to a span of time: its calls end with a signal, its writes need a condition and are told.
import type {
  ApplyOptions,
  CallOptions,
  CreateOptions,
  DeleteOptions,
  JsonPatch,
  KubeClient,
  ListOptions,
  ObjectList,
  PodLogOptions,
  WatchCallOptions,
  WatchFrame,
} from "../kube/client.ts";
import type { Kind, KubeObject, Ref } from "../kube/object.ts";

export interface Binding {
  /** For calls that bring none of their own. */
  readonly signal?: AbortSignal;
  /** Called right before each write; a throw rejects the write instead of sending it. */
  readonly beforeWrite?: () => void;
  /** Called with what the API server answered to a write, before the caller has it. */
  readonly afterWrite?: (object: KubeObject) => void;
}

export class BoundClient implements KubeClient {
  readonly #client: KubeClient;
  readonly #binding: Binding;

  constructor(client: KubeClient, binding: Binding) {
    this.#client = client;
    this.#binding = binding;
  }

  get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T | undefined> {
    return this.#client.get(kind, ref, this.#bound(options));
  }

  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<ObjectList<T>> {
    return this.#client.list(kind, this.#bound(options));
  }

  watch<T extends KubeObject>(kind: Kind<T>, options: WatchCallOptions): AsyncIterable<WatchFrame<T>> {
    return this.#client.watch(kind, this.#bound(options));
  }

  podLog(pod: Ref, options: PodLogOptions): Promise<string> {
    return this.#client.podLog(pod, this.#bound(options));
  }

  create<T extends KubeObject>(kind: Kind<T>, body: T, options?: CreateOptions): Promise<T> {
    return this.#write(() => this.#client.create(kind, body, this.#bound(options)));
  }

  apply<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T> {
    return this.#write(() => this.#client.apply(kind, body, this.#bound(options)));
  }

  applyStatus<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T> {
    return this.#write(() => this.#client.applyStatus(kind, body, this.#bound(options)));
  }

  patch<T extends KubeObject>(kind: Kind<T>, ref: Ref, patch: JsonPatch, options?: CreateOptions): Promise<T> {
    return this.#write(() => this.#client.patch(kind, ref, patch, this.#bound(options)));
  }

  async delete<T extends KubeObject>(kind: Kind<T>, ref: Ref, options: DeleteOptions): Promise<void> {
    this.#binding.beforeWrite?.();
    return this.#client.delete(kind, ref, this.#bound(options));
  }

  async #write<T extends KubeObject>(call: () => Promise<T>): Promise<T> {
    this.#binding.beforeWrite?.();
    const answer = await call();
    this.#binding.afterWrite?.(answer);
    return answer;
  }

  #bound<O extends CallOptions>(options: O | undefined): O {
    const { signal } = this.#binding;
    // Without options of its own a call has no required ones either.
    if (signal === undefined || options?.signal !== undefined) return options ?? ({} as O);
    return { ...options, signal } as O;
  }
}
