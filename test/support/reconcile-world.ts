// A namespace of its own on the shared API server for tests of runtime/reconcile: a Shop that owns things, a cache that is as
// fresh as its last `read`, and the Events that were emitted.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { inject } from "vitest";
import { isAlreadyExists, isNotFound, isTooManyRequests } from "../../src/runtime/kube/errors.ts";
import type { EventNote } from "../../src/runtime/kube/events.ts";
import { createHttpClient, type HttpClient } from "../../src/runtime/kube/http-client.ts";
import { kubeconfigConnection } from "../../src/runtime/kube/kubeconfig.ts";
import { CustomResourceDefinition, Namespace } from "../../src/runtime/kube/kinds.ts";
import { defineKind, type Kind, type KubeObject, resourceName } from "../../src/runtime/kube/object.ts";
import { type Cache, Store } from "../../src/runtime/kube/store.ts";
import type { ApplyConfig, ApplyContext } from "../../src/runtime/reconcile/apply.ts";
import { ContestedPaths } from "../../src/runtime/reconcile/contested.ts";
import type { Owner } from "../../src/runtime/reconcile/ownership.ts";
import { createLog } from "../../src/runtime/telemetry/log.ts";

export interface Shop extends KubeObject {
  spec?: { goods?: string };
  status?: { phase?: string; labels?: Record<string, string>; [field: string]: unknown };
}

export const Shop = defineKind<Shop>({
  group: "example.org",
  version: "v1",
  kind: "Shop",
  plural: "shops",
  namespaced: true,
});

export const fieldManager = "holdfast";
export const managed = { "app.kubernetes.io/managed-by": "holdfast" };
export const ownerUid = "holdfast.dev/owner-uid";

export class ReconcileWorld implements AsyncDisposable {
  readonly namespace = `shop-${randomUUID().slice(0, 8)}`;
  readonly emitted: EventNote[] = [];
  readonly context: ApplyContext;
  readonly config = {
    fieldManager,
    labels: managed,
    ownerUidAnnotation: ownerUid,
    contested: new ContestedPaths(),
  } satisfies ApplyConfig;
  readonly client: HttpClient;
  #stores = new Map<string, Store<any>>();

  private constructor(client: HttpClient) {
    this.client = client;
    const cache: Cache = {
      get: (kind, ref) => this.#storeOf(kind).get(ref),
      list: (kind, options) => this.#storeOf(kind).list(options),
      covers: () => false,
    };
    this.context = {
      client,
      cache,
      events: { emit: (_regarding, note) => void this.emitted.push(note) },
      log: createLog({ level: "silent", name: "test" }),
      signal: new AbortController().signal,
    };
  }

  static async open(): Promise<ReconcileWorld> {
    const connection = await kubeconfigConnection({ path: inject("apiServer").adminKubeconfigPath });
    const world = new ReconcileWorld(createHttpClient({ connection, userAgent: "reconcile-test" }));
    await installShops(world.client);
    await world.client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: world.namespace } });
    return world;
  }

  /** A new Shop `orders`, as read. */
  async owner(name = "orders"): Promise<Owner & { object: Shop }> {
    const metadata = { name, namespace: this.namespace };
    const object = await this.client.create(Shop, { apiVersion: "example.org/v1", kind: "Shop", metadata });
    return { kind: Shop, object };
  }

  /** Brings the cache up to date, as a watch on our label would: what does not carry it is not seen. */
  async read(...kinds: readonly Kind<any>[]): Promise<void> {
    const labels = Object.entries(managed)
      .map(([name, value]) => `${name}=${value}`)
      .join();
    for (const kind of kinds) {
      const { items, resourceVersion } = await this.client.list<KubeObject>(kind, {
        namespace: this.namespace,
        labels,
      });
      this.#storeOf(kind).replace(items, resourceVersion);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    return Promise.resolve();
  }

  #storeOf(kind: Kind<any>): Store<any> {
    const store = this.#stores.get(resourceName(kind)) ?? new Store({ fieldManager, freeze: true });
    this.#stores.set(resourceName(kind), store);
    return store;
  }
}

/** Asks until the answer is not undefined. The test's own timeout is the only limit. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(50);
  }
}

async function installShops(client: HttpClient): Promise<void> {
  const schema = {
    type: "object",
    properties: {
      spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    },
  };
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "shops.example.org" },
    spec: {
      group: "example.org",
      names: { kind: "Shop", plural: "shops" },
      scope: "Namespaced",
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources: { status: {} } },
      ],
    },
  } as unknown as CustomResourceDefinition;
  await client.create(CustomResourceDefinition, definition).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
  await eventually(() =>
    client.list(Shop).catch((error: unknown) => {
      // Not served yet, or only just.
      if (isNotFound(error) || isTooManyRequests(error)) return undefined;
      throw error;
    }),
  );
}
