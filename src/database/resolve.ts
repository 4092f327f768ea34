// Database + References + Instance[] → ResolvedDatabase: everything checked and decided, all that the children are built from.
// Pure. Throws InvalidSpec for what waits for an edit. It adds instances and never takes one away: that is a planned act.
import { checkParameters, type Parameters } from "../postgres/parameters.ts";
import { reservedDatabases, reservedRoles } from "../postgres/roles.ts";
import { imageOf, versions } from "../postgres/versions.ts";
import { InvalidSpec, type Database, type DatabaseSpec } from "./api.ts";
import { primaryOf, type Instance } from "./instances.ts";
import { annotations, fieldManager, instanceName, namesOf } from "./names.ts";
import { larger } from "./quantity.ts";
import type { Credentials, References } from "./references.ts";

/** What the operator's settings say about Databases. */
export interface ResolveSettings {
  /** PostgreSQL major version → image, before the catalogue. */
  readonly images: Readonly<Record<string, string>>;
  /** The static ClusterRole that instances are bound to. */
  readonly instanceClusterRole: string;
}

export interface Volume {
  readonly size: string;
  /** Absent: the cluster's default class. */
  readonly storageClass?: string;
}

/** An instance that must exist. */
export interface ResolvedInstance {
  readonly number: number;
  /** Of its StatefulSet and its volume: "orders-1". */
  readonly name: string;
  readonly volume: Volume;
  /** It is the primary, or was the last one while there is none: written on the volume, for the day that it is taken up. */
  readonly lastPrimary: boolean;
  /** Its volume says already whether it was primary last: then it must say it rightly. */
  readonly marked?: true;
}

export interface ResolvedDatabase {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly version: string;
  readonly image: string;
  /** The catalogue chose the image; then the choice is kept. */
  readonly imageFromCatalogue: boolean;
  /** As declared; `instances` may be fewer for now, or more. */
  readonly replicas: number;
  readonly databaseName: string;
  readonly username: string;
  /** The application's: the user's own, or the generated one. */
  readonly password: string;
  readonly credentials: Credentials;
  readonly resources: NonNullable<DatabaseSpec["resources"]>;
  /** The user's own, as text. */
  readonly parameters: Parameters;
  readonly placement: NonNullable<DatabaseSpec["placement"]>;
  readonly deletionPolicy: NonNullable<DatabaseSpec["deletionPolicy"]>;
  readonly instanceClusterRole: string;
  /** By number. What exists and is not retired is always among them. */
  readonly instances: readonly ResolvedInstance[];
  /** Retained volumes are being taken up: the instances in `instances` first, the others when the primary leads. */
  readonly takingUp: boolean;
}

/** @throws InvalidSpec */
export function resolve(
  database: Readonly<Database>,
  references: References,
  instances: readonly Instance[],
  settings: ResolveSettings,
): ResolvedDatabase {
  const { metadata, spec } = database;
  const { name, namespace = "", uid = "" } = metadata;
  const credentials = resolveCredentials(name, references, instances);
  const { numbers, takingUp } = chooseInstances(uid, spec.replicas ?? 1, instances);
  return {
    name,
    namespace,
    uid,
    ...resolveImage(spec, instances, settings),
    replicas: spec.replicas ?? 1,
    databaseName: resolveName("databaseName", spec.databaseName ?? name, reservedDatabases),
    username: resolveName("username", spec.username ?? name, reservedRoles),
    password: resolvePassword(spec, references, namesOf(name)) ?? credentials.application,
    credentials,
    resources: spec.resources ?? {},
    parameters: resolveParameters(spec),
    placement: spec.placement ?? {},
    deletionPolicy: spec.deletionPolicy ?? "Retain",
    instanceClusterRole: settings.instanceClusterRole,
    instances: numbers.map((number) => resolveInstance(name, number, spec, instances)),
    takingUp,
  };
}

/**
 * The image that spec names; else the one that the catalogue chose when the instances were made, so that a newer operator
 * restarts nothing; else the catalogue's. The StatefulSets themselves remember the choice.
 */
function resolveImage(spec: DatabaseSpec, instances: readonly Instance[], { images }: ResolveSettings) {
  const version = spec.version ?? "17";
  if (spec.image !== undefined) return { version, image: spec.image, imageFromCatalogue: false };
  const chosen = instances
    .map(({ statefulSet }) => statefulSet)
    .find((statefulSet) => statefulSet?.metadata.annotations?.[annotations.catalogueVersion] === version);
  const image = chosen?.spec?.template.spec?.containers[0]?.image ?? imageOf(version, images);
  if (image !== undefined) return { version, image, imageFromCatalogue: true };
  throw new InvalidSpec(
    "UnknownVersion",
    `spec.version: the catalogue has no PostgreSQL ${version}, only ${versions(images).join(", ")}`,
  );
}

/** New passwords would not open volumes that were made with others: the Secret is there before the first volume. */
function resolveCredentials(name: string, { internal }: References, instances: readonly Instance[]): Credentials {
  if (internal.type === "unusable") throw new InvalidSpec("CredentialsUnusable", internal.message);
  const volumes = instances.filter((instance) => !instance.retired && hasVolume(instance));
  if (internal.type === "new" && volumes.length > 0) {
    throw new InvalidSpec(
      "CredentialsUnusable",
      `Secret ${namesOf(name).internalSecret} is gone, with the passwords of ${volumes.map((v) => v.name).join(", ")}`,
    );
  }
  return internal.credentials;
}

function resolvePassword(
  { passwordSecretRef }: DatabaseSpec,
  { password }: References,
  { internalSecret, credentialsSecret }: ReturnType<typeof namesOf>,
): string | undefined {
  if ([internalSecret, credentialsSecret].some((name) => name === passwordSecretRef?.name)) {
    throw new InvalidSpec(
      "InvalidSpec",
      `spec.passwordSecretRef: Secret ${passwordSecretRef?.name} is written by Holdfast and cannot be the source of a password`,
    );
  }
  switch (password.type) {
    case "none":
      return undefined;
    case "found":
      return password.value;
    case "missing":
    case "unusable": {
      const reason = password.type === "missing" ? "PasswordSecretMissing" : "PasswordUnusable";
      const when = password.followed
        ? ""
        : `; give Secret ${passwordSecretRef?.name} the label app.kubernetes.io/managed-by=holdfast to have changes of it followed at once`;
      throw new InvalidSpec(reason, `spec.passwordSecretRef: ${password.message}${when}`);
    }
  }
}

/** The API server has checked this already, unless an older definition let it through. */
function resolveName(field: "databaseName" | "username", name: string, reserved: readonly string[]): string {
  if (reserved.includes(name) || (field === "username" && name.startsWith("pg_"))) {
    throw new InvalidSpec("InvalidSpec", `spec.${field}: "${name}" is a name that PostgreSQL or Holdfast needs itself`);
  }
  return name;
}

function resolveParameters(spec: DatabaseSpec): Parameters {
  const { parameters, problems } = checkParameters(spec.parameters ?? {});
  if (problems.length === 0) return parameters;
  const text = problems.map(({ name, message }) => `spec.parameters.${name}: ${message}`).join("; ");
  throw new InvalidSpec("ParameterRefused", text);
}

function resolveInstance(
  database: string,
  number: number,
  spec: DatabaseSpec,
  instances: readonly Instance[],
): ResolvedInstance {
  const existing = instances.find((instance) => instance.number === number);
  const primary = primaryOf(instances);
  return {
    number,
    name: instanceName(database, number),
    volume: resolveVolume(spec, existing),
    lastPrimary: primary === undefined ? existing?.lastPrimary === true : primary.number === number,
    ...(existing?.volume?.metadata.annotations?.[annotations.lastPrimary] === undefined ? {} : { marked: true }),
  };
}

/** A volume that exists keeps its class, and its size where that is larger: the API server would refuse anything else. */
function resolveVolume({ storage }: DatabaseSpec, instance: Instance | undefined): Volume {
  const existing = instance?.volume?.spec;
  const request = existing?.resources?.requests?.["storage"];
  const keptClass = ownsClass(instance) ? existing?.storageClassName : undefined;
  const storageClass = existing === undefined ? storage.storageClass : keptClass;
  return {
    size: request === undefined ? storage.size : larger(storage.size, String(request)),
    ...(storageClass === undefined ? {} : { storageClass }),
  };
}

/** The class was asked for by us, not filled in as the cluster's default: it cannot be taken back. */
function ownsClass(instance: Instance | undefined): boolean {
  const entries = instance?.volume?.metadata.managedFields ?? [];
  return entries.some(({ manager, operation, fieldsV1 }) => {
    const fields = fieldsV1?.["f:spec"] as Record<string, unknown> | undefined;
    return manager === fieldManager && operation === "Apply" && fields?.["f:storageClassName"] !== undefined;
  });
}

/**
 * Which instances must exist: those that do, then volumes that have none, then new numbers, until there are enough.
 *
 * While nobody leads and there are volumes of an earlier life (of another uid, or with the mark of the last primary), only
 * what runs already and the last primary's instance may exist: an empty or lagging one could win the race for the leader
 * key, and the true data would be refused as foreign.
 */
function chooseInstances(
  uid: string,
  replicas: number,
  instances: readonly Instance[],
): { readonly numbers: readonly number[]; readonly takingUp: boolean } {
  const usable = instances.filter((instance) => !instance.retired);
  // A StatefulSet that somebody deletes still counts: it is put back when it is gone.
  const running = usable.filter((instance) => instance.statefulSet !== undefined).map(numberOf);
  const waiting = usable.filter((instance) => instance.statefulSet === undefined && hasVolume(instance));
  const marked = usable.filter((instance) => instance.lastPrimary);

  const fromEarlier = (instance: Instance): boolean =>
    instance.lastPrimary || instance.volume?.metadata.annotations?.[annotations.ownerUid] !== uid;
  if (primaryOf(instances) === undefined && usable.some((instance) => hasVolume(instance) && fromEarlier(instance))) {
    if (marked.length > 1 && running.length === 0) {
      throw new InvalidSpec(
        "LastPrimaryUnknown",
        `volumes ${marked.map(({ name }) => name).join(", ")} all carry ${annotations.lastPrimary}: "true"; ` +
          "which of them has the newest data?",
      );
    }
    const first = marked.filter(hasVolume).map(numberOf);
    const known = sorted([...running, ...first]);
    // Deletion marks every volume, so that a lost "true" shows: the others say "false". Without marks nobody has ever led.
    const others = waiting.filter(({ volume }) => volume?.metadata.annotations?.[annotations.lastPrimary] === "false");
    if (known.length === 0 && waiting.length > 1 && others.length > 0) {
      throw new InvalidSpec(
        "LastPrimaryUnknown",
        `the volume of the last primary is gone; which of ${waiting.map(({ name }) => name).join(", ")} has the newest data?`,
      );
    }
    const alone = known.length > 0 ? known : waiting.slice(0, 1).map(numberOf);
    return { numbers: alone, takingUp: alone.length < replicas };
  }

  const used = new Set(instances.map(numberOf));
  const fresh = naturals().filter((number) => !used.has(number));
  const wanted = [...waiting.map(numberOf), ...fresh.take(replicas)];
  const missing = Math.max(0, replicas - running.length);
  return { numbers: sorted([...running, ...wanted.slice(0, missing)]), takingUp: false };
}

const numberOf = (instance: Instance): number => instance.number;

/** There is a volume, and it is not being deleted. */
const hasVolume = ({ volume }: Instance): boolean =>
  volume !== undefined && volume.metadata.deletionTimestamp === undefined;

const sorted = (numbers: readonly number[]): readonly number[] => [...new Set(numbers)].toSorted((a, b) => a - b);

function* naturals(): Generator<number> {
  for (let number = 1; ; number++) yield number;
}
