// What a difference is called and where it is found. That nothing is missed is shown in test/scenarios/diff.test.ts.
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/runtime/kube/object.ts";
import { diff, type Difference } from "../../../src/runtime/reconcile/diff.ts";

/** A StatefulSet as desired: the little of it that matters here. */
const desired = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name: "orders-1", namespace: "shop", labels: { "app.kubernetes.io/name": "postgresql" } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: "orders" } },
    template: {
      spec: {
        containers: [
          {
            name: "postgres",
            image: "example.org/pg:17",
            args: ["-c", "a"],
            ports: [{ containerPort: 5432 }],
            resources: { limits: { cpu: "1000m", memory: "1024Mi" } },
          },
          { name: "metrics", image: "example.org/metrics:1" },
        ],
      },
    },
  },
};

/** The same as the API server shows it after our apply, with defaults. */
const container = {
  ...desired.spec.template.spec.containers[0]!,
  ports: [{ containerPort: 5432, protocol: "TCP" }],
  resources: { limits: { cpu: "1", memory: "1Gi" } },
  imagePullPolicy: "IfNotPresent",
};
const sidecar = { ...desired.spec.template.spec.containers[1]!, imagePullPolicy: "IfNotPresent" };
const ownedContainers = {
  'k:{"name":"postgres"}': {
    ".": {},
    "f:args": {},
    "f:image": {},
    "f:name": {},
    "f:ports": { 'k:{"containerPort":5432,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
    "f:resources": { "f:limits": { "f:cpu": {}, "f:memory": {} } },
  },
  'k:{"name":"metrics"}': { ".": {}, "f:image": {}, "f:name": {} },
};
const owned = {
  "f:metadata": { "f:labels": { "f:app.kubernetes.io/name": {} } },
  "f:spec": { "f:replicas": {}, "f:selector": {}, "f:template": { "f:spec": { "f:containers": ownedContainers } } },
};

function live(
  change: { containers?: unknown[]; spec?: object; metadata?: object; owned?: object; manager?: string } = {},
): KubeObject {
  const entry = {
    manager: change.manager ?? "holdfast",
    operation: "Apply",
    apiVersion: "apps/v1",
    fieldsType: "FieldsV1",
    fieldsV1: { ...owned, ...change.owned },
  };
  return {
    ...desired,
    metadata: { ...desired.metadata, uid: "u1", resourceVersion: "7", ...change.metadata, managedFields: [entry] },
    spec: {
      ...desired.spec,
      podManagementPolicy: "OrderedReady",
      template: { spec: { containers: change.containers ?? [container, sidecar], restartPolicy: "Always" } },
      ...change.spec,
    },
    status: { replicas: 1 },
  } as KubeObject;
}

const inTemplate = (containers: object): object => ({
  owned: { "f:spec": { ...owned["f:spec"], "f:template": { "f:spec": { "f:containers": containers } } } },
});
const { 'k:{"name":"metrics"}': ownedMetrics, 'k:{"name":"postgres"}': ownedPostgres } = ownedContainers;
const at = "spec.template.spec.containers";

const table: readonly (readonly [because: string, live: KubeObject, differences: readonly Difference[]])[] = [
  ["defaults, units and protocols are not differences", live(), []],
  [
    "additions by others are left alone",
    live({ metadata: { labels: { ...desired.metadata.labels, team: "shop" } } }),
    [],
  ],
  [
    "a container of somebody else may stand between ours",
    live({ containers: [container, { name: "proxy", image: "p" }, sidecar] }),
    [],
  ],
  [
    "a value of ours that we want otherwise has changed",
    live({ containers: [{ ...container, image: "example.org/pg:16" }, sidecar] }),
    [{ path: `${at}[name=postgres].image`, type: "changed" }],
  ],
  [
    "an atomic list is one value",
    live({ containers: [{ ...container, args: ["a", "-c"] }, sidecar] }),
    [{ path: `${at}[name=postgres].args`, type: "changed" }],
  ],
  [
    "an atomic object is one value, also where live has more",
    live({ spec: { selector: { matchLabels: { app: "orders", tier: "1" } } } }),
    [{ path: "spec.selector", type: "changed" }],
  ],
  [
    "a quantity that means something else has changed",
    live({ containers: [{ ...container, resources: { limits: { cpu: "2", memory: "1Gi" } } }, sidecar] }),
    [{ path: `${at}[name=postgres].resources.limits.cpu`, type: "changed" }],
  ],
  [
    "an item that is ours and missing has changed",
    live({ containers: [container] }),
    [{ path: `${at}[name=metrics]`, type: "changed" }],
  ],
  [
    "the order of items can mean something",
    live({ containers: [sidecar, container] }),
    [{ path: at, type: "reordered" }],
  ],
  [
    "what is wanted and equal, but not ours, must become ours",
    live(inTemplate({ 'k:{"name":"postgres"}': ownedPostgres, 'k:{"name":"metrics"}': { ".": {}, "f:name": {} } })),
    [{ path: `${at}[name=metrics].image`, type: "unowned" }],
  ],
  [
    "an item that nobody or somebody else owns must become ours",
    live(inTemplate({ 'k:{"name":"postgres"}': ownedPostgres })),
    [{ path: `${at}[name=metrics]`, type: "unowned" }],
  ],
  [
    "what is ours and no longer wanted is removed",
    live(inTemplate({ ...ownedContainers, 'k:{"name":"metrics"}': { ...ownedMetrics, "f:command": {} } })),
    [{ path: `${at}[name=metrics].command`, type: "removed" }],
  ],
  [
    "an item that is ours and no longer wanted is removed",
    live(inTemplate({ ...ownedContainers, 'k:{"name":"backup"}': { ".": {}, "f:name": {} } })),
    [{ path: `${at}[name=backup]`, type: "removed" }],
  ],
  [
    "a label of ours is removed, and its odd name is readable",
    live({
      owned: { "f:metadata": { "f:labels": { "f:app.kubernetes.io/name": {}, "f:app.kubernetes.io/part-of": {} } } },
    }),
    [{ path: "metadata.labels[app.kubernetes.io/part-of]", type: "removed" }],
  ],
  [
    "an object that we never applied is not ours at all",
    live({ manager: "kubectl" }),
    [
      { path: "metadata.labels[app.kubernetes.io/name]", type: "unowned" },
      { path: "spec.replicas", type: "unowned" },
      { path: "spec.selector.matchLabels.app", type: "unowned" },
      { path: at, type: "unowned" },
    ],
  ],
];

describe("a difference", () => {
  test.for(table)("%s", ([, live, differences]) => {
    expect(diff(desired, live, "holdfast")).toEqual(differences);
  });
});

test("what must be absent is forbidden whoever set it, and nothing else is asked of it", () => {
  const options = { absent: ["spec.podManagementPolicy", "spec.volumeClaimTemplates"] };
  expect(diff(desired, live(), "holdfast", options)).toEqual([{ path: "spec.podManagementPolicy", type: "forbidden" }]);
});

const port = { name: "postgres", port: 5432, protocol: "TCP" };
const ownedPort = { 'k:{"port":5432,"protocol":"TCP"}': { ".": {}, "f:name": {}, "f:port": {}, "f:protocol": {} } };

test.each([
  { ports: [port], found: [], because: "it is ours alone" },
  { ports: [port, { ...port, name: "other", port: 80 }], found: ["forbidden"], because: "one more is there" },
  { ports: [{ ...port, port: 5433 }], found: ["changed", "forbidden"], because: "ours was given another number" },
  { ports: [], found: ["changed", "forbidden"], because: "ours is gone" },
])("a list that is ours as a whole: $because", ({ ports, found }) => {
  const service = { apiVersion: "v1", kind: "Service", metadata: { name: "orders" } };
  const entry = {
    manager: "holdfast",
    operation: "Apply",
    apiVersion: "v1",
    fieldsV1: { "f:spec": { "f:ports": ownedPort } },
  };
  const there = { ...service, metadata: { ...service.metadata, managedFields: [entry] }, spec: { ports } };
  const differences = diff({ ...service, spec: { ports: [port] } } as KubeObject, there, "holdfast", {
    whole: ["spec.ports"],
  });
  expect(differences.map(({ type }) => type)).toEqual(found);
});

test("null, undefined, status and what the server writes are not wanted", () => {
  const noisy = {
    ...desired,
    metadata: { ...desired.metadata, creationTimestamp: null, uid: "u0", resourceVersion: "1" },
    spec: { ...desired.spec, serviceName: undefined, ordinals: null },
    status: { replicas: 5 },
  };
  expect(diff(noisy as unknown as KubeObject, live(), "holdfast")).toEqual([]);
});

test("an apply of another API version is done again in this one", () => {
  const older = live();
  older.metadata.managedFields![0]!.apiVersion = "apps/v1beta1";
  expect(diff(desired, older, "holdfast")).toEqual([{ path: "apiVersion", type: "changed" }]);
});

test("a path never tells a value: they may be secret", () => {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "orders-credentials", namespace: "shop" },
    stringData: { password: "hunter2" },
  };
  const there = { ...secret, stringData: undefined, data: { password: "b2xk" } };
  expect(diff(secret, there, "holdfast")).toEqual([{ path: "data.password", type: "unowned" }]);
});

function shop(cpu: string): KubeObject {
  const spec = { resources: { limits: { cpu } } };
  return {
    apiVersion: "example.org/v1",
    kind: "Shop",
    metadata: { name: "orders", namespace: "shop" },
    spec,
  } as KubeObject;
}

test("custom resources are stored as sent: no unit, no default is passed over", () => {
  const there = shop("1");
  const fieldsV1 = { "f:spec": { "f:resources": { "f:limits": { "f:cpu": {} } } } };
  there.metadata.managedFields = [{ manager: "holdfast", operation: "Apply", apiVersion: "example.org/v1", fieldsV1 }];
  expect(diff(shop("1"), there, "holdfast")).toEqual([]);
  expect(diff(shop("1000m"), there, "holdfast")).toEqual([{ path: "spec.resources.limits.cpu", type: "changed" }]);
});
