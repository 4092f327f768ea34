// What there was when an operator wrote something: the object, its Database, what else concerns them, as the API server had it just
// before, and as the operator had been told. An operator is at fault only where both forbid what it did.
import { Database } from "../../src/database/api.ts";
import { annotations, labels } from "../../src/database/names.ts";
import {
  ConfigMap,
  Endpoints,
  keyOf,
  PersistentVolumeClaim,
  Pod,
  resourceName,
  Secret,
  StatefulSet,
  type JsonPatch,
  type Kind,
  type KubeClient,
  type KubeObject,
  type Ref,
} from "../../src/runtime/index.ts";

/** A write on its way to the API server. */
export interface Write {
  readonly verb: "create" | "apply" | "applyStatus" | "patch" | "delete";
  readonly kind: Kind<any>;
  readonly ref: Ref;
  readonly body?: KubeObject;
  readonly patch?: JsonPatch;
  /** Preconditions of a deletion. */
  readonly uid?: string;
  readonly resourceVersion?: string | undefined;
}

export interface Evidence {
  readonly write: Write;
  /** The object as it was. */
  readonly before?: KubeObject | undefined;
  /** The Database that it belongs to, as it was. */
  readonly database?: Database | undefined;
  /** What its Database says, and said when the operator's pass may have begun: it was told so and has not judged it yet. */
  readonly databases: readonly Database[];
  /** Of its Database. */
  readonly volumes: readonly PersistentVolumeClaim[];
  readonly statefulSets: readonly StatefulSet[];
  /** The Pod that Patroni's leader key names. */
  readonly leader?: string | undefined;
  /** What the Pods of a written StatefulSet need, and what is neither there nor was when the operator looked. */
  readonly absent: readonly string[];
  /** The operator has let go of its Database: its finalizer is removed. */
  readonly released: boolean;
}

/** What one operator was told by its watches and lists, and what it has let go. */
export class Told {
  readonly #objects = new Map<string, KubeObject>();
  readonly #databases = new Map<string, Database[]>();
  readonly released = new Set<string>();

  learn(kind: Kind<any>, type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", object: KubeObject): void {
    if (type === "BOOKMARK") return;
    const { name, namespace } = object.metadata;
    const key = `${resourceName(kind)} ${keyOf({ name, ...(namespace === undefined ? {} : { namespace }) })}`;
    if (type === "DELETED") this.#objects.delete(key);
    else this.#objects.set(key, object);
    if (resourceName(kind) !== resourceName(Database)) return;
    const uid = object.metadata.uid ?? "";
    this.#databases.set(uid, [...(this.#databases.get(uid) ?? []), object as Database]);
  }

  knows(kind: Kind<any>, ref: Ref): boolean {
    return this.#objects.has(`${resourceName(kind)} ${keyOf(ref)}`);
  }

  /** All that was ever told of it, oldest first. */
  statesOf(uid: string): readonly Database[] {
    return this.#databases.get(uid) ?? [];
  }
}

/** @param world sees everything, whatever the operator may see; @throws ApiError where it does not answer */
export async function gather(write: Write, world: Pick<KubeClient, "get" | "list">, told: Told): Promise<Evidence> {
  const before = await world.get<KubeObject>(write.kind, write.ref);
  const { namespace } = write.ref;
  const place = namespace === undefined ? {} : { namespace };
  const name = databaseNameOf(before) ?? databaseNameOf(write.body);
  const isDatabase = resourceName(write.kind) === resourceName(Database);
  const database = isDatabase
    ? (before as Database | undefined)
    : name === undefined
      ? undefined
      : await world.get(Database, { ...place, name });
  const siblings = async <T extends KubeObject>(kind: Kind<T>): Promise<T[]> => {
    if (name === undefined || !concerns(write)) return [];
    return (await world.list(kind, { ...place, labels: `${labels.database}=${name}` })).items;
  };
  const uid = ownerUidOf(before) ?? ownerUidOf(write.body) ?? database?.metadata.uid ?? "";
  return {
    write,
    before,
    database,
    databases: database === undefined ? told.statesOf(uid).slice(-1) : statesInPlay(database, told),
    volumes: await siblings(PersistentVolumeClaim),
    statefulSets: await siblings(StatefulSet),
    leader: await leaderFor(write, place, name, world),
    absent: await absentFor(write, place, world, told),
    released: told.released.has(uid),
  };
}

/** Only these are judged by what else there is. */
function concerns({ kind, ref, verb }: Write): boolean {
  const resource = resourceName(kind);
  const isInstance = [PersistentVolumeClaim, StatefulSet, Pod].some((each) => resourceName(each) === resource);
  return isInstance ? verb !== "apply" : resource === resourceName(Secret) && ref.name.endsWith("-internal");
}

async function leaderFor(
  write: Write,
  place: { readonly namespace?: string },
  name: string | undefined,
  world: Pick<KubeClient, "get">,
): Promise<string | undefined> {
  if (name === undefined || write.verb !== "delete" || !concerns(write)) return undefined;
  return (await world.get(Endpoints, { ...place, name }))?.metadata.annotations?.["leader"];
}

/** A pass writes its status at its end: what it may have begun with is not older than the generation that stands there. */
function statesInPlay(live: Database, told: Told): readonly Database[] {
  const judged = live.status?.observedGeneration ?? 0;
  const states = told.statesOf(live.metadata.uid ?? "");
  return [...states.filter(({ metadata }) => (metadata.generation ?? 0) >= judged), live];
}

export function databaseNameOf(object: KubeObject | undefined): string | undefined {
  const named = object?.metadata.labels;
  const [owner] = object?.metadata.ownerReferences?.filter(({ kind }) => kind === Database.kind) ?? [];
  return named?.[labels.database] ?? named?.[labels.appInstance] ?? owner?.name;
}

/** The uid of the Database that an object belongs to, where it bears one. */
export function ownerUidOf(object: KubeObject | undefined): string | undefined {
  const [owner] = object?.metadata.ownerReferences?.filter(({ kind }) => kind === Database.kind) ?? [];
  return owner?.uid ?? object?.metadata.annotations?.[annotations.ownerUid];
}

async function absentFor(
  { kind, body }: Write,
  place: { readonly namespace?: string },
  world: Pick<KubeClient, "get">,
  told: Told,
): Promise<readonly string[]> {
  if (body === undefined || resourceName(kind) !== resourceName(StatefulSet)) return [];
  const pod = (body as StatefulSet).spec?.template.spec;
  const env = (pod?.containers ?? []).flatMap((container) => container.env ?? []);
  const needs: readonly (readonly [Kind<any>, string | undefined])[] = [
    ...env.map(({ valueFrom }) => [Secret, valueFrom?.secretKeyRef?.name] as const),
    ...(pod?.volumes ?? []).flatMap(
      ({ secret, configMap, persistentVolumeClaim }) =>
        [
          [Secret, secret?.secretName],
          [ConfigMap, configMap?.name],
          [PersistentVolumeClaim, persistentVolumeClaim?.claimName],
        ] as const,
    ),
  ];
  const named = needs.flatMap(([kindOf, name]) =>
    name === undefined ? [] : [{ kind: kindOf, ref: { ...place, name } }],
  );
  const unique = [...new Map(named.map((need) => [`${need.kind.kind} ${need.ref.name}`, need])).entries()];
  const missing = await Promise.all(
    unique.map(async ([title, need]) =>
      told.knows(need.kind, need.ref) || (await world.get(need.kind, need.ref)) !== undefined ? [] : [title],
    ),
  );
  return missing.flat();
}
