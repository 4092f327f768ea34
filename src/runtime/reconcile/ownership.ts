// Whose object is it: marks what we write as ours, and tells ours from what others made. Pure.
import { controllerOf, groupOf, ownerReference, type Kind, type KubeObject } from "../kube/object.ts";

/** The object whose children are applied, as read, and its kind. */
export interface Owner {
  readonly object: Readonly<KubeObject>;
  readonly kind: Kind;
}

/** "controller": a controller ownerReference. "annotation": only the owner's uid, for what must outlive its owner. */
export type Ownership = "controller" | "annotation";

export interface Marks {
  readonly labels: Readonly<Record<string, string>>;
  readonly ownerUidAnnotation?: string;
}

/** The desired object with our labels and its owner on it. @throws Error when that owner cannot own it. */
export function stamp<T extends KubeObject>(desired: T, kind: Kind<T>, owner: Owner, how: Ownership, marks: Marks): T {
  const { metadata } = desired;
  const marked = { ...metadata, labels: { ...metadata.labels, ...marks.labels } };
  if (how === "controller") {
    const child = { kind, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) };
    marked.ownerReferences = [...(metadata.ownerReferences ?? []), ownerReference(owner.object, owner.kind, child)];
  } else {
    const uid = owner.object.metadata.uid;
    if (marks.ownerUidAnnotation === undefined) throw new Error(`${kind.kind} ${metadata.name}: no ownerUidAnnotation`);
    if (uid === undefined) throw new Error(`${owner.kind.kind} ${owner.object.metadata.name} has no uid`);
    marked.annotations = { ...metadata.annotations, [marks.ownerUidAnnotation]: uid };
  }
  return { ...desired, metadata: marked };
}

/**
 * - "ours": its owner reference (or annotation) names our uid; or it bears our labels and no other controller has it: what was
 *   orphaned, or retained from a former owner of this name, is taken up.
 * - "former": a dead namesake of our owner still controls it, and the garbage collector is about to take it away, or missed it.
 * - "foreign": anything else. It must never be written.
 */
export function claim(live: Readonly<KubeObject>, owner: Owner, marks: Marks): "ours" | "former" | "foreign" {
  const { uid, name } = owner.object.metadata;
  const { ownerReferences, annotations } = live.metadata;
  if (ownerReferences?.some((reference) => reference.uid === uid)) return "ours";
  const labelled = hasLabels(live, marks.labels);
  const controller = controllerOf(live);
  if (controller === undefined) {
    const owned = marks.ownerUidAnnotation !== undefined && annotations?.[marks.ownerUidAnnotation] === uid;
    return labelled || owned ? "ours" : "foreign";
  }
  const namesake =
    controller.kind === owner.kind.kind &&
    controller.name === name &&
    groupOf(controller.apiVersion) === owner.kind.group;
  return labelled && namesake ? "former" : "foreign";
}

export function hasLabels(object: Readonly<KubeObject>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([name, value]) => object.metadata.labels?.[name] === value);
}
