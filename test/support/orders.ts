// The sample: Database `orders` in namespace `shop`, what it refers to, and the objects of its instances as a cluster has them.
import type { Database, DatabaseSpec } from "../../src/database/api.ts";
import { instancesOf, type Instance } from "../../src/database/instances.ts";
import { annotations, instanceLabels, podName } from "../../src/database/names.ts";
import type { References } from "../../src/database/references.ts";
import { resolve, type ResolvedDatabase, type ResolveSettings } from "../../src/database/resolve.ts";
import type { Endpoints, PersistentVolumeClaim, Pod, StatefulSet } from "../../src/runtime/index.ts";

export const uid = "5f0c2d1e-orders";

export const settings: ResolveSettings = { images: {}, instanceClusterRole: "holdfast-instance" };

export const references: References = {
  internal: {
    type: "found",
    credentials: {
      application: "application-pw",
      superuser: "superuser-pw",
      replication: "replication-pw",
      rewind: "rewind-pw",
      rest: "rest-pw",
    },
  },
  password: { type: "none" },
};

/** As the API server would hand it out: with what its defaults add. */
export function orders(spec: Partial<DatabaseSpec> = {}, rest: Partial<Pick<Database, "status">> = {}): Database {
  return {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "Database",
    metadata: { name: "orders", namespace: "shop", uid, generation: 1, resourceVersion: "100" },
    spec: { version: "17", replicas: 1, storage: { size: "1Gi" }, deletionPolicy: "Retain", paused: false, ...spec },
    ...rest,
  };
}

export function resolveOrders(spec: Partial<DatabaseSpec> = {}, instances: readonly Instance[] = []): ResolvedDatabase {
  return resolve(orders(spec), references, instances, settings);
}

/** A bound volume of 1Gi, of the cluster's default class, made for this Database; and what is otherwise. */
export interface VolumeFixture {
  readonly ownerUid?: string;
  readonly lastPrimary?: "true" | "false";
  /** Under which policy; true: as it was once marked. */
  readonly retired?: true | "Retain" | "Delete";
  readonly size?: string;
  /** What it has; default: what it asks for. */
  readonly capacity?: string;
  /** Holdfast asked for its class. */
  readonly ownClass?: true;
  readonly phase?: "Pending" | "Bound" | "Lost";
  readonly deleting?: true;
  readonly createdAt?: string;
  /** Somebody else asked for its size. */
  readonly ofOthers?: true;
  /** What else it asks for. */
  readonly spec?: PersistentVolumeClaim["spec"];
}

/** What there is of one instance. Everything that is not named is as in a healthy one. */
export interface InstanceFixture {
  readonly number: number;
  /** Patroni's word in the Pod's annotation; null: it has not written any. */
  readonly patroni?: Readonly<Record<string, unknown>> | null;
  readonly ready?: boolean;
  /** Default: the newest. */
  readonly revision?: string;
  readonly podDeleting?: boolean;
  readonly volume?: false | VolumeFixture;
  readonly statefulSet?: false | { image?: string; catalogueVersion?: string };
  readonly pod?: false;
  readonly waiting?: string;
  /** No node has its Pod. */
  readonly unscheduled?: true | undefined;
  /** A container runs in its Pod. */
  readonly runs?: true;
  /** Its container has not started yet. */
  readonly pending?: true;
  /** When a node got its Pod. */
  readonly scheduledAt?: string;
  /** The watch in the Pod says that its volume has next to no room left. */
  readonly diskFull?: true;
  /** No StatefulSet is the owner of its Pod. */
  readonly orphaned?: true;
}

export const streaming = { role: "replica", state: "running", timeline: 3, replication_state: "streaming" };
export const leading = { role: "primary", state: "running", timeline: 3 };

/** Instances as instancesOf makes them of cluster objects. `leader` is the number of the instance that holds the key. */
export function instances(leader: number | undefined, ...fixtures: readonly InstanceFixture[]): readonly Instance[] {
  return instancesOf("orders", {
    pods: fixtures.flatMap((fixture) => (fixture.pod === false ? [] : [podOf(fixture)])),
    volumes: fixtures.flatMap((fixture) => (fixture.volume === false ? [] : [volumeOf(fixture)])),
    statefulSets: fixtures.flatMap((fixture) => (fixture.statefulSet === false ? [] : [statefulSetOf(fixture)])),
    leaderEndpoints: leaderEndpoints(leader === undefined ? undefined : `orders-${leader}-0`),
    configurationEndpoints: configurationEndpoints(),
  });
}

export function leaderEndpoints(leader: string | undefined): Endpoints {
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "orders", namespace: "shop", annotations: leader === undefined ? {} : { leader } },
  };
}

/** Patroni's history: orders-1-0 has led on every timeline up to the third. */
export function configurationEndpoints(promoted: readonly string[] = ["orders-1-0", "orders-1-0"]): Endpoints {
  const lines = promoted.map((name, at) => [
    at + 1,
    83886080,
    "no recovery target specified",
    "2026-11-21T09:00:00+00:00",
    name,
  ]);
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "orders-config", namespace: "shop", annotations: { history: JSON.stringify(lines) } },
  };
}

export function podOf(fixture: InstanceFixture): Pod {
  const {
    number,
    patroni = streaming,
    ready = true,
    revision = "new",
    podDeleting,
    waiting,
    unscheduled,
    runs,
    pending = unscheduled,
    scheduledAt,
    orphaned,
    diskFull,
  } = fixture;
  const instance = `orders-${number}`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName(instance),
      namespace: "shop",
      labels: { ...instanceLabels("orders", instance), "controller-revision-hash": revision },
      annotations: {
        ...(patroni === null ? {} : { status: JSON.stringify({ xlog_location: 83886080, ...patroni }) }),
        ...(diskFull === true ? { [annotations.disk]: "full" } : {}),
      },
      ...(podDeleting === true ? { deletionTimestamp: "2026-11-21T10:00:00Z" } : {}),
      ...(orphaned === true
        ? {}
        : {
            ownerReferences: [
              { apiVersion: "apps/v1", kind: "StatefulSet", name: instance, uid: "", controller: true },
            ],
          }),
    },
    spec: { containers: [{ name: "postgres" }], ...(unscheduled === true ? {} : { nodeName: `node-${number}` }) },
    status: {
      phase: pending === true ? "Pending" : "Running",
      podIP: `10.0.0.${number}`,
      conditions: [
        { type: "Ready", status: ready ? "True" : "False" },
        ...(scheduledAt === undefined
          ? []
          : [
              {
                type: "PodScheduled",
                status: unscheduled === true ? "False" : "True",
                lastTransitionTime: scheduledAt,
              },
            ]),
      ],
      ...(waiting === undefined && runs === undefined
        ? {}
        : {
            containerStatuses: [
              {
                name: "postgres",
                ready: false,
                restartCount: 0,
                image: "",
                imageID: "",
                state: waiting === undefined ? { running: {} } : { waiting: { reason: waiting } },
              },
            ],
          }),
    },
  };
}

const sizeField = { "f:resources": { "f:requests": { "f:storage": {} } } };
const classField = { "f:storageClassName": {} };

export function volumeOf({ number, volume }: InstanceFixture): PersistentVolumeClaim {
  const name = `orders-${number}`;
  const given: VolumeFixture = volume === false ? {} : (volume ?? {});
  const {
    ownerUid = uid,
    lastPrimary,
    retired,
    size = "1Gi",
    capacity = size,
    ownClass,
    phase = "Bound",
    deleting,
    createdAt,
    ofOthers,
    spec,
  } = given;
  const fieldsV1 = { "f:spec": { ...(ofOthers === true ? {} : sizeField), ...(ownClass === true ? classField : {}) } };
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name,
      namespace: "shop",
      labels: instanceLabels("orders", name),
      annotations: {
        [annotations.ownerUid]: ownerUid,
        ...(lastPrimary === undefined ? {} : { [annotations.lastPrimary]: lastPrimary }),
        ...(retired === undefined ? {} : { [annotations.retired]: String(retired) }),
      },
      ...(deleting === true ? { deletionTimestamp: "2026-11-21T10:00:00Z" } : {}),
      ...(createdAt === undefined ? {} : { creationTimestamp: createdAt }),
      managedFields: [{ manager: "holdfast", operation: "Apply", fieldsV1 }],
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "standard",
      resources: { requests: { storage: size } },
      ...(phase === "Pending" ? {} : { volumeName: `pv-${number}` }),
      ...spec,
    },
    status: { phase, ...(phase === "Pending" ? {} : { capacity: { storage: capacity } }) },
  };
}

export function statefulSetOf({ number, statefulSet }: InstanceFixture): StatefulSet {
  const name = `orders-${number}`;
  const labels = instanceLabels("orders", name);
  const { image = "holdfast/postgres:17-1", catalogueVersion = "17" } =
    statefulSet === false ? {} : (statefulSet ?? {});
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: {
      name,
      namespace: "shop",
      generation: 2,
      labels,
      annotations: { [annotations.catalogueVersion]: catalogueVersion },
    },
    spec: {
      serviceName: "orders-pods",
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "postgres", image }] } },
    },
    status: { replicas: 1, observedGeneration: 2, updateRevision: "new" },
  };
}
