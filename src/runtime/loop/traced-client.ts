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

/** Attributes of a call: which verb on which resource and object; of a failure also the HTTP status, 0 where no answer came. */
export class TracedClient implements KubeClient {
  readonly #client: KubeClient;
  readonly #pass: PassSpan;

  constructor(client: KubeClient, pass: PassSpan) {
    this.#client = client;
    this.#pass = pass;
  }

  get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T | undefined> {
    return this.#call("get", resourceName(kind), ref, () => this.#client.get(kind, ref, options));
  }

  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<ObjectList<T>> {
    return this.#call("list", resourceName(kind), options ?? {}, () => this.#client.list(kind, options));
  }

  /** Not a span: it lasts longer than what it belongs to. */
  watch<T extends KubeObject>(kind: Kind<T>, options: WatchCallOptions): AsyncIterable<WatchFrame<T>> {
    return this.#client.watch(kind, options);
  }

  podLog(pod: Ref, options: PodLogOptions): Promise<string> {
    return this.#call("get", "pods/log", pod, () => this.#client.podLog(pod, options));
  }

  create<T extends KubeObject>(kind: Kind<T>, body: T, options?: CreateOptions): Promise<T> {
    return this.#call("create", resourceName(kind), refTo(body), () => this.#client.create(kind, body, options));
  }

  apply<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T> {
    return this.#call("apply", resourceName(kind), refTo(body), () => this.#client.apply(kind, body, options));
  }

  applyStatus<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T> {
    const resource = `${resourceName(kind)}/status`;
    return this.#call("apply", resource, refTo(body), () => this.#client.applyStatus(kind, body, options));
  }

  patch<T extends KubeObject>(kind: Kind<T>, ref: Ref, patch: JsonPatch, options?: CreateOptions): Promise<T> {
    return this.#call("patch", resourceName(kind), ref, () => this.#client.patch(kind, ref, patch, options));
  }

  delete<T extends KubeObject>(kind: Kind<T>, ref: Ref, options: DeleteOptions): Promise<void> {
    return this.#call("delete", resourceName(kind), ref, () => this.#client.delete(kind, ref, options));
  }

  async #call<R>(verb: string, resource: string, place: Partial<Ref>, call: () => Promise<R>): Promise<R> {
    const span = this.#pass.call(`${verb} ${resource}`, {
      "k8s.verb": verb,
      "k8s.resource": resource,
      "k8s.namespace.name": place.namespace,
      "k8s.object.name": place.name,
    });
    try {
      const answer = await call();
      span.end();
      return answer;
    } catch (error) {
      span.fail(error, error instanceof ApiError ? { "http.response.status_code": error.status } : {});
      throw error;
    }
  }
}
