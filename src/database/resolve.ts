// Database + References + Instance[] → ResolvedDatabase: everything checked and decided, all that the children are built from.
// Pure. Throws InvalidSpec for what waits for an edit. It adds instances and never takes one away: that is a planned act.
import { checkParameters, type Parameters } from "../postgres/parameters.ts";
import { reservedDatabases, reservedRoles } from "../postgres/roles.ts";
import { imageOf, versions } from "../postgres/versions.ts";
import { InvalidSpec, type Database, type DatabaseSpec } from "./api.ts";
import { chooseInstances } from "./choice.ts";
import { primaryOf, type Instance } from "./instances.ts";
import { annotations, instanceName, internalKeys, namesOf } from "./names.ts";
import { hasControlCharacter, type Credentials, type References } from "./references.ts";
import { hasVolume, isVanished } from "./volume-loss.ts";
import { isGoing, resolveVolume, type Volume } from "./volumes.ts";

/** What the operator's settings say about Databases. */
export interface ResolveSettings {
  /** PostgreSQL major version → image, before the catalogue. */
  readonly images: Readonly<Record<string, string>>;
  /** The static ClusterRole that instances are bound to. */
  readonly instanceClusterRole: string;
}

/** An instance that must exist. */
export interface ResolvedInstance {
  readonly number: number;
  /** Of its StatefulSet and its volume: "orders-1". */
  readonly name: string;
  /** Absent: it is not made now. It is being deleted, or is gone while no other instance leads, when it may have been the newest. */
  readonly volume?: Volume;
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
  /** By number. What exists and is not retired is always among them, but for those whose volume is gone while one is taken up. */
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
    password: resolvePassword(spec, references, namesOf(name)) ?? generatedPassword(credentials, namesOf(name)),
    credentials,
    resources: spec.resources ?? {},
    parameters: resolveParameters(spec),
    placement: spec.placement ?? {},
    deletionPolicy: spec.deletionPolicy ?? "Retain",
    instanceClusterRole: settings.instanceClusterRole,
    instances: numbers.map((number) => resolveInstance(database, number, instances)),
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

/** People rotate it by editing the Secret. */
function generatedPassword({ application }: Credentials, { internalSecret }: ReturnType<typeof namesOf>): string {
  if (!hasControlCharacter(application)) return application;
  throw new InvalidSpec(
    "PasswordUnusable",
    `${internalKeys.application} in Secret ${internalSecret} has a line break or control character`,
  );
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
  { metadata, spec, status }: Readonly<Database>,
  number: number,
  instances: readonly Instance[],
): ResolvedInstance {
  const existing = instances.find((instance) => instance.number === number);
  const primary = primaryOf(instances);
  const claim = existing?.volume;
  // PostgreSQL has run here: what is gone held data. Others may have a copy, and say so when one of them leads. Under the
  // primary an empty one would look as if all were well.
  const hadData = primary === undefined ? status?.version !== undefined : primary.number === number;
  const isLost = existing !== undefined && isVanished(existing) && hadData;
  return {
    number,
    name: instanceName(metadata.name, number),
    ...(isLost || (claim !== undefined && isGoing(claim)) ? {} : { volume: resolveVolume(spec.storage, claim) }),
    lastPrimary: primary === undefined ? existing?.lastPrimary === true : primary.number === number,
    ...(claim?.metadata.annotations?.[annotations.lastPrimary] === undefined ? {} : { marked: true }),
  };
}
