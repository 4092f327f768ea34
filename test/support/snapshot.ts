// Everything that a namespace holds, without what differs between two runs of the same story: uids, versions, times, addresses and
// generated passwords are replaced by what they are, so that what is derived from them must still fit.
import { Database } from "../../src/database/api.ts";
import { fieldManager } from "../../src/database/names.ts";
import {
  ConfigMap,
  defineKind,
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
  type Kind,
  type KubeClient,
  type KubeObject,
} from "../../src/runtime/index.ts";
import type { FakeCluster } from "./fake-postgres.ts";

interface ControllerRevision extends KubeObject {
  revision: number;
}

const ControllerRevision = defineKind<ControllerRevision>({
  group: "apps",
  version: "v1",
  kind: "ControllerRevision",
  plural: "controllerrevisions",
  namespaced: true,
});

const kinds: readonly Kind<any>[] = [
  Database,
  Secret,
  ConfigMap,
  ServiceAccount,
  RoleBinding,
  Service,
  Endpoints,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  StatefulSet,
  ControllerRevision,
  Pod,
];

/** "StatefulSet orders-1" → what it says. */
export type Snapshot = Readonly<Record<string, unknown>>;

/** @param cluster what PostgreSQL and Patroni hold, for as long as there is a volume */
export async function snapshotOf(client: KubeClient, namespace: string, cluster?: FakeCluster): Promise<Snapshot> {
  const lists = await Promise.all(kinds.map((kind) => client.list<KubeObject>(kind, { namespace })));
  const objects = lists
    .flatMap(({ items }) => items)
    .filter((object) => !isFurniture(object.metadata.name) && !isDerived(object));
  const replacements = [...namesOfValues(objects, namespace)].filter(([value]) => value !== "");
  // The longest first: one may be part of another.
  replacements.sort(([a], [b]) => b.length - a.length);
  const neutral = <T>(value: T): T => {
    let text = JSON.stringify(value);
    for (const [from, to] of replacements) text = text.replaceAll(from, to);
    text = text.replaceAll(uuid, goneUid).replaceAll(time, "<time>").replaceAll(tokenVolume, "<token>");
    return JSON.parse(text) as T;
  };
  const entries = objects.map((object): [string, unknown] =>
    neutral([`${object.kind} ${object.metadata.name}`, readable(object)]),
  );
  const hasData = objects.some(({ kind }) => kind === PersistentVolumeClaim.kind);
  if (cluster !== undefined && hasData) entries.push(neutral(["PostgreSQL", outside(cluster)]));
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Somebody's owner is gone, so the garbage collector has not been here yet. */
export function hasOrphans(snapshot: Snapshot): boolean {
  const objects = Object.values(snapshot) as { metadata?: { ownerReferences?: { uid: string }[] } }[];
  return objects.some(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uid === goneUid));
}

const goneUid = "<uid of what is gone>";
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const tokenVolume = /kube-api-access-[a-z0-9]{5}/g;
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;

/** Which of them it writes depends on whether the stand-in or the volume controller comes first. */
const volumeController = /^(volume(\.beta)?|pv)\.kubernetes\.io\//;

/** What every namespace has, and what a scenario puts there itself. */
const isFurniture = (name: string): boolean =>
  name === "kube-root-ca.crt" || name === "default" || name.startsWith("holdfast");

/**
 * What the endpoints controller makes of Services and Pods is its own: the API server deletes it with the Service, and where the
 * controller hears of that before it hears of the Service's end, it is there once more for a moment
 * (https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/registry/core/service/storage/storage.go, afterDelete).
 */
const isDerived = ({ kind, metadata }: KubeObject): boolean =>
  kind === Endpoints.kind && metadata.labels?.["endpoints.kubernetes.io/managed-by"] !== undefined;

function* namesOfValues(objects: readonly KubeObject[], namespace: string): Generator<readonly [string, string]> {
  yield [namespace, "<namespace>"];
  for (const object of objects) {
    const name = `${object.kind} ${object.metadata.name}`;
    if (!isRevision(object)) yield [object.metadata.uid ?? "", `<uid of ${name}>`];
    if (isRevision(object)) {
      const owner = object.metadata.ownerReferences?.[0]?.name ?? "";
      const hash = object.metadata.labels?.["controller.kubernetes.io/hash"] ?? "";
      yield [object.metadata.uid ?? "", `<uid of revision ${object.revision} of ${owner}>`];
      yield [`${owner}-${hash}`, `<revision ${object.revision} of ${owner}>`];
    } else if (object.kind === "Pod") {
      yield [(object as Pod).status?.podIP ?? "", `<address of ${name}>`];
    } else if (object.kind === "Service") {
      const { clusterIP = "" } = (object as Service).spec ?? {};
      if (clusterIP !== "None") yield [clusterIP, `<address of ${name}>`];
    } else if (object.kind === "Secret" && object.metadata.name.endsWith("-internal")) {
      for (const [key, value] of Object.entries((object as Secret).data ?? {})) yield [decode(value), `<${key}>`];
    }
  }
}

function readable(object: KubeObject): unknown {
  const {
    managedFields,
    resourceVersion: _,
    selfLink: __,
    ...metadata
  } = object.metadata as KubeObject["metadata"] & { selfLink?: string };
  const managers = (managedFields ?? [])
    .filter(({ manager }) => manager === fieldManager || manager === "user")
    .map((entry) => ({ ...entry, time: undefined }));
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([name]) => !volumeController.test(name));
  const rest = {
    ...object,
    metadata: { ...metadata, annotations: Object.fromEntries(annotations), managers: managers.toSorted(byText) },
  };
  if (object.kind === "Secret") {
    const data = Object.entries((object as Secret).data ?? {}).map(([key, value]) => [key, decode(value)]);
    return { ...rest, data: Object.fromEntries(data) as unknown };
  }
  // Which version of the election they hold is chance.
  if (object.kind === "Endpoints") {
    return { kind: object.kind, labels: metadata.labels, subsets: (object as Endpoints).subsets ?? [] };
  }
  return rest;
}

function outside({ serverVersion, roles, databases, configuration }: FakeCluster): unknown {
  return { serverVersion, roles: Object.fromEntries(roles), databases: Object.fromEntries(databases), configuration };
}

const isRevision = (object: KubeObject): object is ControllerRevision => object.kind === "ControllerRevision";
const decode = (base64: string): string => Buffer.from(base64, "base64").toString();
const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
