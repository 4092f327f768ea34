// KubeClient over HTTP: objects and kinds → requests, answers → objects. Plain JSON both ways, nothing is converted.
import type {
  ApplyOptions,
  CallOptions,
  KubeClient,
  ListOptions,
  ObjectList,
  WatchCallOptions,
  WatchFrame,
} from "./client.ts";
import { isConflict, isNotFound, ApiError } from "./errors.ts";
import { Pod } from "./kinds.ts";
import { apiVersionOf, type Kind, type KubeObject, resourcePath, refTo, type Subresource } from "./object.ts";
import { createTransport, type TransportOptions, type WireRequest } from "./http/transport.ts";

export type { CompletedRequest, RequestObserver } from "./http/transport.ts";

export interface HttpClientOptions extends TransportOptions {
  /** Called before each write; throws when this process may not write any more (a lost lease). */
  readonly assertMayWrite?: (() => void) | undefined;
}

export interface HttpClient extends KubeClient {
  /** The JSON of any other endpoint, e.g. "/version". */
  read(path: string, options?: CallOptions): Promise<unknown>;
  /** Ends all connections; what is under way fails. */
  close(): void;
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const transport = createTransport(options);

  const read = async (path: string, { signal, onAnswer }: CallOptions = {}): Promise<unknown> =>
    JSON.parse(await transport.call({ method: "GET", path, signal, onAnswer }));

  const write = async (request: WireRequest): Promise<unknown> => {
    options.assertMayWrite?.();
    return JSON.parse(await transport.call(request));
  };

  const apply = async <T extends KubeObject>(
    kind: Kind<T>,
    body: T,
    { fieldManager, force = true, signal, onAnswer }: ApplyOptions,
    subresource?: Subresource,
  ): Promise<T> =>
    (await write({
      method: "PATCH",
      path: resourcePath(kind, refTo(body), subresource) + query({ fieldManager, force }),
      // The body may be JSON: https://kubernetes.io/docs/reference/using-api/server-side-apply/#serialization
      contentType: "application/apply-patch+yaml",
      body: JSON.stringify(body),
      signal,
      onAnswer,
    })) as T;

  const client: HttpClient = {
    read,
    close: () => transport.close(),

    async get(kind, ref, callOptions) {
      try {
        return (await read(resourcePath(kind, ref), callOptions)) as never;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },

    async list<T extends KubeObject>(kind: Kind<T>, listOptions: ListOptions = {}): Promise<ObjectList<T>> {
      const { signal, onAnswer, namespace, labels, fields, ...others } = listOptions;
      const path =
        resourcePath(kind, { namespace }) + query({ labelSelector: labels, fieldSelector: fields, ...others });
      const list = (await read(path, { signal, onAnswer })) as {
        items: T[] | null;
        metadata: { resourceVersion: string; continue?: string };
      };
      const items = list.items ?? [];
      const apiVersion = apiVersionOf(kind);
      for (const item of items) {
        item.apiVersion = apiVersion;
        item.kind = kind.kind;
      }
      const { resourceVersion, continue: rest } = list.metadata;
      return { items, resourceVersion, ...(rest === undefined || rest === "" ? {} : { continue: rest }) };
    },

    async *watch<T extends KubeObject>(kind: Kind<T>, watchOptions: WatchCallOptions): AsyncIterable<WatchFrame<T>> {
      const { signal, onAnswer, namespace, labels, fields, ...others } = watchOptions;
      const path = resourcePath(kind, { namespace });
      const lines = await transport.stream({
        method: "GET",
        path:
          path +
          query({ watch: true, allowWatchBookmarks: true, labelSelector: labels, fieldSelector: fields, ...others }),
        signal,
        onAnswer,
      });
      const onAbort = (): void => lines.destroy();
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
      try {
        do {
          for (let line = lines.take(); line !== undefined; line = lines.take())
            yield JSON.parse(line) as WatchFrame<T>;
        } while (await lines.more());
      } catch (cause) {
        signal?.throwIfAborted();
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ApiError(`WATCH ${path}: ${why}`, { status: 0, reason: "NoAnswer", cause });
      } finally {
        signal?.removeEventListener("abort", onAbort);
        lines.destroy();
      }
      signal?.throwIfAborted();
    },

    async podLog(pod, { signal, onAnswer, ...options }) {
      // A log is plain text, and why there is none is JSON.
      const path = `${resourcePath(Pod, pod)}/log${query({ ...options })}`;
      return transport.call({ method: "GET", path, accept: "application/json, */*", signal, onAnswer });
    },

    async create(kind, body, { fieldManager, signal, onAnswer } = {}) {
      return (await write({
        method: "POST",
        path: resourcePath(kind, { namespace: body.metadata.namespace }) + query({ fieldManager }),
        body: JSON.stringify(body),
        signal,
        onAnswer,
      })) as never;
    },

    apply: (kind, body, applyOptions) => apply(kind, body, applyOptions),
    applyStatus: (kind, body, applyOptions) => apply(kind, body, applyOptions, "status"),

    async patch(kind, ref, patch, { fieldManager, signal, onAnswer } = {}) {
      return (await write({
        method: "PATCH",
        path: resourcePath(kind, ref) + query({ fieldManager }),
        contentType: "application/json-patch+json",
        body: JSON.stringify(patch),
        signal,
        onAnswer,
      })) as never;
    },

    async delete(kind, ref, deleteOptions) {
      const { uid, resourceVersion, propagation, gracePeriodSeconds, signal, onAnswer } = deleteOptions;
      try {
        await write({
          method: "DELETE",
          path: resourcePath(kind, ref),
          body: JSON.stringify({
            apiVersion: "v1",
            kind: "DeleteOptions",
            preconditions: { uid, resourceVersion },
            propagationPolicy: propagation,
            gracePeriodSeconds,
          }),
          signal,
          onAnswer,
        });
      } catch (error) {
        if (isNotFound(error)) return;
        // Which precondition failed stands only in the message, so the object itself is asked.
        if (!isConflict(error) || (await client.get(kind, ref, { signal }))?.metadata.uid === uid) throw error;
      }
    },
  };
  return client;
}

function query(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  let text = "";
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || value === "") continue;
    text += `${text === "" ? "?" : "&"}${name}=${encodeURIComponent(value)}`;
  }
  return text;
}
