// One informer a kind, shared by all controllers of a manager: who watches what, and whether it is known yet.
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { Informer } from "../kube/informer.ts";
import { type Kind, type KubeObject, resourceName } from "../kube/object.ts";
import type { Delta } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { WatchOptions } from "./wakes.ts";

export interface InformerSetOptions {
  readonly client: KubeClient;
  readonly namespaces: readonly string[];
  readonly fieldManager: string;
  readonly freeze: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class InformerSet implements Iterable<Informer<any>> {
  readonly #options: InformerSetOptions;
  readonly #watches = new Map<string, { readonly informer: Informer<any>; readonly wanted: WatchOptions<any> }>();

  constructor(options: InformerSetOptions) {
    this.#options = options;
  }

  /** @throws Error when the kind is watched already, but with another selection or transform. */
  watch(kind: Kind, wanted: WatchOptions<any>): void {
    const resource = resourceName(kind);
    const known = this.#watches.get(resource)?.wanted;
    if (known !== undefined) {
      const same = (["labels", "fields", "transform"] as const).every((name) => known[name] === wanted[name]);
      if (!same)
        throw new Error(
          `${resource} are watched already with another selector or transform: there is one cache a kind`,
        );
      return;
    }
    const { client, namespaces, fieldManager, freeze, clock, log, metrics } = this.#options;
    const informer = new Informer<KubeObject>({
      client,
      kind,
      namespaces: kind.namespaced ? namespaces : [],
      labels: wanted.labels,
      fields: wanted.fields,
      transform: wanted.transform,
      fieldManager,
      freeze,
      clock,
      onError: (error, about) => {
        if (about.type === "disconnected") {
          const retryInMs = Math.round(about.retryInMs);
          log.warn({ err: error, resource, retryInMs }, "watch lost; the cache may be stale");
        } else log.error({ err: error, resource }, `a ${about.type} of the cache threw`);
      },
    });
    metrics.watch(resource, () =>
      informer.lastHeardAt === undefined ? undefined : clock.date().getTime() - informer.lastHeardAt.getTime(),
    );
    this.#watches.set(resource, { informer, wanted });
  }

  /** Calls back on every change from now on. */
  subscribe<T extends KubeObject>(kind: Kind<T>, handler: (delta: Delta<T>) => void): () => void {
    const informer: Informer<T> | undefined = this.#watches.get(resourceName(kind))?.informer;
    if (informer === undefined) throw new Error(`${resourceName(kind)} are not watched`);
    return informer.subscribe(handler, { replay: false });
  }

  /** Resolves when `signal` has aborted and all connections are closed. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this].map((informer) => informer.run(signal)));
  }

  /** Resolves when everything is in the cache; rejects when `run` ended before. */
  async synced(): Promise<void> {
    await Promise.all([...this].map((informer) => informer.synced));
  }

  unsynced(): readonly string[] {
    return [...this].filter((informer) => !informer.isSynced).map((informer) => resourceName(informer.kind));
  }

  /** The resources of which the cache does not hold what the API server holds now. */
  async behind(signal?: AbortSignal): Promise<readonly string[]> {
    const checked = await Promise.all(
      [...this].map(async (informer) => ({ informer, current: await informer.isUpToDate(signal) })),
    );
    return checked.filter(({ current }) => !current).map(({ informer }) => resourceName(informer.kind));
  }

  *[Symbol.iterator](): Iterator<Informer<any>> {
    for (const { informer } of this.#watches.values()) yield informer;
  }
}
