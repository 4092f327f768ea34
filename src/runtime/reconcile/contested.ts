// Remembers which paths were taken back from other field managers, and holds an object off when that does not end.
import { systemClock, type Clock } from "../clock.ts";

export interface ContestedOptions {
  readonly clock?: Pick<Clock, "now">;
  /** This many takes of one path … Default 5. */
  readonly takes?: number;
  /** … within this time make it contested. Default one minute. */
  readonly withinMs?: number;
  /** How long the object is then left alone; doubled each time that it is still contested. Default one minute. */
  readonly initialHoldMs?: number;
  /** Default one hour. */
  readonly maxHoldMs?: number;
}

/** "started": the path has just become contested: say so. "held": the object is being left alone. */
export type Verdict =
  | { readonly type: "free" }
  | { readonly type: "started" | "held"; readonly path: string; readonly afterMs: number };

interface Memory {
  /** When each path was taken, oldest first. */
  readonly takes: Map<string, number[]>;
  path: string;
  holdMs: number;
  heldUntil: number;
  lastTake: number;
}

/** One a controller: the memory of all its children, by uid, so that a namesake starts afresh. */
export class ContestedPaths {
  readonly #objects = new Map<string, Memory>();
  readonly #clock: Pick<Clock, "now">;
  readonly #takes: number;
  readonly #withinMs: number;
  readonly #initialHoldMs: number;
  readonly #maxHoldMs: number;
  #sweptAt: number;

  constructor(options: ContestedOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#takes = options.takes ?? 5;
    this.#withinMs = options.withinMs ?? 60_000;
    this.#initialHoldMs = options.initialHoldMs ?? 60_000;
    this.#maxHoldMs = options.maxHoldMs ?? 3_600_000;
    this.#sweptAt = this.#clock.now();
  }

  /** Asked before `paths` of an object are taken back. */
  judge(uid: string, paths: readonly string[]): Verdict {
    const memory = this.#objects.get(uid);
    if (memory === undefined) return { type: "free" };
    const now = this.#clock.now();
    if (now < memory.heldUntil) return { type: "held", path: memory.path, afterMs: memory.heldUntil - now };
    const path = paths.find((candidate) => this.#isContested(memory, candidate, now));
    if (path === undefined) return { type: "free" };
    memory.path = path;
    memory.holdMs = Math.min(memory.holdMs === 0 ? this.#initialHoldMs : memory.holdMs * 2, this.#maxHoldMs);
    memory.heldUntil = now + memory.holdMs;
    memory.takes.clear();
    return { type: "started", path, afterMs: memory.holdMs };
  }

  /** Told after `paths` of an object have been taken back. */
  taken(uid: string, paths: readonly string[]): void {
    const now = this.#clock.now();
    this.#sweep(now);
    if (paths.length === 0) return;
    const memory: Memory = this.#objects.get(uid) ?? {
      takes: new Map(),
      path: "",
      holdMs: 0,
      heldUntil: 0,
      lastTake: now,
    };
    if (now - memory.lastTake > this.#quietMs(memory)) memory.holdMs = 0;
    for (const path of paths) {
      const recent = (memory.takes.get(path) ?? []).filter((at) => now - at < this.#withinMs);
      memory.takes.set(path, [...recent.slice(1 - this.#takes), now]);
    }
    memory.lastTake = now;
    this.#objects.set(uid, memory);
  }

  #isContested(memory: Memory, path: string, now: number): boolean {
    // One take after a hold shows whether the other has given up: it needs no five more.
    const takenSinceHold = memory.holdMs > 0 && memory.lastTake >= memory.heldUntil;
    if (takenSinceHold && path === memory.path) return now - memory.lastTake <= this.#quietMs(memory);
    const recent = memory.takes.get(path)?.filter((at) => now - at < this.#withinMs) ?? [];
    return recent.length >= this.#takes;
  }

  /** Nothing taken back for this long: the quarrel is over. */
  #quietMs(memory: Memory): number {
    return Math.max(this.#withinMs, memory.holdMs * 2);
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < this.#withinMs) return;
    this.#sweptAt = now;
    for (const [uid, memory] of this.#objects) {
      if (now - memory.lastTake > this.#quietMs(memory)) this.#objects.delete(uid);
    }
  }
}
