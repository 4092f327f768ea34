// What a controller can ask of an API server, as an interface: http-client.ts speaks it over the wire, tests may wrap it.
import type { KubeObject, Kind, Ref } from "./object.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Told the HTTP status before the call resolves or rejects, if any answer came: which a success does not tell otherwise. */
  readonly onAnswer?: ((status: number) => void) | undefined;
}

export interface ListOptions extends CallOptions {
  readonly namespace?: string;
  readonly labels?: string;
  readonly fields?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "NotOlderThan" | "Exact";
}

export interface ObjectList<T> {
  readonly items: T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export interface WatchCallOptions extends CallOptions {
  readonly namespace?: string;
  readonly labels?: string;
  readonly fields?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "NotOlderThan";
  /** Ask for the whole collection first, as ADDED frames up to a bookmark ("streaming list"). */
  readonly sendInitialEvents?: boolean;
  /** The server ends the watch after this many seconds. */
  readonly timeoutSeconds?: number;
}

/** One frame of a watch, as sent. Bookmarks are always asked for; their object carries only metadata. */
export type WatchFrame<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: T }
  | { readonly type: "ERROR"; readonly object: unknown };

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string;
  /** Take fields over from other managers. Controllers should: default true. */
  readonly force?: boolean;
}

export interface CreateOptions extends CallOptions {
  readonly fieldManager?: string;
}

/** RFC 6902. A leading `test` operation makes a patch conditional. */
export type JsonPatch = readonly (
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
)[];

export interface DeleteOptions extends CallOptions {
  /** Only the object with this uid: a namesake created since is left alone. */
  readonly uid: string;
  readonly resourceVersion?: string;
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

export interface PodLogOptions extends CallOptions {
  readonly container: string;
  /** The last lines alone. */
  readonly tailLines?: number;
  /** Of these lines the first bytes alone: what is longer loses its end. */
  readonly limitBytes?: number;
}

/**
 * The API server. Every method rejects with `ApiError` (status 0 when no answer came) and honours `signal`.
 * Bodies and answers are plain JSON: no field is dropped, added or converted.
 */
export interface KubeClient {
  /** undefined when there is no such object. */
  get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T | undefined>;
  /** One page; items carry apiVersion and kind, which the API leaves out of lists. */
  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /** One connection: ends when the server ends it, throws when it breaks. `watch.ts` makes it last. */
  watch<T extends KubeObject>(kind: Kind<T>, options: WatchCallOptions): AsyncIterable<WatchFrame<T>>;
  /** What a container of a Pod has written, as its node hands it out. Plain text, in whatever form the container writes. */
  podLog(pod: Ref, options: PodLogOptions): Promise<string>;
  create<T extends KubeObject>(kind: Kind<T>, body: T, options?: CreateOptions): Promise<T>;
  /** Server-side apply of exactly the fields in `body`. With `metadata.uid` set it never creates another object. */
  apply<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T>;
  applyStatus<T extends KubeObject>(kind: Kind<T>, body: T, options: ApplyOptions): Promise<T>;
  patch<T extends KubeObject>(kind: Kind<T>, ref: Ref, patch: JsonPatch, options?: CreateOptions): Promise<T>;
  /** Resolves also when the object is already gone or another one bears its name. */
  delete<T extends KubeObject>(kind: Kind<T>, ref: Ref, options: DeleteOptions): Promise<void>;
}
