// One watch on its way through the proxy: frames in, what rules make of them out. Knows nothing of sockets.
import type { FrameFault } from "./fault-plan.ts";
import { titleOf, type ApiRequest } from "./fault-request.ts";
import type { FaultRules } from "./fault-rules.ts";
import { lastStates, type Frame } from "./view-coalescing.ts";

/** Where a watch goes to. */
export interface StreamSink {
  write(bytes: Buffer): void;
  end(): void;
  /** Breaks the connection. */
  reset(): void;
}

export interface StreamWorld {
  readonly rules: () => FaultRules;
  /** Told of each frame, when it comes from the API server. */
  readonly saw: (frame: Frame, request: ApiRequest) => void;
  /** Told of each fault that acts. */
  readonly acted: (fault: FrameFault, frame: Frame) => void;
  /** Calls back later; answers how to stop that. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

const newline = 0x0a;
/** https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists */
const initialEventsEnd = "k8s.io/initial-events-end";
const bookmarkEveryMs = 200;

export class FaultStream {
  readonly #id: number;
  readonly #request: ApiRequest;
  readonly #sink: StreamSink;
  readonly #world: StreamWorld;
  #pending: Buffer = Buffer.alloc(0);
  #initial: boolean;
  #held: Frame[] | undefined;
  #ended = false;
  #over = false;
  /** The last version that was told, for bookmarks while it is held. */
  #told: Frame | undefined;
  readonly #cancels = new Set<() => void>();

  constructor(id: number, request: ApiRequest, sink: StreamSink, world: StreamWorld) {
    this.#id = id;
    this.#request = request;
    this.#sink = sink;
    this.#world = world;
    this.#initial = request.streamsInitial;
  }

  /** Bytes of the API server. */
  take(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let start = 0;
    for (let end = this.#pending.indexOf(newline); end >= 0; end = this.#pending.indexOf(newline, start)) {
      const line = this.#pending.toString("utf8", start, end);
      start = end + 1;
      if (line !== "") this.#frame(JSON.parse(line) as Frame);
    }
    this.#pending = this.#pending.subarray(start);
  }

  /** The API server has ended it. */
  end(): void {
    this.#ended = true;
    if (this.#held === undefined) this.#finish(() => this.#sink.end());
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#over = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #frame(frame: Frame): void {
    this.#world.saw(frame, this.#request);
    const initial = this.#initial;
    const { annotations } = frame.object.metadata ?? {};
    if (frame.type === "BOOKMARK" && annotations?.[initialEventsEnd] === "true") this.#initial = false;
    if (this.#held !== undefined) {
      this.#held.push(frame);
      return;
    }
    if (this.#over) return;
    const { type, object } = frame;
    const seen = {
      resource: this.#request.resource,
      name: object.metadata?.name,
      type,
      initial,
      collection: titleOf(this.#request),
      connection: this.#id,
    };
    const fault = this.#world.rules().forFrame(seen);
    if (fault === undefined) return this.#send(frame);
    this.#world.acted(fault, frame);
    this.#act(fault, frame);
  }

  #act(fault: FrameFault, frame: Frame): void {
    const line = lineOf(frame);
    switch (fault.type) {
      case "cut":
        return this.#finish(() => this.#sink.reset());
      case "cutInside":
        this.#sink.write(line.subarray(0, Math.ceil(line.length / 2)));
        return this.#finish(() => (fault.clean === true ? this.#sink.end() : this.#sink.reset()));
      case "duplicate":
        this.#send(frame);
        return this.#send(frame);
      case "pieces":
        for (let at = 0; at < line.length; at += fault.bytes) this.#sink.write(line.subarray(at, at + fault.bytes));
        this.#told = frame;
        return;
      case "expire":
        return this.#expire();
      case "hold":
        return this.#hold(fault, frame);
    }
  }

  #hold({ ms, release, bookmarks }: Extract<FrameFault, { type: "hold" }>, frame: Frame): void {
    const held = [frame];
    this.#held = held;
    const stopBookmarks = bookmarks === true ? this.#repeat(bookmarkEveryMs, () => this.#bookmark()) : () => undefined;
    this.#later(ms, () => {
      stopBookmarks();
      this.#held = undefined;
      if (release === "cut") return this.#finish(() => this.#sink.reset());
      if (release === "expire") return this.#expire();
      for (const late of release === "all" ? held : lastStates(held)) this.#send(late);
      if (this.#ended) this.#finish(() => this.#sink.end());
    });
  }

  /** Says that it lives, and nothing else. */
  #bookmark(): void {
    if (this.#told === undefined) return;
    const { apiVersion, kind, metadata } = this.#told.object;
    const object = { apiVersion, kind, metadata: { resourceVersion: metadata?.resourceVersion } };
    this.#sink.write(lineOf({ type: "BOOKMARK", object }));
  }

  #expire(): void {
    const message = "too old resource version";
    const object = {
      apiVersion: "v1",
      kind: "Status",
      metadata: {},
      status: "Failure",
      message,
      reason: "Expired",
      code: 410,
    };
    this.#sink.write(lineOf({ type: "ERROR", object }));
    this.#finish(() => this.#sink.end());
  }

  #send(frame: Frame): void {
    if (this.#over) return;
    this.#told = frame;
    this.#sink.write(lineOf(frame));
  }

  #finish(how: () => void): void {
    if (this.#over) return;
    this.stop();
    how();
  }

  #later(ms: number, act: () => void): () => void {
    const stop = this.#world.after(ms, () => {
      this.#cancels.delete(stop);
      act();
    });
    this.#cancels.add(stop);
    return () => {
      this.#cancels.delete(stop);
      stop();
    };
  }

  #repeat(ms: number, act: () => void): () => void {
    let stop = (): void => undefined;
    const next = (): void => {
      stop = this.#later(ms, () => {
        act();
        next();
      });
    };
    next();
    return () => stop();
  }
}

const lineOf = (frame: Frame): Buffer => Buffer.from(`${JSON.stringify(frame)}\n`);
