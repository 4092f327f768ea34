// The Pod of an instance, as the template of its StatefulSet. Pure. Whatever changes in here restarts PostgreSQL: it may
// depend on the spec alone, and a newer operator must build the same from the same spec.
import type { IPodTemplateSpec } from "kubernetes-models/v1/PodTemplateSpec";
import type { IEnvVar } from "kubernetes-models/v1/EnvVar";
import type { IAffinity } from "kubernetes-models/v1/Affinity";
import type { IProbe } from "kubernetes-models/v1/Probe";
import { imageLayout } from "../postgres/versions.ts";
import { databaseSelector, instanceLabels, internalKeys, namesOf, patroniConfigKey, ports } from "./names.ts";
import type { ResolvedDatabase } from "./resolve.ts";

/** What a Pod depends on. Not the parameters: they reach PostgreSQL through Patroni's dynamic configuration. */
export type PodInput = Pick<ResolvedDatabase, "name" | "image" | "resources" | "placement">;

/**
 * Time for PostgreSQL to write its last checkpoint and send its last WAL, after which Patroni gives up the leader key. A
 * Pod that is killed instead recovers at its next start, and the failover waits for the key to expire.
 */
const shutdownSeconds = 300;

/** Meets the Pod Security Standard "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/). */
export function podTemplate(database: PodInput, instance: string): IPodTemplateSpec {
  const names = namesOf(database.name);
  return {
    metadata: { labels: instanceLabels(database.name, instance) },
    spec: {
      serviceAccountName: names.serviceAccount,
      automountServiceAccountToken: true,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: shutdownSeconds,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: imageLayout.uid,
        runAsGroup: imageLayout.uid,
        fsGroup: imageLayout.uid,
        // Always would open the data directory to the group with each start, and PostgreSQL refuses it then.
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "postgres",
          image: database.image,
          imagePullPolicy: "IfNotPresent",
          // By name, so that an image without tini or Patroni fails with an error that says so. Not as process 1, for which the kernel
          // drops a SIGTERM until it has a handler: a Pod deleted while Patroni starts would stay for the whole grace period.
          // holdfast-postgres becomes Patroni, and leaves a watch over the room on the volume beside it.
          command: ["tini", "--", "holdfast-postgres", `${imageLayout.config}/${patroniConfigKey}`],
          env: environment(names.internalSecret),
          ports: [
            { name: "postgres", containerPort: ports.postgres },
            { name: "patroni", containerPort: ports.patroni },
          ],
          readinessProbe: probe("/readiness", { periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 3 }),
          // Fails when Patroni's loop is stuck for longer than the leader key lives, not when PostgreSQL or the API server is down.
          livenessProbe: probe("/liveness", {
            initialDelaySeconds: 30,
            periodSeconds: 10,
            timeoutSeconds: 5,
            failureThreshold: 3,
            // Patroni is stuck, so nobody would use the time for a clean stop, and another instance may lead already.
            terminationGracePeriodSeconds: 10,
          }),
          // Why it ended stands in its log: the Pod's status then has the end of it.
          terminationMessagePolicy: "FallbackToLogsOnError",
          ...(Object.keys(database.resources).length === 0 ? {} : { resources: database.resources }),
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          volumeMounts: [
            { name: "data", mountPath: imageLayout.volume },
            { name: "config", mountPath: imageLayout.config, readOnly: true },
            { name: "run", mountPath: imageLayout.run },
            { name: "shm", mountPath: "/dev/shm" },
            { name: "tmp", mountPath: "/tmp" },
          ],
        },
      ],
      volumes: [
        { name: "data", persistentVolumeClaim: { claimName: instance } },
        { name: "config", configMap: { name: names.configMap } },
        // Sockets, and the passwords that Patroni writes for libpq: never on disk.
        { name: "run", emptyDir: { medium: "Memory" } },
        // Parallel queries share memory here; the container's own 64 MB are soon used up.
        { name: "shm", emptyDir: { medium: "Memory" } },
        { name: "tmp", emptyDir: {} },
      ],
      ...placement(database),
    },
  };
}

/** What differs between instances, and what is secret; Patroni puts it on top of its file and out of its environment. */
function environment(secret: string): IEnvVar[] {
  const password = (name: string, key: string): IEnvVar => ({
    name,
    valueFrom: { secretKeyRef: { name: secret, key } },
  });
  return [
    field("PATRONI_NAME", "metadata.name"),
    field("PATRONI_KUBERNETES_NAMESPACE", "metadata.namespace"),
    field("PATRONI_KUBERNETES_POD_IP", "status.podIP"),
    { name: "PATRONI_POSTGRESQL_CONNECT_ADDRESS", value: `$(PATRONI_KUBERNETES_POD_IP):${ports.postgres}` },
    { name: "PATRONI_RESTAPI_CONNECT_ADDRESS", value: `$(PATRONI_KUBERNETES_POD_IP):${ports.patroni}` },
    // For people: `patronictl list` in the Pod finds its cluster.
    { name: "PATRONICTL_CONFIG_FILE", value: `${imageLayout.config}/${patroniConfigKey}` },
    password("PATRONI_SUPERUSER_PASSWORD", internalKeys.superuser),
    password("PATRONI_REPLICATION_PASSWORD", internalKeys.replication),
    password("PATRONI_REWIND_PASSWORD", internalKeys.rewind),
    password("PATRONI_RESTAPI_PASSWORD", internalKeys.rest),
  ];
}

const field = (name: string, fieldPath: string): IEnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** Patroni answers these without a password: https://patroni.readthedocs.io/en/latest/rest_api.html#health-check-endpoints */
function probe(path: string, timing: Omit<IProbe, "httpGet">): IProbe {
  return { httpGet: { path, port: "patroni" }, ...timing };
}

function placement({
  name,
  placement: { spread, nodeSelector, tolerations, affinity, topologySpreadConstraints },
}: PodInput) {
  const labelSelector = { matchLabels: databaseSelector(name) };
  const apart = { topologyKey: "kubernetes.io/hostname", labelSelector };
  const user: IAffinity = affinity ?? {};
  const required = user.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const preferred = user.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const podAntiAffinity =
    spread === "Required"
      ? {
          requiredDuringSchedulingIgnoredDuringExecution: [apart, ...required],
          ...(preferred.length === 0 ? {} : { preferredDuringSchedulingIgnoredDuringExecution: preferred }),
        }
      : {
          ...(required.length === 0 ? {} : { requiredDuringSchedulingIgnoredDuringExecution: required }),
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: apart }, ...preferred],
        };
  return {
    affinity: { ...user, podAntiAffinity },
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    ...(tolerations === undefined ? {} : { tolerations }),
    ...(topologySpreadConstraints === undefined
      ? {}
      : {
          topologySpreadConstraints: topologySpreadConstraints.map((constraint) => ({ labelSelector, ...constraint })),
        }),
  };
}
