// What goes wrong between a client and its API server, as plain JSON: a plan and its seed repeat a run.
import type { Verb } from "./fault-request.ts";

export interface FaultPlan {
  /** For rules with a `share`. */
  readonly seed?: number;
  /** Of the rules that fit a request the first one acts. */
  readonly requests?: readonly RequestRule[];
  /** Of the rules that fit a frame of a watch the first one acts. */
  readonly frames?: readonly FrameRule[];
}

export interface Counted {
  /** The how-manieth that fits is the first to be hit. Default 1. */
  readonly occurrence?: number;
  /** How many are hit from there on. Default 1; 0: all. */
  readonly times?: number;
  /**
   * "each": counted for each different request, or each watched collection, apart; "connection": for each time that a collection is
   * watched anew (of what ends a watch, this never ends). Default: all together.
   */
  readonly per?: "each" | "connection";
  /** Of those that would be hit only about this part is, in (0, 1]: which ones, the plan's seed says. */
  readonly share?: number;
}

export interface RequestRule {
  readonly when: RequestMatch;
  readonly fault: RequestFault;
}

/** What is absent fits everything. */
export interface RequestMatch extends Counted {
  readonly verb?: Verb | readonly Verb[];
  /** "statefulsets.apps", "pods"; with "!" in front: any other. */
  readonly resource?: string | readonly string[];
  readonly namespace?: string;
  readonly name?: string;
  /** "": the object itself. */
  readonly subresource?: string;
  /** A watch that begins with the whole collection, or one that does not. */
  readonly streamsInitial?: boolean;
  /** A further page of a list. */
  readonly continued?: boolean;
}

export type RequestFault =
  /**
   * `applied`: it is carried out all the same, and its answer thrown away. A 410 is what an expired version or continue token
   * gets, a 409 a conflict.
   */
  | {
      readonly type: "answer";
      readonly status: number;
      readonly retryAfterSeconds?: number;
      readonly applied?: boolean;
    }
  /** The connection is reset; `applied`: after the request was carried out, so that only its answer is lost. */
  | { readonly type: "reset"; readonly applied?: boolean }
  /** Half-open: nothing comes any more, and nobody is told. */
  | { readonly type: "hang"; readonly applied?: boolean }
  /** It arrives so much later; `late`: also if whoever sent it has given up. */
  | { readonly type: "delay"; readonly ms: number; readonly late?: boolean }
  /** It is carried out at once, and answered so much later. */
  | { readonly type: "delayAnswer"; readonly ms: number }
  /** From this request on the credentials that were handed out before are answered with 401. */
  | { readonly type: "rotateToken" }
  /** Lists come in pages of so many objects. */
  | { readonly type: "pages"; readonly limit: number }
  /**
   * A list of any version (`resourceVersion=0`) is answered as the same list was at first since the plan began: an API server that
   * lags. One that asks for the newest version, by asking for none, never is: the API promises that.
   */
  | { readonly type: "past" }
  /** A hook of the proxy's owner is awaited, then it is carried out; `applied`: the other way round. */
  | { readonly type: "call"; readonly hook: string; readonly applied?: boolean };

export interface FrameRule {
  readonly when: FrameMatch;
  readonly fault: FrameFault;
}

/** What is absent fits everything. Bookmarks fit only where they are asked for by type. */
export interface FrameMatch extends Counted {
  readonly resource?: string | readonly string[];
  readonly name?: string;
  readonly type?: FrameType;
  /** Of the collection that a streaming list begins with. Default false: of what comes after it. */
  readonly initial?: boolean;
}

export type FrameType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

export type FrameFault =
  /** The connection is reset instead. */
  | { readonly type: "cut" }
  /** Half of the frame comes, then the connection is reset, or (`clean`) ends in good order. */
  | { readonly type: "cutInside"; readonly clean?: boolean }
  | { readonly type: "duplicate" }
  /** It comes in pieces of so many bytes. */
  | { readonly type: "pieces"; readonly bytes: number }
  /** 410 as a frame, then the end. */
  | { readonly type: "expire" }
  /**
   * This watch says nothing for a while, this frame and what follows wait. `bookmarks`: it says that it lives, at the version
   * that it stood at. What waited is told then (`release`): all; the last state of each object alone; nothing, since the connection is reset;
   * nothing, since the version has expired (410).
   */
  | {
      readonly type: "hold";
      readonly ms: number;
      readonly release: "all" | "last" | "cut" | "expire";
      readonly bookmarks?: boolean;
    };
