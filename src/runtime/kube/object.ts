// Kubernetes objects as plain JSON, kinds as values that carry a type, and owner references. Pure: no IO, no clock.

/** One entry of `metadata.managedFields`: which fields a manager owns, in the FieldsV1 encoding. */
export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  subresource?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
}

/** What every object of the API has. Objects are plain JSON: times are strings, unknown fields are kept. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** A type of `kubernetes-models` (or of one's own) with the metadata that the API always sends. */
export type Typed<T extends { apiVersion: string; kind: string }> = Omit<T, "metadata"> & { metadata: ObjectMeta };

/** A resource type of the API as a value: where it is served, and (in `T`) what it looks like. */
export interface Kind<T extends KubeObject = KubeObject> {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never set: it ties `T` to the value. */
  readonly _object?: T;
}

export function defineKind<T extends KubeObject>(definition: Omit<Kind<T>, "_object">): Kind<T> {
  return Object.freeze({ ...definition });
}

/** "v1" or "apps/v1". */
export function apiVersionOf(kind: Kind): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** "pods" or "statefulsets.apps": unique in a cluster, used for metric labels and as a map key. */
export function resourceName(kind: Kind): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

/** Names one object of a kind. `namespace` is absent for cluster-scoped kinds. */
export interface Ref {
  readonly namespace?: string;
  readonly name: string;
}

/** "namespace/name", or "name" for a cluster-scoped object. */
export type Key = string;

export function keyOf(ref: Ref): Key {
  return ref.namespace === undefined || ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`;
}

export function refOf(key: Key): Ref {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function refTo(object: KubeObject): Ref {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

export type Subresource = "status" | "scale";

/** The URL path of a collection (`ref` without a name) or of one object. */
export function resourcePath(
  kind: Kind,
  ref: { namespace?: string; name?: string },
  subresource?: Subresource,
): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope =
    kind.namespaced && ref.namespace !== undefined ? `/namespaces/${encodeURIComponent(ref.namespace)}` : "";
  const name = ref.name === undefined ? "" : `/${encodeURIComponent(ref.name)}`;
  return `${root}${scope}/${kind.plural}${name}${subresource === undefined ? "" : `/${subresource}`}`;
}

/** The reference with `controller: true`, of which the API server allows at most one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

/** The group of an apiVersion: "apps" of "apps/v1", "" of "v1". */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/**
 * A controller reference from a child to `owner`.
 * @throws Error when the owner has no uid yet, or when a namespaced owner would own a child of another scope:
 * the garbage collector deletes such children (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).
 */
export function ownerReference(
  owner: KubeObject,
  ownerKind: Kind,
  child: { kind: Kind; namespace?: string },
): OwnerReference {
  const { name, uid, namespace } = owner.metadata;
  if (uid === undefined) throw new Error(`${ownerKind.kind} ${name} has no uid: only a live object can own others`);
  if (ownerKind.namespaced && (!child.kind.namespaced || child.namespace !== namespace)) {
    throw new Error(`${ownerKind.kind} ${namespace}/${name} cannot own a ${child.kind.kind} outside of its namespace`);
  }
  return {
    apiVersion: apiVersionOf(ownerKind),
    kind: ownerKind.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
