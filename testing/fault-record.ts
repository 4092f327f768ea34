// What passed through a fault proxy: each call with its fate, and whether it changed anything.
import type { ApiRequest } from "./fault-request.ts";

export interface ProxiedCall {
  readonly request: ApiRequest;
  /** On the clock of this process (`performance.now`). */
  readonly receivedAt: number;
  /** When its answer, or that it had none, was known. */
  answeredAt?: number;
  /** What was answered to the client. Undefined: nothing. */
  status?: number;
  /** What the API server said, if it was asked. */
  upstreamStatus?: number;
  /** The type of the fault that hit it. */
  fault?: string;
  /** Of a write that the API server took: whether anything is otherwise after it. */
  effective?: boolean;
}

/** The order of changes in the whole cluster, as far as the proxy has seen it. */
export class VersionsSeen {
  #highest = 0n;

  get highest(): bigint {
    return this.#highest;
  }

  /** @returns whether it is newer than all before; false for what bears no number */
  see(version: string | undefined): boolean {
    if (version === undefined || !/^\d+$/.test(version)) return false;
    const number = BigInt(version);
    if (number <= this.#highest) return false;
    this.#highest = number;
    return true;
  }
}

/**
 * Whether a write changed anything: an answer in a version that existed before it was sent says that it did not.
 * @param before the highest version seen when it was sent
 */
export function changedAnything(body: Buffer, before: bigint): boolean {
  try {
    const { kind, metadata } = JSON.parse(body.toString("utf8")) as {
      kind?: string;
      metadata?: { resourceVersion?: string };
    };
    // What is deleted at once is answered with a Status.
    if (kind === "Status" || metadata?.resourceVersion === undefined) return true;
    return BigInt(metadata.resourceVersion) > before;
  } catch {
    return true;
  }
}
