// A client of which every call goes through one function: what is to happen around calls is written once, not once for each verb.
import type { CallOptions, KubeClient } from "./client.ts";
import { Pod } from "./kinds.ts";
import { type Kind, type Ref, refTo } from "./object.ts";

/** Which call is about to be made. */
export interface Call {
  readonly verb: "get" | "list" | "create" | "apply" | "patch" | "delete";
  readonly kind: Kind;
  readonly subresource?: "status" | "log";
  /** As far as the call names an object. */
  readonly place: Partial<Ref>;
}

/** Makes the call by `send`, or does not. What it answers is what the caller gets. */
export type Around = <O extends CallOptions, R>(call: Call, options: O, send: (options: O) => Promise<R>) => Promise<R>;

/** All calls but watches: those last longer than what surrounds a call. */
export function clientAround(client: KubeClient, around: Around): KubeClient {
  return {
    get: (kind, ref, options = {}) =>
      around({ verb: "get", kind, place: ref }, options, (given) => client.get(kind, ref, given)),
    list: (kind, options = {}) =>
      around({ verb: "list", kind, place: options }, options, (given) => client.list(kind, given)),
    watch: (kind, options) => client.watch(kind, options),
    podLog: (pod, options) =>
      around({ verb: "get", kind: Pod, subresource: "log", place: pod }, options, (given) => client.podLog(pod, given)),
    create: (kind, body, options = {}) =>
      around({ verb: "create", kind, place: refTo(body) }, options, (given) => client.create(kind, body, given)),
    apply: (kind, body, options) =>
      around({ verb: "apply", kind, place: refTo(body) }, options, (given) => client.apply(kind, body, given)),
    applyStatus: (kind, body, options) =>
      around({ verb: "apply", kind, subresource: "status", place: refTo(body) }, options, (given) =>
        client.applyStatus(kind, body, given),
      ),
    patch: (kind, ref, patch, options = {}) =>
      around({ verb: "patch", kind, place: ref }, options, (given) => client.patch(kind, ref, patch, given)),
    delete: (kind, ref, options) =>
      around({ verb: "delete", kind, place: ref }, options, (given) => client.delete(kind, ref, given)),
  };
}

export function isWrite({ verb }: Call): boolean {
  return verb !== "get" && verb !== "list";
}
