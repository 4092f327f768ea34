// The end of what an instance has logged: read where its objects do not tell what is wrong.
import { refTo, type KubeClient } from "../../runtime/index.ts";
import type { Instance } from "../instances.ts";

/** About three rounds of Patroni's attempts, each of which prints what pg_controldata says. */
const tail = { container: "postgres", tailLines: 200, limitBytes: 131_072 } as const;
/** The API server asks the node, which may be gone: it would wait for half a minute, and whoever asks does nothing else. */
export const logWithinMs = 3_000;

export interface LogContext {
  readonly client: Pick<KubeClient, "podLog">;
  readonly signal: AbortSignal;
}

export interface InstanceLog {
  readonly text: string;
  /** The newest lines are in it: where lines are long the limit cuts them off. */
  readonly whole: boolean;
}

/**
 * @returns undefined where there is no Pod
 * @throws ApiError, or the reason of the signal or of the time that it may take
 */
export async function readInstanceLog(
  { pod }: Instance,
  { client, signal }: LogContext,
  withinMs = logWithinMs,
): Promise<InstanceLog | undefined> {
  if (pod === undefined) return undefined;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  const text = await client.podLog(refTo(pod), { ...tail, signal: limited });
  return { text, whole: Buffer.byteLength(text) < tail.limitBytes };
}
