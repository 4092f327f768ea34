// A world for one controller without an API server: a cache that a test fills by hand, and a record of what came out of it.
import type { KubeClient } from "../../src/runtime/kube/client.ts";
import type { EventNote } from "../../src/runtime/kube/events.ts";
import { type Kind, type KubeObject, keyOf, refTo, resourceName } from "../../src/runtime/kube/object.ts";
import type { Cache, Delta } from "../../src/runtime/kube/store.ts";
import type { ControllerWorld } from "../../src/runtime/loop/controller.ts";
import { createLog, type Log } from "../../src/runtime/telemetry/log.ts";
import { createMetrics, type Metrics, type QueueView } from "../../src/runtime/telemetry/metrics.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";

export const silent: Log = createLog({ level: "silent", name: "test" });

export class TestWorld implements ControllerWorld {
  readonly clock = new VirtualClock();
  readonly events = { emit: (regarding: KubeObject, note: EventNote) => void this.emitted.push({ regarding, note }) };
  readonly emitted: { regarding: KubeObject; note: EventNote }[] = [];
  readonly log = silent;
  readonly client: KubeClient;
  readonly registry: Metrics;
  readonly metrics: ControllerWorld["metrics"];
  /** For the gauges. */
  queue: (() => QueueView) | undefined;
  readonly random = (): number => 0.5;
  readonly #objects = new Map<string, KubeObject>();
  readonly #handlers = new Map<string, Set<(delta: Delta<any>) => void>>();
  #version = 0;

  /** @param client answers what the reconciler under test asks for; by default every call fails */
  constructor(client: Partial<KubeClient> = {}) {
    this.client = client as KubeClient;
    this.registry = createMetrics({ process: false });
    this.metrics = this.registry.controller("test", 1, () => this.queue?.());
  }

  readonly cache: Cache = {
    get: (kind, ref) => this.#objects.get(placeOf(kind, keyOf(ref))) as never,
    list: (kind) => {
      const prefix = placeOf(kind, "");
      return [...this.#objects].flatMap(([place, object]) => (place.startsWith(prefix) ? [object] : [])) as never;
    },
    covers: () => true,
  };

  subscribe = <T extends KubeObject>(kind: Kind<T>, handler: (delta: Delta<T>) => void): (() => void) => {
    const handlers = this.#handlers.get(resourceName(kind)) ?? new Set();
    this.#handlers.set(resourceName(kind), handlers.add(handler));
    return () => handlers.delete(handler);
  };

  /** What the watch would tell: an object appeared or changed. Answers it as it is cached. */
  put<T extends KubeObject>(
    kind: Kind<T>,
    object: T,
    given: { initial?: boolean; own?: boolean; mayBeOwn?: boolean } = {},
  ): T {
    const place = placeOf(kind, keyOf(refTo(object)));
    const old = this.#objects.get(place);
    const { name } = object.metadata;
    const metadata = { uid: `uid-${name}`, resourceVersion: String(++this.#version), ...object.metadata };
    const stored = { ...object, metadata };
    this.#objects.set(place, stored);
    const { initial, ...own } = given;
    this.#tell(
      kind,
      old === undefined
        ? { type: initial === true ? "initial" : "added", object: stored, ...own }
        : { type: "updated", old, object: stored, ...own },
    );
    return stored;
  }

  remove<T extends KubeObject>(kind: Kind<T>, object: T): void {
    const place = placeOf(kind, keyOf(refTo(object)));
    const last = this.#objects.get(place);
    if (last === undefined) return;
    this.#objects.delete(place);
    this.#tell(kind, { type: "deleted", object: last, finalStateUnknown: false });
  }

  /** The value of one series, e.g. ("controller_runtime_reconcile_total", { result: "error" }). */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const metric = await this.registry.registry.getSingleMetric(name)?.get();
    const matches = (of: object): boolean =>
      Object.entries(labels).every(([label, value]) => String((of as Record<string, unknown>)[label]) === value);
    return metric?.values.find((each) => matches(each.labels))?.value;
  }

  #tell(kind: Kind, delta: Delta): void {
    for (const handler of this.#handlers.get(resourceName(kind)) ?? []) handler(delta);
  }
}

function placeOf(kind: Kind, key: string): string {
  return `${resourceName(kind)} ${key}`;
}
