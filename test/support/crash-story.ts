// Tells one story in a namespace of its own, with or without a crash in it, and says what came of it.
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import jsonPatch from "fast-json-patch";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { isEvent, isLease, isWrite, type Call } from "./audit.ts";
import { countingClient, type CountingClient, type CrashPoint } from "./crash.ts";
import { whereTheyDiffer } from "./difference-words.ts";
import { openScenario, type RunningOperator } from "./scenario.ts";
import { hasOrphans, snapshotOf, type Snapshot } from "./snapshot.ts";
import type { Story } from "./stories.ts";

export interface Told {
  readonly state: Snapshot;
  /** "statefulsets.apps orders-1" → how often it came into being, by the operator's hand; Pods by anybody's. */
  readonly created: Readonly<Record<string, number>>;
  /** How often it went, by the operator's hand. */
  readonly deleted: Readonly<Record<string, number>>;
  /** From the beginning of the act up to the crash. */
  readonly writes: readonly string[];
  /** The write at which it happened, if it came to that. */
  readonly crashed: string | undefined;
}

export interface Disturbance {
  readonly crash: CrashPoint;
  /** What the undisturbed story came to: waited for, so that a run is as long as it must. */
  readonly expected: Told;
}

/** A retry is not what is tested here, so it need not be waited for. */
const backoff = { initialMs: 50, maxMs: 1_000, factor: 2, jitter: 0.2 };
/** For a machine that is busy with other things; a run that ends well never waits so long. */
const patienceMs = 120_000;
/** An undisturbed story is over when nothing has changed for so long. */
const quietMs = 1_500;

export async function tell(story: Story, controlPlane: ControlPlane, disturbance?: Disturbance): Promise<Told> {
  await using scenario = await openScenario(controlPlane, story.name);
  // Which Pod wins the first election is chance, and would make two runs differ that are both right.
  scenario.standIn.preferLeader("orders-1-0");
  const { namespace, admin, postgres } = scenario;
  const look = (): Promise<Snapshot> => snapshotOf(admin, namespace, postgres.cluster(`${namespace}/orders`));

  let operator: Promise<RunningOperator>;
  const die = (): void => {
    const dead = operator;
    operator = dead.then((killed) => {
      killed.kill();
      return scenario.start({ backoff });
    });
  };
  let client!: CountingClient;
  operator = scenario.start({ backoff, wrap: (inner) => (client = countingClient(inner, die)) });
  await operator;

  await story.begin?.(scenario);
  client.arm(disturbance?.crash);
  await story.act(scenario);
  if (disturbance === undefined) await quiet(look);
  else await until(look, (state) => isDeepStrictEqual(state, disturbance.expected.state));
  // What it was about to do it does now.
  await (await operator).stop();
  return {
    state: await look(),
    ...comingsAndGoings(await scenario.calls(), scenario.operatorUser),
    writes: [...client.writes],
    crashed: client.crashed,
  };
}

type Counts = Pick<Told, "created" | "deleted">;

/** What a run came to. */
export type Outcome = Pick<Told, "state" | "created" | "deleted">;

/** What a disturbed run has otherwise than the undisturbed one, as sentences. */
export function differencesOf(
  expected: Outcome,
  actual: Outcome,
  parts: readonly (keyof Outcome)[] = ["state", "created", "deleted"],
): readonly string[] {
  return parts.flatMap((part) =>
    jsonPatch.compare(expected[part], actual[part]).map((change) => {
      const was: unknown = change.op === "add" ? undefined : jsonPatch.getValueByPointer(expected[part], change.path);
      const [before, now] = whereTheyDiffer(was, "value" in change ? change.value : undefined);
      return `${part}: ${change.path} was ${before}, is ${now}`;
    }),
  );
}

/** Until two looks are the same, and nothing is left to be collected. Answers the last look. */
export async function quiet(look: () => Promise<Snapshot>): Promise<Snapshot> {
  const deadline = performance.now() + patienceMs;
  for (let last = await look(); ;) {
    await sleep(quietMs);
    const now = await look();
    if ((isDeepStrictEqual(last, now) && !hasOrphans(now)) || performance.now() > deadline) return now;
    last = now;
  }
}

/** Until the world is as expected, or patience ends: then the differences say more than an error. Answers the last look. */
export async function until(
  look: () => Promise<Snapshot>,
  isAsExpected: (state: Snapshot) => boolean,
): Promise<Snapshot> {
  const deadline = performance.now() + patienceMs;
  for (let pauseMs = 60; ; pauseMs = Math.min(pauseMs * 1.5, 2_000)) {
    const state = await look();
    if (isAsExpected(state) || performance.now() > deadline) return state;
    await sleep(pauseMs);
  }
}

/** A second DELETE of what is still going is no second deletion. */
export function comingsAndGoings(calls: readonly Call[], ...operators: readonly string[]): Counts {
  const created: Record<string, number> = {};
  const deleted: Record<string, number> = {};
  const going = new Set<string>();
  for (const call of calls) {
    if (!isWrite(call) || isEvent(call) || isLease(call)) continue;
    const name = `${call.resource} ${call.name}`;
    if (call.code === 201 && (operators.includes(call.user) || call.resource === "pods")) {
      created[name] = (created[name] ?? 0) + 1;
      going.delete(name);
    }
    if (call.verb === "delete" && call.code < 300 && operators.includes(call.user) && !going.has(name)) {
      deleted[name] = (deleted[name] ?? 0) + 1;
      going.add(name);
    }
  }
  return { created, deleted };
}
