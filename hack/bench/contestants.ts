// What is timed beside each other, from apply to Ready: a bare Pod, Patroni as one would write it by hand, and a Database. Pure.
import { postgresImage } from "../cluster/images.ts";
import { Database } from "../../src/database/api.ts";
import { memberOf } from "../../src/database/instances.ts";
import { hba } from "../../src/postgres/hba.ts";
import { replicationUser, rewindUser, superuser } from "../../src/postgres/roles.ts";
import {
  ConfigMap,
  Endpoints,
  Pod,
  RoleBinding,
  Service,
  ServiceAccount,
  StatefulSet,
  type Kind,
  type KubeClient,
} from "../../src/runtime/index.ts";

export interface Contestant {
  readonly name: string;
  readonly objects: (namespace: string) => readonly (readonly [Kind, object])[];
  readonly isReady: (client: KubeClient, namespace: string) => Promise<boolean>;
}

const podSecurity = { runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999 };
const isPodReady = (pod: Readonly<Pod> | undefined): boolean =>
  pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

/** initdb and postgres, and nothing else: what no operator can be faster than. */
export const barePod: Contestant = {
  name: "a bare Pod with initdb and postgres",
  objects: (namespace) => [
    [
      Pod,
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "bare", namespace },
        spec: {
          securityContext: podSecurity,
          containers: [
            {
              name: "postgres",
              image: postgresImage.name,
              imagePullPolicy: "IfNotPresent",
              command: ["sh", "-c", "initdb -D /data/pg && exec postgres -D /data/pg -k /tmp"],
              readinessProbe: { exec: { command: ["pg_isready", "-h", "/tmp"] }, periodSeconds: 1 },
              volumeMounts: [{ name: "data", mountPath: "/data" }],
            },
          ],
          volumes: [{ name: "data", emptyDir: {} }],
        },
      },
    ],
  ],
  isReady: async (client, namespace) => isPodReady(await client.get(Pod, { namespace, name: "bare" })),
};

/** One StatefulSet of all instances, with the timing of Holdfast's: the same Patroni without an operator. */
export function handWritten(replicas: number): Contestant {
  const labels = { app: "hand" };
  const secret = (name: string) => ({ name, value: "not-a-secret-here" });
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const patroni = {
    scope: "hand",
    restapi: { listen: "*:8008" },
    kubernetes: {
      use_endpoints: true,
      labels,
      scope_label: "cluster",
      role_label: "role",
      ports: [{ name: "postgres", port: 5432 }],
    },
    bootstrap: {
      dcs: { ttl: 20, loop_wait: 5, retry_timeout: 5, postgresql: { use_pg_rewind: true, pg_hba: hba } },
      initdb: [
        { encoding: "UTF8" },
        { locale: "C.UTF-8" },
        "data-checksums",
        { "auth-host": "scram-sha-256" },
        { "auth-local": "peer" },
      ],
    },
    postgresql: {
      listen: "*:5432",
      data_dir: "/data/pg",
      basebackup: [{ checkpoint: "fast" }],
      pgpass: "/tmp/pgpass",
      use_unix_socket: true,
      parameters: { unix_socket_directories: "/tmp" },
      authentication: {
        superuser: { username: superuser },
        replication: { username: replicationUser },
        rewind: { username: rewindUser },
      },
    },
  };
  const objects = (namespace: string): readonly (readonly [Kind, object])[] => [
    [ServiceAccount, { metadata: { name: "hand", namespace } }],
    [
      RoleBinding,
      {
        metadata: { name: "hand", namespace },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "holdfast-instance" },
        subjects: [{ kind: "ServiceAccount", name: "hand", namespace }],
      },
    ],
    [ConfigMap, { metadata: { name: "hand", namespace }, data: { "patroni.yaml": JSON.stringify(patroni) } }],
    ...["hand", "hand-config"].map(
      (name) =>
        [Service, { metadata: { name, namespace }, spec: { ports: [{ name: "postgres", port: 5432 }] } }] as const,
    ),
    [
      StatefulSet,
      {
        metadata: { name: "hand", namespace },
        spec: {
          replicas,
          serviceName: "hand",
          podManagementPolicy: "Parallel",
          selector: { matchLabels: labels },
          template: {
            metadata: { labels: { ...labels, cluster: "hand" } },
            spec: {
              serviceAccountName: "hand",
              securityContext: podSecurity,
              containers: [
                {
                  name: "postgres",
                  image: postgresImage.name,
                  imagePullPolicy: "IfNotPresent",
                  command: ["patroni", "/etc/patroni/patroni.yaml"],
                  env: [
                    field("PATRONI_NAME", "metadata.name"),
                    field("PATRONI_KUBERNETES_NAMESPACE", "metadata.namespace"),
                    field("PATRONI_KUBERNETES_POD_IP", "status.podIP"),
                    { name: "PATRONI_POSTGRESQL_CONNECT_ADDRESS", value: "$(PATRONI_KUBERNETES_POD_IP):5432" },
                    { name: "PATRONI_RESTAPI_CONNECT_ADDRESS", value: "$(PATRONI_KUBERNETES_POD_IP):8008" },
                    secret("PATRONI_SUPERUSER_PASSWORD"),
                    secret("PATRONI_REPLICATION_PASSWORD"),
                    secret("PATRONI_REWIND_PASSWORD"),
                  ],
                  readinessProbe: { httpGet: { path: "/readiness", port: 8008 }, periodSeconds: 2, timeoutSeconds: 2 },
                  volumeMounts: [
                    { name: "data", mountPath: "/data" },
                    { name: "config", mountPath: "/etc/patroni" },
                  ],
                },
              ],
              volumes: [{ name: "config", configMap: { name: "hand" } }],
            },
          },
          volumeClaimTemplates: [
            {
              metadata: { name: "data" },
              spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
            },
          ],
        },
      },
    ],
  ];
  return {
    name: `Patroni by hand, ${replicas === 1 ? "one instance" : `${replicas} instances`}`,
    objects,
    isReady: async (client, namespace) => {
      const pods = (await client.list(Pod, { namespace, labels: "app=hand" })).items;
      const leader = (await client.get(Endpoints, { namespace, name: "hand" }))?.metadata.annotations?.["leader"];
      return (
        pods.length === replicas &&
        pods.every((pod) => isPodReady(pod) && (pod.metadata.name === leader || memberOf(pod).streaming === true))
      );
    },
  };
}

export function holdfast(replicas: number): Contestant {
  return {
    name: `Database, ${replicas === 1 ? "one instance" : `${replicas} instances`}, with role and database`,
    objects: (namespace) => [
      [
        Database,
        {
          metadata: { name: "orders", namespace },
          spec: { replicas, storage: { size: "1Gi" }, deletionPolicy: "Delete" },
        },
      ],
    ],
    isReady: async (client, namespace) => {
      const database = await client.get(Database, { namespace, name: "orders" });
      return database?.status?.ready === true && database.status.observedGeneration === database.metadata.generation;
    },
  };
}
