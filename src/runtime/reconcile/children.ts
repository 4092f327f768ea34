// Child reconcilers as data, and the one loop that brings them about: desired → stamp → diff → apply | skip → prune.
import { RetryAfterError } from "../kube/errors.ts";
import { keyOf, refTo, resourceName, type Key, type Kind, type KubeObject } from "../kube/object.ts";
import {
  apply,
  type Applied,
  type ApplyConfig,
  type ApplyContext,
  type Change,
  type Handling,
  waitingReason,
} from "./apply.ts";
import { claim, hasLabels, type Owner } from "./ownership.ts";
import { tell } from "./tell.ts";
import { collectAfter, uncollected } from "./uncollected.ts";

export type { Applied, ApplyConfig, ApplyContext, Handling } from "./apply.ts";
export type { Owner } from "./ownership.ts";

/** One kind of object that a parent `P` (already resolved) consists of. Special cases are values here, never methods. */
export interface Child<P, T extends KubeObject> extends Handling {
  readonly kind: Kind<T>;
  /** Pure: what must exist. An empty array means that none may exist. */
  readonly desired: (parent: P) => readonly T[];
  /** "owned": delete what is ours and no longer desired. "never": it goes by a planned act elsewhere. Default "owned". */
  readonly prune?: "owned" | "never";
  /** Names of children, further up, without which this one is not tried in the same pass. */
  readonly needs?: readonly string[];
  /** The name of a child, further up: each object is tried only where that child's object of the same name is there, and ours. */
  readonly needsNamesake?: string;
}

// `any` is the only bound that keeps each child's own T.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Children<P> = Readonly<Record<string, Child<P, any>>>;

type KindOf<C> = C extends { readonly kind: Kind<infer T> } ? T : never;
/** What `applyChildren` answers: for each child its live objects. One of which an object failed or was not tried is absent. */
export type AppliedChildren<C> = { readonly [Name in keyof C]?: readonly Applied<KindOf<C[Name]>>[] };

/** One for each object that failed, or one for a child whose `desired` threw or whose pruning failed. */
export interface ChildFailure {
  readonly child: string;
  readonly error: Error;
}

/** What was really written. */
export interface ChildChange {
  readonly child: string;
  readonly kind: Kind;
  readonly key: Key;
  readonly result: Exclude<Change<KubeObject>["result"], "unchanged"> | "deleted";
  readonly paths: readonly string[];
}

export interface ApplyResult<C> {
  readonly applied: AppliedChildren<C>;
  readonly failures: readonly ChildFailure[];
  readonly changes: readonly ChildChange[];
}

/**
 * Applies each child in order, the objects of one child side by side, then prunes. A failure is recorded and stops only the
 * children, or the namesakes, that need what failed. Prune deletes from the cache's view, with the uid as precondition, what our
 * owner controls, what carries our labels, and what no child of its kind desires; never while the owner is being deleted, and
 * not the kind of a child that is never pruned, was not tried, or whose `desired` threw: then it is unknown what is desired.
 * @throws the signal's reason when aborted; Error when `needs` names no child further up, or `atCreation` stands without `createOnce`.
 */
export async function applyChildren<P, const C extends Children<P>>(
  parent: P,
  owner: Owner,
  children: C,
  config: ApplyConfig,
  context: ApplyContext,
): Promise<ApplyResult<C>> {
  refuseMistakes(children);
  if (owner.object.metadata.deletionTimestamp !== undefined) return { applied: {}, failures: [], changes: [] };
  const applied: Record<string, readonly Applied<KubeObject>[]> = {};
  const failures: ChildFailure[] = [];
  const changes: ChildChange[] = [];
  const plans: Plan[] = [];

  for (const [name, child] of Object.entries(children)) {
    context.signal.throwIfAborted();
    const plan: Plan = { name, child, desired: undefined, written: new Set() };
    plans.push(plan);
    if ((child.needs ?? []).some((need) => applied[need] === undefined)) continue;
    try {
      plan.desired = desiredOf(child, parent);
    } catch (error) {
      failures.push({ child: name, error: asError(error) });
      continue;
    }
    const needed = plans.find((earlier) => earlier.name === child.needsNamesake);
    const possible = plan.desired.filter(
      (object) => needed === undefined || hasNamesake(object, needed, owner, config, context),
    );
    const outcomes = await Promise.allSettled(
      possible.map((object) => apply<KubeObject>(object, child.kind, owner, child, config, context)),
    );
    const objects: Applied<KubeObject>[] = [];
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        failures.push({ child: name, error: asError(outcome.reason) });
        continue;
      }
      const { result, object, paths } = outcome.value;
      objects.push(object);
      plan.written.add(keyOf(refTo(object)));
      if (result !== "unchanged") {
        changes.push({ child: name, kind: child.kind, key: keyOf(refTo(object)), result, paths });
      }
    }
    if (objects.length === plan.desired.length) applied[name] = objects;
  }
  context.signal.throwIfAborted();

  for (const [name, kind, object] of superfluous(plans, owner, config, context)) {
    try {
      await remove(owner, kind, object, context);
      changes.push({ child: name, kind, key: keyOf(refTo(object)), result: "deleted", paths: [] });
    } catch (error) {
      failures.push({ child: name, error: asError(error) });
    }
  }
  for (const [name, kind, object] of failures.some(waitsForDeletion) ? leftOver(plans, owner, config, context) : []) {
    try {
      if (!(await collectAfter(owner, kind, object, context))) continue;
      tell(owner, kind, object, "Deleted", uncollected, context);
      changes.push({ child: name, kind, key: keyOf(refTo(object)), result: "deleted", paths: [] });
    } catch (error) {
      failures.push({ child: name, error: asError(error) });
    }
  }
  context.signal.throwIfAborted();
  return { applied: applied as unknown as AppliedChildren<C>, failures, changes };
}

interface Plan {
  readonly name: string;
  readonly child: Child<never, any>;
  /** Absent until it was asked for and answered. */
  desired: readonly KubeObject[] | undefined;
  /** Of which the API server holds what is desired. */
  readonly written: Set<Key>;
}

function desiredOf<P>(child: Child<P, any>, parent: P): readonly KubeObject[] {
  const desired: readonly KubeObject[] = child.desired(parent);
  const keys = desired.map((object) => keyOf(refTo(object)));
  const twice = keys.find((key, index) => keys.indexOf(key) < index);
  if (twice !== undefined) throw new Error(`${child.kind.kind} ${twice} is desired twice`);
  return desired;
}

/** Written in this pass, or ours already, though it may have failed to change. */
function hasNamesake(
  object: KubeObject,
  { child, written }: Plan,
  owner: Owner,
  config: ApplyConfig,
  { cache }: ApplyContext,
): boolean {
  const ref = refTo(object);
  if (written.has(keyOf(ref))) return true;
  const namesake: Readonly<KubeObject> | undefined = cache.get(child.kind, ref);
  return namesake !== undefined && claim(namesake, owner, config) === "ours";
}

function waitsForDeletion({ error }: ChildFailure): boolean {
  return error instanceof RetryAfterError && error.reason === waitingReason;
}

type Superfluous = readonly (readonly [child: string, kind: Kind, object: Readonly<KubeObject>])[];

/** Ours, and not desired. */
function superfluous(
  plans: readonly Plan[],
  owner: Owner,
  { labels }: ApplyConfig,
  { cache }: ApplyContext,
): Superfluous {
  const { uid, namespace } = owner.object.metadata;
  if (uid === undefined) return [];
  const list = (kind: Kind): readonly Readonly<KubeObject>[] =>
    cache
      .list(kind, { ownerUid: uid, ...(namespace === undefined ? {} : { namespace }) })
      .filter((object) => hasLabels(object, labels));
  return notDesired(plans, list);
}

/** A former owner's, and not desired: where what is desired waits for such things to go, nobody may come for the others either. */
function leftOver(plans: readonly Plan[], owner: Owner, config: ApplyConfig, { cache }: ApplyContext): Superfluous {
  const { namespace } = owner.object.metadata;
  return notDesired(plans, (kind) =>
    cache
      .list(kind, namespace === undefined ? {} : { namespace })
      .filter((object) => claim(object, owner, config) === "former"),
  );
}

/** Children of the same kind share one answer: what one of them does not desire may be the other's. */
function notDesired(plans: readonly Plan[], list: (kind: Kind) => readonly Readonly<KubeObject>[]): Superfluous {
  const owning = plans.filter(({ child }) => child.ownership !== "annotation");
  return [...Map.groupBy(owning, ({ child }) => resourceName(child.kind)).values()].flatMap((sameKind) => {
    if (sameKind.some(({ child, desired }) => child.prune === "never" || desired === undefined)) return [];
    const { name, child } = sameKind[0]!;
    const kind: Kind = child.kind;
    const desired = new Set(sameKind.flatMap((plan) => plan.desired!.map((object) => keyOf(refTo(object)))));
    return list(kind)
      .filter((object) => !desired.has(keyOf(refTo(object))) && object.metadata.deletionTimestamp === undefined)
      .map((object) => [name, kind, object] as const);
  });
}

async function remove(owner: Owner, kind: Kind, object: Readonly<KubeObject>, context: ApplyContext): Promise<void> {
  const { client, signal } = context;
  await client.delete(kind, refTo(object), { uid: object.metadata.uid!, propagation: "Background", signal });
  tell(owner, kind, object, "Deleted", ": no longer wanted", context);
}

function refuseMistakes(children: Children<never>): void {
  const seen = new Set<string>();
  for (const [name, { needs = [], needsNamesake, mode, atCreation }] of Object.entries(children)) {
    // What it adds would be taken for drift in the next pass, and removed.
    if (atCreation !== undefined && mode !== "createOnce")
      throw new Error(`Child ${name} has atCreation, which is only for mode createOnce`);
    const unknown = [needs, needsNamesake ?? []].flat().find((need) => !seen.has(need));
    if (unknown !== undefined) throw new Error(`Child ${name} needs ${unknown}, which is not a child before it`);
    seen.add(name);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}
