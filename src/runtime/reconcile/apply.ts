// Brings one object about: read → whose is it → diff → server-side apply, or nothing at all. Decides nothing about other objects.
import type { Clock } from "../clock.ts";
import type { ApplyOptions, JsonPatch, KubeClient } from "../kube/client.ts";
import { RetryAfterError, TerminalError } from "../kube/errors.ts";
import type { EventRecorder } from "../kube/events.ts";
import { controllerOf, keyOf, refTo, type Kind, type KubeObject } from "../kube/object.ts";
import type { Cache } from "../kube/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { ContestedPaths } from "./contested.ts";
import { diff, type Difference } from "./diff.ts";
import { patchGuarded } from "./guarded-patch.ts";
import { immutableFields, isImmutable } from "./immutable.ts";
import { intentOf } from "./intent.ts";
import { managersOf } from "./managers.ts";
import { marksPatch } from "./marks.ts";
import { claim, stamp, type Marks, type Owner, type Ownership } from "./ownership.ts";
import { lookUp, parsePath, pointerTo } from "./paths.ts";
import { tell } from "./tell.ts";
import { collectAfter, uncollected } from "./uncollected.ts";

/** What can be said about how objects of a child are written. */
export interface Handling {
  /**
   * "createOnce": content is never written again after the creation (generated Secrets); labels and annotations are.
   * Default "apply".
   */
  readonly mode?: "apply" | "createOnce";
  /**
   * Only with "createOnce": further fields of what is created, such as a generated password. Asked for at a creation alone, so it
   * need not be pure.
   */
  readonly atCreation?: (desired: Readonly<KubeObject>) => Readonly<Record<string, unknown>>;
  /**
   * What to do when the API server refuses a change of an immutable field. Default "refuse": a TerminalError `ImmutableField`.
   * "recreate" deletes the object, and what it owns, first; "recreate-orphaning" leaves what it owns (Pods) to its successor.
   */
  readonly onImmutable?: "refuse" | "recreate" | "recreate-orphaning";
  /**
   * "controller": a controller ownerReference, so that garbage collection follows. "annotation": only the owner's uid as
   * annotation, for what must outlive its owner. Default "controller".
   */
  readonly ownership?: Ownership;
  /** Dotted paths that must not be set by anybody, since they change the meaning (a selector on a selector-less Service). */
  readonly absent?: readonly string[];
  /**
   * Dotted paths of lists that are ours as a whole. Into others an apply merges: an item of which somebody has changed the key
   * (a port's number) would stay beside ours, or be refused for bearing the same name.
   */
  readonly whole?: readonly string[];
}

/** How a family of children is marked and written. One for the lifetime of a controller. */
export interface ApplyConfig extends Pick<ApplyOptions, "fieldManager"> {
  /** Stamped on every child; prune touches nothing without them. E.g. app.kubernetes.io/managed-by. */
  readonly labels: Readonly<Record<string, string>>;
  /** Annotation that carries the owner's uid. Only where `ownership` is "annotation". */
  readonly ownerUidAnnotation?: string;
  /** Remembers what others keep taking from us: `new ContestedPaths()`. Without it that is taken back every time. */
  readonly contested?: ContestedPaths;
  /**
   * true: what a cache without a selector does not hold is created without a look at the API server first, which is a read less for
   * each new object. What somebody else has made of that name since the cache last heard, and says nothing else than we do, is then
   * taken over instead of refused. Default false.
   */
  readonly trustsCache?: boolean;
}

/** What applying needs of the world. */
export interface ApplyContext {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly log: Log;
  /** Default: the time of this machine. */
  readonly clock?: Clock;
  readonly signal: AbortSignal;
}

declare const applied: unique symbol;
/** An object that the API server holds (answered by it, or found equal in the cache): never one that was only built. */
export type Applied<T extends KubeObject> = Readonly<T> & { readonly [applied]: true };

export interface Change<T extends KubeObject> {
  readonly result: "created" | "updated" | "unchanged" | "recreated";
  readonly object: Applied<T>;
  /** What an update changed. */
  readonly paths: readonly string[];
}

/**
 * One object as desired, marked as ours, written only where it differs. What the cache does not hold is read once from the API
 * server before it is first written; another's object that appears before the write is a conflict where it says otherwise.
 * @throws TerminalError `NameTaken` when the name belongs to somebody else, `ImmutableField` when the change is refused for good.
 * @throws RetryAfterError while the object, or its owner, is being deleted, or it is left alone because others keep changing it.
 * @throws ApiError whatever else the API server answers.
 */
export async function apply<T extends KubeObject>(
  desired: T,
  kind: Kind<T>,
  owner: Owner,
  handling: Handling,
  config: ApplyConfig,
  context: ApplyContext,
): Promise<Change<T>> {
  const { client, signal } = context;
  const intent = intentOf(stamp(desired, kind, owner, handling.ownership ?? "controller", config));
  const ref = refTo(intent);
  let live: Readonly<T> | undefined = context.cache.get(kind, ref);
  // A POST is refused where there is something already.
  const needsNoLook = config.trustsCache === true || handling.mode === "createOnce";
  if (live === undefined && !(needsNoLook && context.cache.covers(kind, ref))) {
    live = await client.get(kind, ref, { signal });
  }
  if (live === undefined) {
    // In a foreground deletion an owner outlives what it owns: whoever made that anew would keep it from ending.
    if (isGoing(owner.object))
      throw waiting(`${nameOf(owner.kind, owner.object)} is being deleted: nothing is made for it`);
    return create(intent, kind, owner, handling, config, context);
  }
  await requireOurs(live, kind, owner, config, context);
  if (handling.mode === "createOnce") return keepMarks(intent, live, kind, owner, config, context);

  const differences = diff(intent, live, config.fieldManager, handling);
  if (differences.length === 0) return unchanged<T>(live);
  await leaveContestedAlone(live, kind, differences, owner, config, context);
  let object: T;
  try {
    object = await write(intent, live, kind, differences, config, context);
  } catch (error) {
    if (!isImmutable(error)) throw error;
    if (handling.onImmutable === undefined || handling.onImmutable === "refuse") {
      const message = `${nameOf(kind, live)} cannot be changed this way: ${immutableFields(error)}`;
      throw new TerminalError("ImmutableField", message, { cause: error });
    }
    return recreate(intent, live, kind, owner, handling, config, context);
  }
  if (object.metadata.resourceVersion === live.metadata.resourceVersion) return unchanged<T>(object);
  config.contested?.taken(live.metadata.uid!, pathsOf(differences.filter(wasTaken)));
  const paths = pathsOf(differences);
  tell(owner, kind, object, "Updated", `: ${summary(paths)}`, context);
  return { result: "updated", object: object as Applied<T>, paths };
}

function unchanged<T extends KubeObject>(live: Readonly<T>): Change<T> {
  return { result: "unchanged", object: live as Applied<T>, paths: [] };
}

async function create<T extends KubeObject>(
  intent: T,
  kind: Kind<T>,
  owner: Owner,
  handling: Handling,
  config: ApplyConfig,
  context: ApplyContext,
): Promise<Change<T>> {
  const object = await writeNew(intent, kind, handling, config, context);
  // The cache has not seen all of its deletion: a finalizer holds what was there before.
  if (isGoing(object)) throw waitingForDeletion(object, kind);
  tell(owner, kind, object, "Created", "", context);
  return { result: "created", object: object as Applied<T>, paths: [] };
}

/**
 * Not forced: nobody holds a field of an object that does not exist. Where one of that name has appeared since we looked, what
 * it says otherwise than we do is a conflict, and the next pass sees whose it is.
 */
async function writeNew<T extends KubeObject>(
  intent: T,
  kind: Kind<T>,
  { mode, atCreation }: Handling,
  { fieldManager }: ApplyConfig,
  { client, signal }: ApplyContext,
): Promise<T> {
  if (mode !== "createOnce") return client.apply(kind, intent, { fieldManager, force: false, signal });
  const whole = atCreation === undefined ? intent : intentOf({ ...intent, ...atCreation(intent) });
  return client.create(kind, whole, { fieldManager, signal });
}

/** Without its marks it would be nobody's: neither watched, nor taken up, nor removed with its owner. */
async function keepMarks<T extends KubeObject>(
  { metadata: wanted }: T,
  live: Readonly<T>,
  kind: Kind<T>,
  owner: Owner,
  { fieldManager }: ApplyConfig,
  context: ApplyContext,
): Promise<Change<T>> {
  const paths = (["labels", "annotations"] as const).flatMap((field) =>
    Object.entries(wanted[field] ?? {})
      .filter(([name, value]) => live.metadata[field]?.[name] !== value)
      .map(([name]) => `metadata.${field}[${name}]`),
  );
  if (paths.length === 0) return unchanged<T>(live);
  const patch = marksPatch(live, wanted);
  const object = await patchGuarded(context.client, kind, live, patch, { fieldManager, signal: context.signal });
  tell(owner, kind, object, "Updated", `: ${summary(paths)}`, context);
  return { result: "updated", object: object as Applied<T>, paths };
}

/** With the uid in the body, an object that has gone meanwhile is a conflict and is not brought back by mistake. */
async function write<T extends KubeObject>(
  intent: T,
  live: Readonly<T>,
  kind: Kind<T>,
  differences: readonly Difference[],
  config: ApplyConfig,
  { client, signal }: ApplyContext,
): Promise<T> {
  const { uid } = live.metadata;
  const { fieldManager } = config;
  const forbidden = differences.filter(({ type }) => type === "forbidden").map(({ path }) => parsePath(path));
  let object: T | undefined;
  if (forbidden.length > 0) {
    // An apply cannot unset what others have set. The tests make sure that this is still what we have seen.
    const patch = forbidden.flatMap((names): JsonPatch => {
      const path = pointerTo(names);
      const [there, wanted] = [lookUp(live, names), lookUp(intent, names)];
      return [
        { op: "test", path, value: there ?? null },
        wanted === undefined ? { op: "remove", path } : { op: "add", path, value: wanted },
      ];
    });
    object = await patchGuarded(client, kind, live, patch, { fieldManager, signal });
  }
  if (object !== undefined && forbidden.length === differences.length) return object;
  const body = { ...intent, metadata: { ...intent.metadata, uid } };
  return client.apply(kind, body, { fieldManager, force: true, signal });
}

async function recreate<T extends KubeObject>(
  intent: T,
  live: Readonly<T>,
  kind: Kind<T>,
  owner: Owner,
  handling: Handling,
  config: ApplyConfig,
  context: ApplyContext,
): Promise<Change<T>> {
  const { client, signal } = context;
  const propagation = handling.onImmutable === "recreate-orphaning" ? "Orphan" : "Background";
  await client.delete(kind, refTo(live), { uid: live.metadata.uid!, propagation, signal });
  if ((await client.get(kind, refTo(live), { signal })) !== undefined) {
    throw waiting(`${nameOf(kind, live)} is deleted to be created again, and not yet gone`);
  }
  const object = await writeNew(intent, kind, handling, config, context);
  tell(owner, kind, object, "Recreated", ": an immutable field has changed", context);
  return { result: "recreated", object: object as Applied<T>, paths: [] };
}

/** Of an error: what is to be made has to go first. */
export const waitingReason = "WaitingForDeletion";
/** The deletion itself wakes the owner; this is only for a deletion that nobody watches. */
const goneAfterMs = 10_000;

/** Ours, and there to stay. */
async function requireOurs(
  live: Readonly<KubeObject>,
  kind: Kind,
  owner: Owner,
  marks: Marks,
  context: ApplyContext,
): Promise<void> {
  const whose = claim(live, owner, marks);
  if (whose === "foreign") {
    const controller = controllerOf(live);
    const by = controller === undefined ? "" : ` (it belongs to ${controller.kind} ${controller.name})`;
    throw new TerminalError(
      "NameTaken",
      `${nameOf(kind, live)} exists already and is not ours${by}: delete or rename it, or give the ${owner.kind.kind} another name`,
    );
  }
  if (whose === "former" && !isGoing(live) && (await collectAfter(owner, kind, live, context)))
    tell(owner, kind, live, "Deleted", uncollected, context);
  if (whose === "former" || isGoing(live)) throw waitingForDeletion(live, kind);
}

const isGoing = ({ metadata }: Readonly<KubeObject>): boolean => metadata.deletionTimestamp !== undefined;

const waitingForDeletion = (object: Readonly<KubeObject>, kind: Kind): RetryAfterError =>
  waiting(`${nameOf(kind, object)} is being deleted and is created again when it is gone`);

const waiting = (message: string): RetryAfterError =>
  new RetryAfterError(message, goneAfterMs, { reason: waitingReason });

async function leaveContestedAlone(
  live: Readonly<KubeObject>,
  kind: Kind,
  differences: readonly Difference[],
  owner: Owner,
  { contested, fieldManager }: ApplyConfig,
  { client, events, signal }: ApplyContext,
): Promise<void> {
  const verdict = contested?.judge(live.metadata.uid!, pathsOf(differences.filter(wasTaken)));
  if (verdict === undefined || verdict.type === "free") return;
  const problem = `${verdict.path} of ${nameOf(kind, live)} is contested`;
  if (verdict.type === "started") {
    // The cache keeps only our own managedFields, so the other one has to be asked for.
    const now = await client.get(kind, refTo(live), { signal });
    const others = now === undefined ? [] : managersOf(now, verdict.path, fieldManager);
    const other = others.length === 0 ? "another client" : others.join(" and ");
    events.emit(owner.object, {
      type: "Warning",
      reason: "Contested",
      message: `${problem}: ${other} keeps changing it; left alone for ${Math.ceil(verdict.afterMs / 1000)} s`,
    });
  }
  throw new RetryAfterError(problem, verdict.afterMs, { reason: "Contested" });
}

/** Not for want of a change of ours: somebody else has written there, or nobody yet. */
function wasTaken({ type }: Difference): boolean {
  return type === "unowned" || type === "forbidden" || type === "reordered";
}

function pathsOf(differences: readonly Difference[]): readonly string[] {
  return [...new Set(differences.map(({ path }) => path))];
}

/** The first few paths: an Event has room for a kilobyte. */
function summary(paths: readonly string[]): string {
  const shown = paths.slice(0, 8).join(", ");
  return paths.length > 8 ? `${shown} and ${paths.length - 8} more` : shown;
}

function nameOf(kind: Kind, object: Readonly<KubeObject>): string {
  return `${kind.kind} ${keyOf(refTo(object))}`;
}
