// The built-in kinds that controllers use most, as values. The types come from kubernetes-models, of which nothing is loaded.
import type { ICustomResourceDefinition } from "kubernetes-models/apiextensions.k8s.io/v1/CustomResourceDefinition";
import type { IDeployment } from "kubernetes-models/apps/v1/Deployment";
import type { IStatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import type { ILease } from "kubernetes-models/coordination.k8s.io/v1/Lease";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import type { IRoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding";
import type { IStorageClass } from "kubernetes-models/storage.k8s.io/v1/StorageClass";
import type { IConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IEndpoints } from "kubernetes-models/v1/Endpoints";
import type { INamespace } from "kubernetes-models/v1/Namespace";
import type { INode } from "kubernetes-models/v1/Node";
import type { IPersistentVolume } from "kubernetes-models/v1/PersistentVolume";
import type { IPersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim";
import type { IPod } from "kubernetes-models/v1/Pod";
import type { ISecret } from "kubernetes-models/v1/Secret";
import type { IService } from "kubernetes-models/v1/Service";
import type { IServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { defineKind, type Typed } from "./object.ts";

export type Pod = Typed<IPod>;
export type Secret = Typed<ISecret>;
export type ConfigMap = Typed<IConfigMap>;
export type Service = Typed<IService>;
export type ServiceAccount = Typed<IServiceAccount>;
export type Endpoints = Typed<IEndpoints>;
export type PersistentVolumeClaim = Typed<IPersistentVolumeClaim>;
export type PersistentVolume = Typed<IPersistentVolume>;
export type Namespace = Typed<INamespace>;
export type Node = Typed<INode>;
export type StatefulSet = Typed<IStatefulSet>;
export type Deployment = Typed<IDeployment>;
export type PodDisruptionBudget = Typed<IPodDisruptionBudget>;
export type RoleBinding = Typed<IRoleBinding>;
export type Lease = Typed<ILease>;
export type StorageClass = Typed<IStorageClass>;
export type CustomResourceDefinition = Typed<ICustomResourceDefinition>;

const core = { group: "", version: "v1" } as const;

export const Pod = defineKind<Pod>({ ...core, kind: "Pod", plural: "pods", namespaced: true });
export const Secret = defineKind<Secret>({ ...core, kind: "Secret", plural: "secrets", namespaced: true });
export const ConfigMap = defineKind<ConfigMap>({ ...core, kind: "ConfigMap", plural: "configmaps", namespaced: true });
export const Service = defineKind<Service>({ ...core, kind: "Service", plural: "services", namespaced: true });
export const ServiceAccount = defineKind<ServiceAccount>({
  ...core,
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  namespaced: true,
});
export const Endpoints = defineKind<Endpoints>({ ...core, kind: "Endpoints", plural: "endpoints", namespaced: true });
export const PersistentVolumeClaim = defineKind<PersistentVolumeClaim>({
  ...core,
  kind: "PersistentVolumeClaim",
  plural: "persistentvolumeclaims",
  namespaced: true,
});
export const PersistentVolume = defineKind<PersistentVolume>({
  ...core,
  kind: "PersistentVolume",
  plural: "persistentvolumes",
  namespaced: false,
});
export const Namespace = defineKind<Namespace>({ ...core, kind: "Namespace", plural: "namespaces", namespaced: false });
export const Node = defineKind<Node>({ ...core, kind: "Node", plural: "nodes", namespaced: false });
export const StatefulSet = defineKind<StatefulSet>({
  group: "apps",
  version: "v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  namespaced: true,
});
export const Deployment = defineKind<Deployment>({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
});
export const PodDisruptionBudget = defineKind<PodDisruptionBudget>({
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  namespaced: true,
});
export const RoleBinding = defineKind<RoleBinding>({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "RoleBinding",
  plural: "rolebindings",
  namespaced: true,
});
export const Lease = defineKind<Lease>({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
});
export const StorageClass = defineKind<StorageClass>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "StorageClass",
  plural: "storageclasses",
  namespaced: false,
});
export const CustomResourceDefinition = defineKind<CustomResourceDefinition>({
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
});
