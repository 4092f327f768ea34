// A client whose calls are spans of a pass. Only made where there is a tracer.
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
import { ApiError } from "../kube/errors.ts";
import { type Kind, type KubeObject, refTo, type Ref, resourceName } from "../kube/object.ts";
import type { PassSpan } from "../telemetry/trace.ts";

/** Attributes of a call: which verb on which resource and object, and the HTTP status; 0 where no answer came. */
export class TracedClient implements KubeClient {
  readonly #client: KubeClient;
  readonly #pass: PassSpan;

  constructor(client: KubeClient, pass: PassSpan) {
    this.#client = client;
    this.#pass = pass;
  }

  get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T | undefined> {
    return this.#call("get", resourceName(kind), ref, options, (traced) => this.#client.get(kind, ref, traced));
  }

  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<ObjectList<T>> {
    return this.#call("list", resourceName(kind), options ?? {}, options, (traced) => this.#client.list(kind, traced));
  }

  /** Not a span: it lasts longer than what it belongs to. */
  watch<T extends KubeObject>(kind: Kind<T>, options: WatchCallOptions): AsyncIterable<WatchFrame<T>> {
    return this.#client.watch(kind, options);
  }

  podLog(pod: Ref, options: PodLogOptions): Promise<string> {
    return this.#call("get", "pods/log", pod, options, (traced) => this.#client.podLog(pod, traced));
  }

  create<T extends KubeObject>(kind: Kind<T>, body: T, options?: CreateOptions): Promise<T> {
    return this.#call("create", resourceName(kind), refTo(body), options, (traced) =>
      this.#client.create(kind, body, traced),
    );
  }

  apply<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T> {
    return this.#call("apply", resourceName(kind), refTo(body), options, (traced) =>
      this.#client.apply(kind, body, traced),
    );
  }

  applyStatus<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T> {
    const resource = `${resourceName(kind)}/status`;
    return this.#call("apply", resource, refTo(body), options, (traced) =>
      this.#client.applyStatus(kind, body, traced),
    );
  }

  patch<T extends KubeObject>(kind: Kind<T>, ref: Ref, patch: JsonPatch, options?: CreateOptions): Promise<T> {
    return this.#call("patch", resourceName(kind), ref, options, (traced) =>
      this.#client.patch(kind, ref, patch, traced),
    );
  }

  delete<T extends KubeObject>(kind: Kind<T>, ref: Ref, options: DeleteOptions): Promise<void> {
    return this.#call("delete", resourceName(kind), ref, options, (traced) => this.#client.delete(kind, ref, traced));
  }

  async #call<O extends CallOptions, R>(
    verb: string,
    resource: string,
    place: Partial<Ref>,
    options: O | undefined,
    call: (traced: O) => Promise<R>,
  ): Promise<R> {
    let status: number | undefined;
    const span = this.#pass.call(`${verb} ${resource}`, {
      "k8s.verb": verb,
      "k8s.resource": resource,
      "k8s.namespace.name": place.namespace,
      "k8s.object.name": place.name,
    });
    const onAnswer = (answered: number): void => {
      status = answered;
      options?.onAnswer?.(answered);
    };
    try {
      // Without options of its own a call has no required ones either.
      const answer = await call({ ...options, onAnswer } as O);
      span.end({ "http.response.status_code": status });
      return answer;
    } catch (error) {
      span.fail(error, { "http.response.status_code": error instanceof ApiError ? error.status : status });
      throw error;
    }
  }
}
