// A port's fake: the part of an API server that leader election needs, with optimistic concurrency, and a network in front of it
// that takes its time both ways, loses answers, and carries out what its caller has long given up.
import type { JsonPatch, KubeClient } from "../../src/runtime/kube/client.ts";
import { ApiError } from "../../src/runtime/kube/errors.ts";
import { type KubeObject, type Kind, type Ref, keyOf, refTo } from "../../src/runtime/kube/object.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { sleep } from "../../src/runtime/clock.ts";

export class LeaseStore {
  readonly #objects = new Map<string, KubeObject>();
  #version = 0;
  /** How often something was written, and by whom. */
  readonly writes: { readonly holder: string; readonly spec: Readonly<Record<string, unknown>> }[] = [];

  get(ref: Ref): KubeObject | undefined {
    return structuredClone(this.#objects.get(keyOf(ref)));
  }

  create(object: KubeObject): KubeObject {
    const key = keyOf(refTo(object));
    if (this.#objects.has(key)) throw new ApiError("exists", { status: 409, reason: "AlreadyExists" });
    return this.#store(object);
  }

  patch(ref: Ref, patch: JsonPatch): KubeObject {
    const object = this.get(ref);
    if (object === undefined) throw new ApiError("no lease", { status: 404, reason: "NotFound" });
    let next: Record<string, unknown> = { ...object };
    for (const step of patch) {
      if (step.op === "test" && step.path === "/metadata/resourceVersion") {
        if (step.value !== object.metadata.resourceVersion) {
          throw new ApiError("testing value failed", { status: 422, reason: "Invalid" });
        }
      } else if (step.op === "add" && step.path === "/spec") next = { ...next, spec: step.value };
      else throw new Error(`the fake knows no ${step.op} ${step.path}`);
    }
    return this.#store(next as unknown as KubeObject);
  }

  #store(object: KubeObject): KubeObject {
    const stored = structuredClone(object);
    stored.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(keyOf(refTo(stored)), stored);
    const { spec } = stored as KubeObject & { spec: Record<string, unknown> };
    this.writes.push({ holder: String(spec["holderIdentity"]), spec });
    return structuredClone(stored);
  }
}

/** What becomes of one request: when it arrives, when its answer does, and whether at all. */
export interface Trip {
  readonly thereMs: number;
  readonly backMs: number;
  readonly lost?: "request" | "answer";
}

/** A client of the store, as seen by one candidate. An aborted call ends for its caller and is carried out all the same. */
export function clientOf(store: LeaseStore, clock: Clock, nextTrip: () => Trip): KubeClient {
  const send = async <R>(carryOut: () => R, signal: AbortSignal | undefined): Promise<R> => {
    const trip = nextTrip();
    const travel = async (): Promise<R> => {
      await sleep(clock, trip.thereMs);
      if (trip.lost === "request") throw new ApiError("reset", { status: 0, reason: "NoAnswer" });
      const answer = await Promise.resolve()
        .then(carryOut)
        .then(
          (value) => () => value,
          (error: unknown) => () => {
            throw error;
          },
        );
      await sleep(clock, trip.backMs);
      if (trip.lost === "answer") throw new ApiError("reset", { status: 0, reason: "NoAnswer" });
      return answer();
    };
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    aborted.catch(() => {});
    const travelling = travel();
    travelling.catch(() => {});
    return Promise.race([travelling, aborted]);
  };
  const client: Partial<KubeClient> = {
    get: <T extends KubeObject>(_: Kind<T>, ref: Ref, options?: { signal?: AbortSignal }) =>
      send(() => store.get(ref) as T | undefined, options?.signal),
    create: <T extends KubeObject>(_: Kind<T>, body: T, options?: { signal?: AbortSignal }) =>
      send(() => store.create(body) as T, options?.signal),
    patch: <T extends KubeObject>(_: Kind<T>, ref: Ref, patch: JsonPatch, options?: { signal?: AbortSignal }) =>
      send(() => store.patch(ref, patch) as unknown as T, options?.signal),
  };
  return client as KubeClient;
}
