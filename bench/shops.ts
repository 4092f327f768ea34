// What is done to Shops, and how long a contestant takes to answer it: each act resolves when the contestant has done its part.
import { Secret, Service, StatefulSet, type HttpClient } from "holdfast/runtime";
import { namespace } from "./account.ts";
import { Shop } from "./contestants/holdfast/shop.ts";
import { watchFor } from "./sightings.ts";

/** Milliseconds from the request to the change that ends the contestant's part in it. */
type Act = (name: string) => Promise<number>;

export interface Shops {
  /** Without waiting for anybody. */
  place(name: string): Promise<unknown>;
  /** Resolves with the time of the contestant's first write to it. */
  noticed(name: string): Promise<number>;
  /** Until its status says that it is applied. */
  create: Act;
  /** Gives it another image, until its status has observed that. */
  update: Act;
  /** Sets the replicas of its StatefulSet to what it does not want, until they are again as it wants. For one that was updated. */
  harm: Act;
  /** Until it is gone. */
  remove: Act;
  /** @throws Error unless the children of all are as version 1 or 2 of them wants: who is fast by leaving things out takes no part */
  check(names: readonly string[], version: 1 | 2): Promise<void>;
}

const replicas = 2;
const image = (version: number): string => `registry.example/shop:${version}`;
const isApplied = (generation: number) => (shop: Shop | undefined) =>
  shop?.status?.phase === "Applied" && shop.status.observedGeneration === generation;

export async function openShops(client: HttpClient, signal: AbortSignal): Promise<Shops> {
  const here = { namespace, signal };
  const shops = await watchFor(client, Shop, here);
  const statefulSets = await watchFor(client, StatefulSet, here);
  const timed = async (seen: Promise<number>, request: () => Promise<unknown>): Promise<number> => {
    const startedAt = performance.now();
    const [at] = await Promise.all([seen, request()]);
    return at - startedAt;
  };
  const place = (name: string): Promise<unknown> =>
    client.create(
      Shop,
      {
        apiVersion: "apps.bench.dev/v1alpha1",
        kind: "Shop",
        metadata: { name, namespace },
        spec: { replicas, image: image(1), config: { currency: "EUR", language: "de" } },
      },
      { signal },
    );
  return {
    place,
    noticed: (name) => shops.when(name, (shop) => (shop?.metadata.finalizers ?? []).length > 0),
    create: (name) => timed(shops.when(name, isApplied(1)), () => place(name)),
    update: (name) => {
      const patch = [{ op: "replace", path: "/spec/image", value: image(2) }] as const;
      return timed(shops.when(name, isApplied(2)), () => client.patch(Shop, { namespace, name }, patch, { signal }));
    },
    harm: (name) => {
      const patch = [{ op: "replace", path: "/spec/replicas", value: 9 }] as const;
      // Created, updated, harmed, mended.
      const isMended = (set?: StatefulSet): boolean =>
        set?.metadata.generation === 4 && set.spec?.replicas === replicas;
      return timed(statefulSets.when(name, isMended), () =>
        client.patch(StatefulSet, { namespace, name }, patch, { signal }),
      );
    },
    remove: async (name) => {
      const uid = (await client.get(Shop, { namespace, name }, { signal }))?.metadata.uid ?? "";
      const isGone = (shop?: Shop): boolean => shop === undefined;
      return timed(shops.when(name, isGone), () => client.delete(Shop, { namespace, name }, { uid, signal }));
    },
    async check(names, version) {
      const sets = (await client.list(StatefulSet, here)).items.filter(
        ({ metadata, spec }) =>
          metadata.ownerReferences?.[0]?.controller === true &&
          spec?.replicas === replicas &&
          spec.template.spec?.containers[0]?.image === image(version),
      );
      const services = (await client.list(Service, here)).items.filter(({ spec }) => spec?.clusterIP === "None");
      const secrets = (await client.list(Secret, here)).items.filter(({ data }) => data?.["password"] !== undefined);
      const right = new Set([
        ...sets.map(({ metadata: { name } }) => `StatefulSet ${name}`),
        ...services.map(({ metadata: { name } }) => `Service ${name}`),
        ...secrets.map(({ metadata: { name } }) => `Secret ${name}`),
      ]);
      const missing = names
        .flatMap((name) => [`StatefulSet ${name}`, `Service ${name}`, `Secret ${name}-credentials`])
        .filter((child) => !right.has(child));
      if (missing.length > 0) throw new Error(`absent or wrong: ${missing.slice(0, 5).join(", ")}, …`);
    },
  };
}
