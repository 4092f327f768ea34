// Waits until a manager has done all that there is to do, so that a test may look at what came of it.
import { setTimeout as sleep } from "node:timers/promises";
import type { Manager, QueueState } from "../src/runtime/index.ts";

export interface SettledOptions {
  /** A key that becomes ready within this time is work that is still to be done; later ones are deadlines. Default 1 s. */
  readonly dueWithinMs?: number;
  /** When to give up. Default 30 s. */
  readonly timeoutMs?: number;
}

/** How long to wait before it is looked at again. */
const lookAgainMs = 10;

/**
 * Resolves at a moment when
 * - every controller runs, and has no key that is ready, none that runs, and none that is due within `dueWithinMs`;
 * - its caches have been told exactly what the API server holds, own writes included;
 * - no pass has begun since both were looked at.
 *
 * From then on nothing happens until somebody else writes, a source emits, or a deadline comes: a manager that fails for ever never
 * settles while its backoff is short. Times are those of the manager's clock: of a virtual one they only pass when a test says so.
 * @throws Error that says what there was still to do
 */
export async function settled(
  manager: Pick<Manager, "queues" | "behind">,
  { dueWithinMs = 1_000, timeoutMs = 30_000 }: SettledOptions = {},
): Promise<void> {
  const giveUp = AbortSignal.timeout(timeoutMs);
  const busy = (): readonly string[] =>
    Object.entries(manager.queues()).flatMap(([name, state]) => work(name, state, dueWithinMs));
  const turns = (): number => Object.values(manager.queues()).reduce((sum, state) => sum + (state?.turns ?? 0), 0);

  for (let left = busy(); ; left = busy()) {
    if (left.length === 0) {
      const before = turns();
      const behind = await manager.behind(giveUp).catch((error: unknown) => {
        if (giveUp.aborted) return ["?"];
        throw error;
      });
      left = behind.length === 0 ? busy() : [`the cache is behind: ${behind.join(", ")}`];
      if (left.length === 0 && turns() === before) return;
    }
    if (giveUp.aborted) throw new Error(`not settled after ${timeoutMs} ms: ${left.join("; ")}`);
    await sleep(lookAgainMs);
  }
}

function work(name: string, state: QueueState | undefined, dueWithinMs: number): readonly string[] {
  if (state === undefined) return [`${name} does not run yet`];
  const ready = [...state.ready.values()].reduce((sum, count) => sum + count, 0);
  const due = state.dueInMs !== undefined && state.dueInMs <= dueWithinMs;
  return [
    ...(ready > 0 ? [`${name} has ${ready} ready`] : []),
    ...(state.runningMs.length > 0 ? [`${name} has ${state.runningMs.length} running`] : []),
    ...(due ? [`${name} has one due in ${Math.ceil(state.dueInMs)} ms`] : []),
  ];
}
