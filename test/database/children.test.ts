import { describe, expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { children } from "../../src/database/children/index.ts";
import type { Instance } from "../../src/database/instances.ts";
import { commonLabels, instanceLabels } from "../../src/database/names.ts";
import { podTemplate } from "../../src/database/pod-template.ts";
import { patroniConfig, renderPatroniConfig } from "../../src/postgres/patroni-config.ts";
import { resourceName, type KubeObject } from "../../src/runtime/index.ts";
import { instances, leading, resolveOrders } from "../support/orders.ts";

type Name = keyof typeof children;

function desired<N extends Name>(name: N, spec: Partial<DatabaseSpec> = {}, existing: readonly Instance[] = []) {
  return children[name].desired(resolveOrders(spec, existing)) as ReturnType<(typeof children)[N]["desired"]>;
}

const metadata = (name: string) => ({ name, namespace: "shop", labels: commonLabels("orders") });
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const decoded = (data: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64").toString()]));

const all = (spec: Partial<DatabaseSpec>): KubeObject[] =>
  Object.values(children).flatMap((child): readonly KubeObject[] => child.desired(resolveOrders(spec)));

describe("all children", () => {
  test("are what a Database of three instances consists of", () => {
    expect(all({ replicas: 3 }).map(({ kind, metadata: { name } }) => `${kind} ${name}`)).toEqual([
      "Secret orders-internal",
      "Secret orders-credentials",
      "ConfigMap orders-patroni",
      "ServiceAccount orders",
      "RoleBinding orders",
      "Service orders",
      "Service orders-config",
      "Service orders-sync",
      "Service orders-failover",
      "Service orders-replicas",
      "Service orders-pods",
      "PersistentVolumeClaim orders-1",
      "PersistentVolumeClaim orders-2",
      "PersistentVolumeClaim orders-3",
      "PodDisruptionBudget orders",
      "StatefulSet orders-1",
      "StatefulSet orders-2",
      "StatefulSet orders-3",
    ]);
  });

  test("carry the labels that say whose they are, and are of the kind that they say", () => {
    for (const { kind, desired: build } of Object.values(children)) {
      for (const object of build(resolveOrders({ replicas: 2 })) as readonly KubeObject[]) {
        expect(object.metadata.labels).toMatchObject(commonLabels("orders"));
        expect(object.metadata.namespace).toBe("shop");
        expect(object.kind).toBe(kind.kind);
        expect(object.apiVersion).toBe(kind.group === "" ? kind.version : `${kind.group}/${kind.version}`);
      }
    }
  });

  test("need only what stands further up", () => {
    const names = Object.keys(children);
    const wrong = Object.entries(children).flatMap(([name, child]) =>
      ("needs" in child ? child.needs : []).filter((need) => names.indexOf(need) >= names.indexOf(name)),
    );
    expect(wrong).toEqual([]);
  });

  test("are pruned with their owner but for volumes, passwords and instances, which go by a planned act", () => {
    const kept = Object.values(children).filter((child) => "prune" in child && child.prune === "never");
    expect(kept.map(({ kind }) => resourceName(kind))).toEqual([
      "secrets",
      "persistentvolumeclaims",
      "statefulsets.apps",
    ]);
    const unowned = Object.values(children).filter((child) => "ownership" in child && child.ownership === "annotation");
    expect(unowned.map(({ kind }) => resourceName(kind))).toEqual(["secrets", "persistentvolumeclaims"]);
  });

  test("hold no password outside of Secrets", () => {
    const others = all({ replicas: 3 }).filter(({ kind }) => kind !== "Secret");
    expect(JSON.stringify(others)).not.toMatch(/-pw\b/);
  });

  test("give the label that Patroni selects by to nothing whose Endpoints would bear it", () => {
    const services = all({ replicas: 3 }).filter(({ kind }) => kind === "Service");
    expect(services.filter(({ metadata: { labels = {} } }) => "holdfast.dev/database" in labels)).toEqual([]);
  });
});

test("orders-internal holds the generated passwords", () => {
  expect(desired("internalSecret")).toEqual([
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: metadata("orders-internal"),
      type: "Opaque",
      data: {
        "application-password": base64("application-pw"),
        "superuser-password": base64("superuser-pw"),
        "replication-password": base64("replication-pw"),
        "rewind-password": base64("rewind-pw"),
        "rest-password": base64("rest-pw"),
      },
    },
  ]);
});

describe("orders-credentials", () => {
  test("has what applications need, with timeouts", () => {
    const [secret] = desired("credentialsSecret", { username: "app", databaseName: "main" });
    expect(secret?.metadata).toEqual(metadata("orders-credentials"));
    expect(decoded(secret?.data)).toEqual({
      username: "app",
      password: "application-pw",
      host: "orders.shop.svc",
      port: "5432",
      dbname: "main",
      uri:
        "postgresql://app:application-pw@orders.shop.svc:5432/main?connect_timeout=5&keepalives=1&keepalives_idle=10" +
        "&keepalives_interval=5&keepalives_count=2&tcp_user_timeout=20000",
      "jdbc-uri":
        "jdbc:postgresql://orders.shop.svc:5432/main?user=app&password=application-pw&connectTimeout=5&tcpKeepAlive=true",
      pgpass: "orders.shop.svc:5432:main:app:application-pw\n",
    });
  });

  test("writes a difficult password so that each form gives it back", () => {
    const password = String.raw`a:b\c/d?e@f g+h%i&j=ü`;
    const [secret] = children.credentialsSecret.desired({ ...resolveOrders(), password });
    const { uri = "", "jdbc-uri": jdbc = "", pgpass = "" } = decoded(secret?.data);
    expect(decodeURIComponent(new URL(uri).password)).toBe(password);
    const [, jdbcPassword = ""] = /password=([^&]*)/.exec(jdbc) ?? [];
    expect(decodeURIComponent(jdbcPassword)).toBe(password);
    expect(jdbcPassword).not.toContain("+");
    const fields = pgpass.trimEnd().split(/(?<!\\):/);
    expect(fields.at(-1)?.replaceAll(/\\(.)/g, "$1")).toBe(password);
  });
});

test("orders-patroni holds Patroni's file", () => {
  const cluster = {
    name: "orders",
    version: "17",
    labels: commonLabels("orders"),
    scopeLabel: "holdfast.dev/database",
    roleLabel: "holdfast.dev/role",
    ports: { postgres: 5432, patroni: 8008 },
  };
  expect(desired("configMap", { parameters: { jit: false } })).toEqual([
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: metadata("orders-patroni"),
      data: { "patroni.yml": renderPatroniConfig(patroniConfig(cluster, { jit: "off" })) },
    },
  ]);
});

test("the ServiceAccount gives no token to Pods that do not ask", () => {
  expect(desired("serviceAccount")).toEqual([
    { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata("orders"), automountServiceAccountToken: false },
  ]);
});

test("the RoleBinding binds it to the chart's ClusterRole", () => {
  expect(desired("roleBinding")).toEqual([
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: metadata("orders"),
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "holdfast-instance" },
      subjects: [{ kind: "ServiceAccount", name: "orders", namespace: "shop" }],
    },
  ]);
});

const service = (name: string, spec: object) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: metadata(name),
  spec,
});

describe("Services", () => {
  test("whose Endpoints Patroni writes have no selector, and none may be added", () => {
    const services = desired("patroniServices");
    const postgres = { name: "postgres", port: 5432, targetPort: 5432, protocol: "TCP" };
    expect(services).toEqual([
      service("orders", { type: "ClusterIP", ports: [postgres] }),
      service("orders-config", { clusterIP: "None" }),
      service("orders-sync", { clusterIP: "None" }),
      service("orders-failover", { clusterIP: "None" }),
    ]);
    expect(children.patroniServices.absent).toEqual(["spec.selector"]);
  });

  test("of Pods select replicas by Patroni's label, and all Pods for their names", () => {
    const [replicas, pods] = desired("podServices");
    expect(replicas?.spec).toMatchObject({
      type: "ClusterIP",
      selector: { "holdfast.dev/database": "orders", "holdfast.dev/role": "replica" },
    });
    expect(pods?.spec).toMatchObject({
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: { "holdfast.dev/database": "orders" },
    });
  });
});

describe("volumes", () => {
  test("say whether their instance was primary last", () => {
    const existing = instances(2, { number: 1, volume: { lastPrimary: "true" } }, { number: 2, patroni: leading });
    expect(desired("persistentVolumeClaims", { replicas: 2 }, existing)).toEqual(
      [1, 2].map((number) => ({
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: {
          name: `orders-${number}`,
          namespace: "shop",
          labels: instanceLabels("orders", `orders-${number}`),
          annotations: { "holdfast.dev/last-primary": String(number === 2) },
        },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      })),
    );
  });

  test("are of the class that the spec names", () => {
    const [volume] = desired("persistentVolumeClaims", { storage: { size: "1Gi", storageClass: "fast" } });
    expect(volume?.spec.storageClassName).toBe("fast");
  });
});

describe("the PodDisruptionBudget", () => {
  test("lets one instance go at a time, and broken ones always", () => {
    expect(desired("podDisruptionBudget", { replicas: 3 })).toEqual([
      {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: metadata("orders"),
        spec: {
          minAvailable: 2,
          selector: { matchLabels: { "holdfast.dev/database": "orders" } },
          unhealthyPodEvictionPolicy: "AlwaysAllow",
        },
      },
    ]);
  });

  test("does not exist for a single instance: it would block every drain", () => {
    expect(desired("podDisruptionBudget", { replicas: 1 })).toEqual([]);
  });
});

describe("StatefulSets", () => {
  test("run one Pod each and replace it when they are told to", () => {
    const labels = instanceLabels("orders", "orders-1");
    expect(desired("statefulSets")).toEqual([
      {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: {
          name: "orders-1",
          namespace: "shop",
          labels,
          annotations: { "holdfast.dev/catalogue-version": "17" },
        },
        spec: {
          replicas: 1,
          serviceName: "orders-pods",
          selector: { matchLabels: { "holdfast.dev/database": "orders", "holdfast.dev/instance": "orders-1" } },
          updateStrategy: { type: "OnDelete" },
          template: podTemplate(resolveOrders(), "orders-1"),
        },
      },
    ]);
  });

  test("do not claim the catalogue's choice for an image that the spec names", () => {
    const [statefulSet] = desired("statefulSets", { image: "registry.example/mine:17" });
    expect(statefulSet?.metadata.annotations).toBeUndefined();
  });

  test("select the Pods that their template makes", () => {
    for (const { spec } of desired("statefulSets", { replicas: 3 })) {
      expect(spec.template.metadata?.labels).toMatchObject(spec.selector.matchLabels);
    }
  });
});
