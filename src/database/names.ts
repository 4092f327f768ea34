// Every name, label, annotation, selector, port and key of a Database's objects. Pure; nobody else spells one out.

export const fieldManager = "holdfast";
export const finalizer = "holdfast.dev/cleanup";

export const labels = {
  managedBy: "app.kubernetes.io/managed-by",
  name: "app.kubernetes.io/name",
  appInstance: "app.kubernetes.io/instance",
  /** On Pods, volumes, StatefulSets and Patroni's Endpoints; Patroni's scope label. */
  database: "holdfast.dev/database",
  /** On the StatefulSet, the volume and the Pod of one instance. */
  instance: "holdfast.dev/instance",
  /** On Pods, written by Patroni: "primary" or "replica", absent while it is neither. */
  role: "holdfast.dev/role",
} as const;

export const annotations = {
  /** On what outlives its Database: the uid of the Database that it was made for. */
  ownerUid: "holdfast.dev/owner-uid",
  /** On every volume: "true" on that of the instance that was primary last, else "false". */
  lastPrimary: "holdfast.dev/last-primary",
  /** On the volume of an instance that was removed: the policy of that day. It is not used again. "true" is as "Retain". */
  retired: "holdfast.dev/retired",
  /** On a StatefulSet whose image the catalogue chose: for which version. It keeps the choice when the catalogue moves on. */
  catalogueVersion: "holdfast.dev/catalogue-version",
  /** On a Pod, written in it by images/postgres/holdfast-postgres: "full" while its volume has next to no room left. */
  disk: "holdfast.dev/disk",
} as const;

/** What tells our objects from everybody else's. */
export const managedByHoldfast: Readonly<Record<string, string>> = { [labels.managedBy]: "holdfast" };

export const ports = { postgres: 5432, patroni: 8008 } as const;

/** Keys of the Secret `orders-internal`. */
export const internalKeys = {
  application: "application-password",
  superuser: "superuser-password",
  replication: "replication-password",
  rewind: "rewind-password",
  rest: "rest-password",
} as const;

/** The key in the ConfigMap `orders-patroni`, and the file's name in the Pod. */
export const patroniConfigKey = "patroni.yml";

/** The names of all objects of a Database but its instances. */
export function namesOf(database: string) {
  const failover = `${database}-failover`;
  return {
    /** Read-write; its Endpoints are Patroni's leader key. */
    service: database,
    /** Services that only keep the Endpoints of these names alive. */
    patroniServices: [`${database}-config`, `${database}-sync`, failover],
    /** Patroni's Endpoints in which its configuration and its history stand. */
    configurationEndpoints: `${database}-config`,
    /** Patroni's Endpoints in which a switchover that was asked for stands. */
    switchoverEndpoints: failover,
    replicasService: `${database}-replicas`,
    podsService: `${database}-pods`,
    internalSecret: `${database}-internal`,
    credentialsSecret: `${database}-credentials`,
    configMap: `${database}-patroni`,
    serviceAccount: database,
    roleBinding: database,
    podDisruptionBudget: database,
  } as const;
}

/** StatefulSet and volume of an instance: "orders-1". */
export function instanceName(database: string, number: number): string {
  return `${database}-${number}`;
}

/** The only Pod of an instance's StatefulSet, and the name of the instance as Patroni knows it: "orders-1-0". */
export function podName(instance: string): string {
  return `${instance}-0`;
}

/** The instance of a Pod, or undefined where that is no Pod of ours: "orders-1" of "orders-1-0". */
export function instanceOfPod(pod: string): string | undefined {
  return /^(.+-[1-9][0-9]*)-0$/.exec(pod)?.[1];
}

/** 1 of "orders-1"; undefined for names of another form. */
export function instanceNumber(database: string, name: string): number | undefined {
  if (!name.startsWith(`${database}-`)) return undefined;
  const digits = name.slice(database.length + 1);
  return /^[1-9][0-9]{0,3}$/.test(digits) ? Number(digits) : undefined;
}

/** Labels of every object of a Database. */
export function commonLabels(database: string): Record<string, string> {
  return { ...managedByHoldfast, [labels.name]: "postgresql", [labels.appInstance]: database };
}

/** Labels of the StatefulSet, the volume and the Pod of an instance. */
export function instanceLabels(database: string, instance: string): Record<string, string> {
  return { ...commonLabels(database), [labels.database]: database, [labels.instance]: instance };
}

/** Selects what belongs to the instances of a Database: Pods, volumes, StatefulSets, Patroni's Endpoints. */
export function databaseSelector(database: string): Record<string, string> {
  return { [labels.database]: database };
}

/** Selects the Pod of one instance. */
export function instanceSelector(database: string, instance: string): Record<string, string> {
  return { ...databaseSelector(database), [labels.instance]: instance };
}

/** The host under which a Service is reached from every namespace. */
export function serviceHost(service: string, namespace: string): string {
  return `${service}.${namespace}.svc`;
}
