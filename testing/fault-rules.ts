// Which rule of a plan acts on what comes next: matching and counting. Pure but for the counters.
import type {
  Counted,
  FaultPlan,
  FrameFault,
  FrameMatch,
  FrameType,
  RequestFault,
  RequestMatch,
} from "./fault-plan.ts";
import { titleOf, type ApiRequest } from "./fault-request.ts";

/** A frame of a watch, as far as rules look at it. */
export interface SeenFrame {
  readonly resource: string;
  readonly name: string | undefined;
  readonly type: FrameType;
  readonly initial: boolean;
  /** What is watched. */
  readonly collection: string;
  /** The how-manieth watch this is. */
  readonly connection: number;
}

export class FaultRules {
  readonly #plan: FaultPlan;
  readonly #counts = new Map<string, number>();

  constructor(plan: FaultPlan) {
    this.#plan = plan;
  }

  forRequest(request: ApiRequest): RequestFault | undefined {
    const hits = (this.#plan.requests ?? []).filter(
      ({ when }, index) =>
        fitsRequest(when, request) && this.#isDue(`r${index}`, when, titleOf(request), titleOf(request)),
    );
    return hits[0]?.fault;
  }

  forFrame(frame: SeenFrame): FrameFault | undefined {
    const hits = (this.#plan.frames ?? []).filter(
      ({ when }, index) =>
        fitsFrame(when, frame) && this.#isDue(`f${index}`, when, frame.collection, String(frame.connection)),
    );
    return hits[0]?.fault;
  }

  /** Counts, also where another rule acts. */
  #isDue(rule: string, { occurrence = 1, times = 1, per, share }: Counted, each: string, connection: string): boolean {
    const counter = per === undefined ? rule : `${rule} ${per === "each" ? each : connection}`;
    const count = (this.#counts.get(counter) ?? 0) + 1;
    this.#counts.set(counter, count);
    if (count < occurrence || (times > 0 && count >= occurrence + times)) return false;
    // By what is asked, not by when: the order of requests is not the same in every run.
    const nth = (this.#counts.get(`${rule} drawn ${each}`) ?? 0) + 1;
    this.#counts.set(`${rule} drawn ${each}`, nth);
    return share === undefined || drawn(`${this.#plan.seed ?? 0} ${rule} ${each} ${nth}`) < share;
  }
}

function fitsRequest(when: RequestMatch, request: ApiRequest): boolean {
  return (
    (when.verb === undefined || [when.verb].flat().includes(request.verb)) &&
    fitsResource(when.resource, request.resource) &&
    (when.namespace === undefined || when.namespace === request.namespace) &&
    (when.name === undefined || when.name === request.name) &&
    (when.subresource === undefined || when.subresource === (request.subresource ?? "")) &&
    (when.streamsInitial === undefined || when.streamsInitial === request.streamsInitial) &&
    (when.continued === undefined || when.continued === request.continued)
  );
}

function fitsFrame(when: FrameMatch, frame: SeenFrame): boolean {
  return (
    (when.type ?? frame.type) === frame.type &&
    (frame.type !== "BOOKMARK" || when.type === "BOOKMARK") &&
    (when.initial ?? false) === frame.initial &&
    fitsResource(when.resource, frame.resource) &&
    (when.name === undefined || when.name === frame.name)
  );
}

function fitsResource(wanted: string | readonly string[] | undefined, resource: string): boolean {
  if (wanted === undefined) return true;
  const all = [wanted].flat();
  const excluded = all.filter((name) => name.startsWith("!"));
  if (excluded.length > 0) return !excluded.includes(`!${resource}`);
  return all.includes(resource);
}

/** In [0, 1): FNV-1a of the text, mixed (https://github.com/aappleby/smhasher, fmix32). */
function drawn(text: string): number {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
