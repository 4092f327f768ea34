// The Shop as an API, and what it consists of. Pure but for the password's chance.
import { hash, randomBytes } from "node:crypto";
import {
  defineKind,
  Secret,
  Service,
  StatefulSet,
  type Children,
  type Condition,
  type KubeObject,
} from "holdfast/runtime";

export interface Shop extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly image?: string;
    readonly config?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
  };
}

export const Shop = defineKind<Shop>({
  group: "apps.bench.dev",
  version: "v1alpha1",
  kind: "Shop",
  plural: "shops",
  namespaced: true,
});

const port = { name: "db" };

export const children = {
  credentials: {
    kind: Secret,
    mode: "createOnce",
    desired: (shop) => [
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { ...at(shop), name: credentialsOf(shop), labels: labelsOf(shop) },
      },
    ],
    atCreation: () => ({ stringData: { username: "app", password: randomBytes(18).toString("base64url") } }),
  },
  service: {
    kind: Service,
    desired: (shop) => [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { ...at(shop), labels: labelsOf(shop) },
        spec: { clusterIP: "None", selector: labelsOf(shop), ports: [{ ...port, port: 5432 }] },
      },
    ],
  },
  statefulSet: {
    kind: StatefulSet,
    desired: (shop) => [
      {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { ...at(shop), labels: labelsOf(shop) },
        spec: {
          replicas: shop.spec?.replicas ?? 0,
          serviceName: shop.metadata.name,
          selector: { matchLabels: labelsOf(shop) },
          template: {
            metadata: { labels: labelsOf(shop), annotations: { "bench.dev/config-hash": configHash(shop) } },
            spec: {
              containers: [
                {
                  name: "db",
                  image: shop.spec?.image ?? "",
                  ports: [{ ...port, containerPort: 5432 }],
                  env: [variable(shop, "DB_USER", "username"), variable(shop, "DB_PASSWORD", "password")],
                },
              ],
            },
          },
        },
      },
    ],
  },
} as const satisfies Children<Readonly<Shop>>;

function at({ metadata: { name, namespace } }: Readonly<Shop>): { name: string; namespace: string } {
  return { name, namespace: namespace ?? "" };
}

function credentialsOf(shop: Readonly<Shop>): string {
  return `${shop.metadata.name}-credentials`;
}

function labelsOf(shop: Readonly<Shop>): Record<string, string> {
  return { "app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": shop.metadata.name };
}

function variable(shop: Readonly<Shop>, name: string, key: string) {
  return { name, valueFrom: { secretKeyRef: { name: credentialsOf(shop), key } } };
}

function configHash({ spec }: Readonly<Shop>): string {
  const pairs = Object.entries(spec?.config ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return hash("sha256", JSON.stringify(pairs), "hex").slice(0, 16);
}
