// Random contents of the kinds that an operator applies, in all the ways of writing the same thing: for property tests.
import * as fc from "fast-check";
import type { ObjectMeta } from "../../src/runtime/kube/object.ts";

export interface Content {
  readonly metadata?: Partial<ObjectMeta>;
  readonly [field: string]: unknown;
}

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 1 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const labels = fc.dictionary(
  fc.constantFrom("app", "tier", "example.org/part", "toString", "constructor"),
  fc.constantFrom("", "orders", "1", "1000m"),
  { maxKeys: 3 },
);

const metadata = fc.record(
  {
    labels,
    annotations: fc.dictionary(
      fc.constantFrom("example.org/a", "example.org/b", "valueOf"),
      fc.constantFrom("", "x", "1Gi", "1024Mi"),
      { maxKeys: 3 },
    ),
    finalizers: fc.shuffledSubarray(["example.org/a", "example.org/b", "example.org/c"]),
  },
  { requiredKeys: [] },
);

const configMap = fc.record<Content>(
  {
    metadata,
    data: fc.dictionary(fc.constantFrom("a", "b.conf", "toString"), fc.constantFrom("", "1", "x\ny", "1000m"), {
      maxKeys: 3,
    }),
    binaryData: fc.dictionary(fc.constantFrom("z", "y"), fc.constantFrom("YQ==", "", "AAEC"), { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);

const secret = fc.record<Content>(
  {
    metadata,
    data: fc.dictionary(fc.constantFrom("user", "uri"), fc.constantFrom("YQ==", "", "YWJj\nZGVm", "YWJjZGVm"), {
      maxKeys: 2,
    }),
    stringData: fc.dictionary(fc.constantFrom("user", "password"), fc.constantFrom("a", "", "abcdef"), { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);

const service = fc.record<Content>({
  metadata,
  spec: fc.record(
    {
      clusterIP: fc.constant("None"),
      ports: fc.shuffledSubarray<unknown>(
        [
          { port: 5432, name: "postgres" },
          { port: 53, protocol: "UDP", name: "dns-udp", targetPort: "dns" },
          { port: 53, name: "dns", targetPort: 53 },
          { port: 8008, protocol: "TCP", name: "rest", appProtocol: "http" },
          { port: 5433, name: "second", targetPort: "5432" },
        ].slice(0, 4),
      ),
      selector: labels,
      publishNotReadyAddresses: fc.boolean(),
      sessionAffinity: fc.constantFrom("None", "ClientIP"),
      externalIPs: fc.shuffledSubarray(["192.0.2.1", "192.0.2.2"]),
    },
    { requiredKeys: ["clusterIP"] },
  ),
});

const environment = fc
  .shuffledSubarray(["SCOPE", "NAME", "CPU", "EMPTY", "PASSWORD"])
  .chain((names) => fc.tuple(...names.map((name) => variable(name))));

function variable(name: string): fc.Arbitrary<unknown> {
  const sources = fc.constantFrom<unknown>(
    { value: "orders" },
    { value: "1000m" },
    { value: "" },
    { valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { valueFrom: { fieldRef: { fieldPath: "metadata.namespace", apiVersion: "v1" } } },
    { valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
    { valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
    { valueFrom: { secretKeyRef: { name: "orders-internal", key: "password" } } },
    { valueFrom: { secretKeyRef: { name: "orders-internal", key: "password", optional: true } } },
  );
  return sources.map((source) => Object.assign({ name }, source));
}

const resources = fc.record(
  {
    limits: fc.record(
      {
        cpu: fc.constantFrom("1", "1000m", 1, "1.0", "2"),
        memory: fc.constantFrom("1Gi", "1024Mi", "1073741824", "1G"),
      },
      { requiredKeys: [] },
    ),
    requests: fc.record(
      { cpu: fc.constantFrom("0.5", "500m"), memory: fc.constantFrom("0.5Gi", "512Mi", "1e8", "100M", "0") },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);

function container(name: string): fc.Arbitrary<unknown> {
  return fc.record(
    {
      name: fc.constant(name),
      image: fc.constantFrom("example.org/pg:17", "example.org/pg:18"),
      command: fc.constantFrom(["postgres"], ["sh", "-c"]),
      args: fc.shuffledSubarray(["-a", "-b"]),
      env: environment,
      ports: fc.shuffledSubarray<unknown>([
        { containerPort: 5432, name: "postgres" },
        { containerPort: 53, protocol: "UDP" },
        { containerPort: 53 },
      ]),
      resources,
      volumeMounts: fc.shuffledSubarray<unknown>([
        { name: "run", mountPath: "/run", readOnly: false },
        { name: "config", mountPath: "/etc/config", readOnly: true },
      ]),
      securityContext: fc.constantFrom<unknown>(
        { privileged: false, capabilities: { drop: ["ALL"] } },
        { allowPrivilegeEscalation: false },
        { runAsUser: 0 },
      ),
      readinessProbe: fc.constantFrom<unknown>(
        { httpGet: { path: "/readiness", port: 8008 }, periodSeconds: 5 },
        { httpGet: { path: "/readiness", port: "rest" }, initialDelaySeconds: 0 },
        { exec: { command: ["true"] } },
      ),
    },
    { requiredKeys: ["name", "image", "volumeMounts"] },
  );
}

const volumes = fc.tuple(
  fc.constantFrom<unknown>(
    { emptyDir: {} },
    { emptyDir: { sizeLimit: "1024Mi" } },
    { emptyDir: { medium: "Memory", sizeLimit: "1Gi" } },
  ),
  fc.constantFrom<unknown>(
    { configMap: { name: "orders-patroni", items: [{ key: "a", path: "b" }] } },
    { configMap: { name: "orders-patroni", defaultMode: 288, optional: false } },
    { projected: { sources: [{ serviceAccountToken: { path: "t" } }, { configMap: { name: "x" } }] } },
    {
      projected: { sources: [{ downwardAPI: { items: [{ path: "l", fieldRef: { fieldPath: "metadata.labels" } }] } }] },
    },
    { downwardAPI: { items: [{ path: "l", fieldRef: { fieldPath: "metadata.labels" } }] } },
  ),
  fc.boolean(),
);

const podSpec = fc.record(
  {
    containers: fc
      .shuffledSubarray(["postgres", "metrics", "backup"], { minLength: 1 })
      .chain((names) => fc.tuple(...names.map(container))),
    initContainers: rarely(fc.tuple(container("prepare"))),
    volumes: volumes.map(([run, config, reverse]) => {
      const both = [Object.assign({ name: "run" }, run), Object.assign({ name: "config" }, config)];
      return reverse ? both.toReversed() : both;
    }),
    tolerations: fc.shuffledSubarray<unknown>([
      { key: "dedicated", operator: "Exists" },
      { key: "spot", operator: "Equal", value: "true", effect: "NoSchedule" },
    ]),
    nodeSelector: fc.dictionary(fc.constantFrom("disk", "zone"), fc.constantFrom("ssd", "a"), { minKeys: 1 }),
    hostNetwork: fc.constant(false),
    terminationGracePeriodSeconds: fc.constantFrom(0, 30, 60),
    serviceAccountName: fc.constantFrom("orders", "default"),
    securityContext: fc.constantFrom<unknown>({ fsGroup: 70 }, { runAsNonRoot: true, supplementalGroups: [1, 2] }),
    imagePullSecrets: fc.shuffledSubarray([{ name: "one" }, { name: "two" }]),
    topologySpreadConstraints: fc.shuffledSubarray<unknown>([
      {
        maxSkew: 1,
        topologyKey: "zone",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: { app: "a" } },
      },
      { maxSkew: 1, topologyKey: "host", whenUnsatisfiable: "DoNotSchedule" },
    ]),
    affinity: maybe(
      fc.constantFrom<unknown>({
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, podAffinityTerm: { topologyKey: "host", labelSelector: { matchLabels: { app: "orders" } } } },
          ],
        },
      }),
    ),
  },
  { requiredKeys: ["containers", "volumes"] },
);

const statefulSet = fc.record<Content>({
  metadata,
  spec: fc.record(
    {
      // No Pods: the controller manager would only add noise.
      replicas: fc.constant(0),
      serviceName: fc.constant("orders-pods"),
      selector: fc.constant({ matchLabels: { app: "orders" } }),
      minReadySeconds: fc.constantFrom(0, 5),
      updateStrategy: fc.constantFrom<unknown>(
        { type: "OnDelete" },
        { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
      ),
      persistentVolumeClaimRetentionPolicy: fc.constant({ whenDeleted: "Retain" }),
      template: fc.record({
        metadata: labels.map((more) => ({ labels: { ...more, app: "orders" } })),
        spec: podSpec,
      }),
      volumeClaimTemplates: fc.constant([
        {
          metadata: { name: "spare" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1024Mi" } } },
        },
      ]),
    },
    { requiredKeys: ["replicas", "serviceName", "selector", "template", "volumeClaimTemplates"] },
  ),
});

const persistentVolumeClaim = fc.record<Content>({
  metadata,
  spec: fc.constantFrom("1Gi", "1024Mi", "1048576Ki").map((storage) => ({
    accessModes: ["ReadWriteOnce"],
    storageClassName: "none",
    resources: { requests: { storage } },
  })),
});

const podDisruptionBudget = fc.record<Content>({
  metadata,
  spec: fc.record(
    {
      minAvailable: fc.constantFrom<unknown>(0, 1, 2, "50%"),
      selector: fc.constantFrom<unknown>(
        { matchLabels: { app: "orders" } },
        { matchLabels: { app: "orders", tier: "1" } },
        { matchExpressions: [{ key: "app", operator: "In", values: ["orders", "1"] }] },
      ),
      unhealthyPodEvictionPolicy: fc.constantFrom("AlwaysAllow", "IfHealthyBudget"),
    },
    { requiredKeys: ["selector"] },
  ),
});

export const contents = { configMap, secret, service, statefulSet, persistentVolumeClaim, podDisruptionBudget };
