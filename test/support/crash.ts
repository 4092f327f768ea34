// A client that counts its writes and, at a chosen one, lets the operator die or the answer be lost.
import { ApiError, type KubeClient } from "../../src/runtime/index.ts";
import { keyOf, refTo, resourceName, type Kind, type Ref } from "../../src/runtime/kube/object.ts";

/**
 * before: killed before the write is sent. after: killed when it has been applied. answerLost: it is applied, the operator
 * lives and sees a broken connection (a killed operator never sees an answer, so this is the case that remains).
 */
export type CrashMode = "before" | "after" | "answerLost";
export const crashModes: readonly CrashMode[] = ["before", "after", "answerLost"];

export interface CrashPoint {
  /** 1 is the first write. */
  readonly write: number;
  readonly mode: CrashMode;
}

export interface CountingClient extends KubeClient {
  /** "apply statefulsets.apps shop/orders-1", in order; Events and leases are not counted. */
  readonly writes: readonly string[];
  /** The write at which it happened. */
  readonly crashed: string | undefined;
  /** Counts from here on, up to the crash point if there is one. */
  arm(crash?: CrashPoint): void;
}

/**
 * @param kill called once at the crash point; from then on every call of this client fails as for a dead process
 */
export function countingClient(inner: KubeClient, kill: () => void): CountingClient {
  const writes: string[] = [];
  let crash: CrashPoint | undefined;
  let crashed: string | undefined;
  let dead = false;
  const underWay = new Set<Promise<unknown>>();

  const assertAlive = (): void => {
    if (dead) throw noAnswer("the process is dead");
  };
  const die = async (): Promise<never> => {
    dead = true;
    // What was sent beside it arrives: a request that is cut off may be carried out without a 201 in the audit log.
    await Promise.allSettled(underWay);
    kill();
    throw noAnswer("killed");
  };
  const send = <R>(request: () => Promise<R>): Promise<R> => {
    const sent = request();
    underWay.add(sent);
    sent.catch(() => undefined).finally(() => underWay.delete(sent));
    return sent;
  };

  async function write<R>(verb: string, kind: Kind, ref: Ref, request: () => Promise<R>): Promise<R> {
    assertAlive();
    if (kind.plural === "events" || kind.plural === "leases") return request();
    const what = `${verb} ${resourceName(kind)} ${keyOf(ref)}`;
    writes.push(what);
    if (crash === undefined || writes.length !== crash.write) return send(request);
    crashed = what;
    if (crash.mode === "before") return die();
    await send(request);
    if (crash.mode === "after") return die();
    throw noAnswer("connection reset before the answer arrived");
  }

  return {
    writes,
    get crashed() {
      return crashed;
    },
    arm: (at) => {
      writes.length = 0;
      crash = at;
    },
    get: async (...call) => (assertAlive(), inner.get(...call)),
    list: async (...call) => (assertAlive(), inner.list(...call)),
    watch: (...call) => (assertAlive(), inner.watch(...call)),
    podLog: async (...call) => (assertAlive(), inner.podLog(...call)),
    create: (kind, body, options) => write("create", kind, refTo(body), () => inner.create(kind, body, options)),
    apply: (kind, body, options) => write("apply", kind, refTo(body), () => inner.apply(kind, body, options)),
    applyStatus: (kind, body, options) =>
      write("applyStatus", kind, refTo(body), () => inner.applyStatus(kind, body, options)),
    patch: (kind, ref, patch, options) => write("patch", kind, ref, () => inner.patch(kind, ref, patch, options)),
    delete: (kind, ref, options) => write("delete", kind, ref, () => inner.delete(kind, ref, options)),
  };
}

function noAnswer(message: string): ApiError {
  return new ApiError(message, { status: 0, reason: "NoAnswer" });
}
