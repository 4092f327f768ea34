// What a client that was held back sees of what happened meanwhile: the last state of each object, in the order of the watch.
// A deletion and the creation of a namesake become one MODIFIED with another uid. Pure.
import type { FrameType } from "./fault-plan.ts";

/** As it came over the wire. */
export interface Frame {
  readonly type: FrameType;
  readonly object: FrameObject;
}

export interface FrameObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** @param frames of one watch, in order. One that tells of an error stays the last. */
export function lastStates(frames: readonly Frame[]): readonly Frame[] {
  const known = new Map<string, boolean>();
  const last = new Map<string, Frame>();
  for (const frame of frames) {
    const { namespace = "", name = "" } = frame.object.metadata ?? {};
    const key = frame.type === "BOOKMARK" || frame.type === "ERROR" ? frame.type : `object ${namespace}/${name}`;
    // The first frame tells whether the client knew the object before.
    if (!known.has(key)) known.set(key, frame.type !== "ADDED");
    // The newest goes to the end: versions must not go back.
    last.delete(key);
    last.set(key, frame);
  }
  return [...last].flatMap(([key, { type, object }]): Frame[] => {
    if (type === "BOOKMARK" || type === "ERROR") return [{ type, object }];
    if (type === "DELETED") return known.get(key) === true ? [{ type, object }] : [];
    return [{ type: known.get(key) === true ? "MODIFIED" : "ADDED", object }];
  });
}
