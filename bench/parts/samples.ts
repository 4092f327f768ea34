// Objects as an API server answers them, for the micro-benchmarks: a StatefulSet with what its operator applied, and what it desires.
import type { KubeObject } from "holdfast/runtime";

const labels = (name: string) => ({ "app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": name });
const owner = (name: string) => ({
  apiVersion: "apps.bench.dev/v1alpha1",
  kind: "Shop",
  name,
  uid: `5d0f6c1e-0000-4000-8000-${name}`,
  controller: true,
  blockOwnerDeletion: true,
});
const variable = (name: string, key: string) => ({
  name: `DB_${key.toUpperCase()}`,
  valueFrom: { secretKeyRef: { name: `${name}-credentials`, key } },
});

/** What the operator wants. */
export function desired(name: string, replicas = 2): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name, namespace: "bench", labels: labels(name), ownerReferences: [owner(name)] },
    spec: {
      replicas,
      serviceName: name,
      selector: { matchLabels: labels(name) },
      template: {
        metadata: { labels: labels(name), annotations: { "bench.dev/config-hash": "0123456789abcdef" } },
        spec: {
          containers: [
            {
              name: "db",
              image: "registry.example/shop:1.0",
              ports: [{ name: "db", containerPort: 5432 }],
              env: [variable(name, "username"), variable(name, "password")],
            },
          ],
        },
      },
    },
  } as KubeObject;
}

const env = (key: string) => ({
  [`k:{"name":"DB_${key}"}`]: { ".": {}, "f:name": {}, "f:valueFrom": { "f:secretKeyRef": {} } },
});
const ownedSpec = {
  "f:replicas": {},
  "f:selector": {},
  "f:serviceName": {},
  "f:template": {
    "f:metadata": {
      "f:annotations": { "f:bench.dev/config-hash": {} },
      "f:labels": { "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/name": {} },
    },
    "f:spec": {
      "f:containers": {
        'k:{"name":"db"}': {
          ".": {},
          "f:env": { ...env("PASSWORD"), ...env("USERNAME") },
          "f:image": {},
          "f:name": {},
          "f:ports": { 'k:{"containerPort":5432,"protocol":"TCP"}': { ".": {}, "f:containerPort": {}, "f:name": {} } },
        },
      },
    },
  },
};

/** What the API server made of it. */
export function live(name: string, resourceVersion: number): KubeObject {
  const object = desired(name) as KubeObject & { spec: { template: { spec: { containers: object[] } } } };
  const { template } = object.spec;
  const containers = template.spec.containers.map((container) => ({
    ...container,
    ports: [{ name: "db", containerPort: 5432, protocol: "TCP" }],
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: "IfNotPresent",
  }));
  const defaults = {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
  };
  return {
    ...object,
    metadata: {
      ...object.metadata,
      uid: `7c1e5d0f-0000-4000-8000-${name}`,
      resourceVersion: String(resourceVersion),
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      managedFields: [
        {
          manager: "shop-operator",
          operation: "Apply",
          apiVersion: "apps/v1",
          time: "2026-01-01T00:00:00Z",
          fieldsType: "FieldsV1",
          fieldsV1: {
            "f:metadata": {
              "f:labels": { "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/name": {} },
              "f:ownerReferences": { [`k:{"uid":"${owner(name).uid}"}`]: {} },
            },
            "f:spec": ownedSpec,
          },
        },
      ],
    },
    spec: {
      ...object.spec,
      podManagementPolicy: "OrderedReady",
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
      revisionHistoryLimit: 10,
      template: { ...template, spec: { ...template.spec, containers, ...defaults } },
    },
    status: { replicas: 0, availableReplicas: 0 },
  } as KubeObject;
}
