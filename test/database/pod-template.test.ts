import { describe, expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { podTemplate } from "../../src/database/pod-template.ts";
import { resolveOrders } from "../support/orders.ts";

const template = (spec: Partial<DatabaseSpec> = {}) => podTemplate(resolveOrders(spec), "orders-1");

const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const password = (name: string, key: string) => ({
  name,
  valueFrom: { secretKeyRef: { name: "orders-internal", key } },
});

/**
 * Whole, and so is what a spec adds to it, below. A newer operator must make the same Pod of the same spec: whoever has to edit what is
 * expected here restarts every PostgreSQL of every cluster when the operator is upgraded.
 */
const smallest = {
  metadata: {
    labels: {
      "app.kubernetes.io/managed-by": "holdfast",
      "app.kubernetes.io/name": "postgresql",
      "app.kubernetes.io/instance": "orders",
      "holdfast.dev/database": "orders",
      "holdfast.dev/instance": "orders-1",
    },
  },
  spec: {
    serviceAccountName: "orders",
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 300,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 999,
      runAsGroup: 999,
      fsGroup: 999,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "postgres",
        image: "holdfast/postgres:17-1",
        imagePullPolicy: "IfNotPresent",
        command: ["tini", "--", "holdfast-postgres", "/etc/patroni/patroni.yml"],
        env: [
          field("PATRONI_NAME", "metadata.name"),
          field("PATRONI_KUBERNETES_NAMESPACE", "metadata.namespace"),
          field("PATRONI_KUBERNETES_POD_IP", "status.podIP"),
          { name: "PATRONI_POSTGRESQL_CONNECT_ADDRESS", value: "$(PATRONI_KUBERNETES_POD_IP):5432" },
          { name: "PATRONI_RESTAPI_CONNECT_ADDRESS", value: "$(PATRONI_KUBERNETES_POD_IP):8008" },
          { name: "PATRONICTL_CONFIG_FILE", value: "/etc/patroni/patroni.yml" },
          password("PATRONI_SUPERUSER_PASSWORD", "superuser-password"),
          password("PATRONI_REPLICATION_PASSWORD", "replication-password"),
          password("PATRONI_REWIND_PASSWORD", "rewind-password"),
          password("PATRONI_RESTAPI_PASSWORD", "rest-password"),
        ],
        ports: [
          { name: "postgres", containerPort: 5432 },
          { name: "patroni", containerPort: 8008 },
        ],
        readinessProbe: {
          httpGet: { path: "/readiness", port: "patroni" },
          periodSeconds: 2,
          timeoutSeconds: 2,
          failureThreshold: 3,
        },
        livenessProbe: {
          httpGet: { path: "/liveness", port: "patroni" },
          initialDelaySeconds: 30,
          periodSeconds: 10,
          timeoutSeconds: 5,
          failureThreshold: 3,
          terminationGracePeriodSeconds: 10,
        },
        terminationMessagePolicy: "FallbackToLogsOnError",
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [
          { name: "data", mountPath: "/var/lib/postgresql/data" },
          { name: "config", mountPath: "/etc/patroni", readOnly: true },
          { name: "run", mountPath: "/run/postgresql" },
          { name: "shm", mountPath: "/dev/shm" },
          { name: "tmp", mountPath: "/tmp" },
        ],
      },
    ],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: "orders-1" } },
      { name: "config", configMap: { name: "orders-patroni" } },
      { name: "run", emptyDir: { medium: "Memory" } },
      { name: "shm", emptyDir: { medium: "Memory" } },
      { name: "tmp", emptyDir: {} },
    ],
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: "kubernetes.io/hostname",
              labelSelector: { matchLabels: { "holdfast.dev/database": "orders" } },
            },
          },
        ],
      },
    },
  },
};

test("the Pod of the smallest Database", () => {
  expect(template()).toEqual(smallest);
});

test("the Pod of a Database that says all that it can about Pods", () => {
  const resources = { requests: { cpu: "500m", memory: "512Mi" }, limits: { memory: "1Gi" } };
  const nodeSelector = { disk: "ssd" };
  const tolerations = [{ key: "db", operator: "Exists" as const, effect: "NoSchedule" as const }];
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } };
  const constraint = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" as const };
  const placement = {
    spread: "Required" as const,
    nodeSelector,
    tolerations,
    affinity: { nodeAffinity },
    topologySpreadConstraints: [constraint],
  };
  const labelSelector = { matchLabels: { "holdfast.dev/database": "orders" } };
  const [container] = smallest.spec.containers;
  expect(template({ image: "registry.example/postgres:17", resources, placement })).toEqual({
    ...smallest,
    spec: {
      ...smallest.spec,
      containers: [{ ...container, image: "registry.example/postgres:17", resources }],
      affinity: {
        nodeAffinity,
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "kubernetes.io/hostname", labelSelector }],
        },
      },
      nodeSelector,
      tolerations,
      topologySpreadConstraints: [{ ...constraint, labelSelector }],
    },
  });
});

test.each([
  { spec: { replicas: 3 }, because: "instances come and go without a restart of the others" },
  { spec: { parameters: { work_mem: "16MB" } }, because: "parameters go through Patroni" },
  { spec: { storage: { size: "10Gi" } }, because: "volumes grow online" },
  { spec: { username: "app", databaseName: "app" }, because: "roles and databases are made by SQL" },
  { spec: { deletionPolicy: "Delete" }, because: "it concerns volumes" },
] as const)("no Pod is made anew for $spec: $because", ({ spec }) => {
  expect(template(spec)).toEqual(template());
});

test("resources are those of the spec", () => {
  const resources = { requests: { cpu: "500m" }, limits: { memory: "1Gi" } };
  expect(template({ resources }).spec?.containers[0]?.resources).toEqual(resources);
});

describe("placement", () => {
  const apart = {
    topologyKey: "kubernetes.io/hostname",
    labelSelector: { matchLabels: { "holdfast.dev/database": "orders" } },
  };
  const term = { topologyKey: "zone", labelSelector: { matchLabels: { app: "noisy" } } };

  test("Required keeps instances on nodes of their own", () => {
    expect(template({ placement: { spread: "Required" } }).spec?.affinity).toEqual({
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart] },
    });
  });

  test("adds to the user's affinity and takes nothing from it", () => {
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } };
    const podAntiAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: [term],
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }],
    };
    const affinity = { nodeAffinity, podAntiAffinity };
    expect(template({ placement: { spread: "Required", affinity } }).spec?.affinity).toEqual({
      nodeAffinity,
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [apart, term],
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }],
      },
    });
    expect(template({ placement: { affinity } }).spec?.affinity).toEqual({
      nodeAffinity,
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [term],
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, podAffinityTerm: apart },
          { weight: 1, podAffinityTerm: term },
        ],
      },
    });
  });

  test("hands node selector and tolerations on", () => {
    const placement = { nodeSelector: { disk: "ssd" }, tolerations: [{ key: "db", operator: "Exists" as const }] };
    expect(template({ placement }).spec).toMatchObject(placement);
  });

  test("counts this Database's instances where a spread constraint does not say what to count", () => {
    const constraint = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" as const };
    const own = { matchLabels: { app: "orders" } };
    const topologySpreadConstraints = [constraint, { ...constraint, labelSelector: own }];
    expect(template({ placement: { topologySpreadConstraints } }).spec?.topologySpreadConstraints).toEqual([
      { ...constraint, labelSelector: { matchLabels: { "holdfast.dev/database": "orders" } } },
      { ...constraint, labelSelector: own },
    ]);
  });
});
