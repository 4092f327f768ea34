// Tells one story in a namespace of its own, through fault proxies, and says what came of it.
import { isDeepStrictEqual } from "node:util";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { LeaseLost } from "../../src/runtime/index.ts";
import type { FaultPlan } from "../../testing/fault-plan.ts";
import { startFaultProxy, type FaultProxy } from "../../testing/fault-proxy.ts";
import { titleOf } from "../../testing/fault-request.ts";
import { comingsAndGoings, differencesOf, quiet, until, type Outcome } from "./crash-story.ts";
import { differencesBetween, worldOf } from "./edits-world.ts";
import {
  isOperatorsWork,
  promotionsFromCache,
  readsOfAnyVersion,
  writesAfterLoss,
  type Promotion,
} from "./fault-oracles.ts";
import { passes, untilIdle } from "./observations.ts";
import { eventually, openScenario, type RunningOperator, type Scenario } from "./scenario.ts";
import { snapshotOf, type Snapshot } from "./snapshot.ts";
import { storyPatienceMs, type Story } from "./stories.ts";

/** One for each operator; of two the first one leads. Plain JSON: it repeats the run. */
export type FaultPlans = readonly FaultPlan[];

export interface Run extends Outcome {
  /** The operators' writes since the plan began, as asked: "apply statefulsets.apps shop/orders-1", lease and Events aside. */
  readonly writes: readonly string[];
  /** Those that the API server took without anything being otherwise after it ("200 apply …"), or refused ("409 …"). */
  readonly vainWrites: readonly string[];
  /** How many passes the operators made since the plan began. */
  readonly passes: number;
  readonly fired: readonly string[];
  /** What went wrong however it ended, as sentences. */
  readonly problems: readonly string[];
}

/** A retry is not what is tested here, so it need not be waited for. */
const backoff = { initialMs: 50, maxMs: 1_000, factor: 2, jitter: 0.2 };
/** Much sooner than in production: what hangs is waited for in every run. */
const requestTimeoutMs = 3_000;
const leaseTimes = { leaseDurationMs: 4_000, renewDeadlineMs: 3_000, retryPeriodMs: 400 };

/** @param expected what the undisturbed run came to: waited for, so that a run is as long as it must */
export async function tellFaulted(
  story: Story,
  controlPlane: ControlPlane,
  plans: FaultPlans = [{}],
  expected?: Run,
): Promise<Run> {
  // At its end the scenario judges what the operators do at rest: their way to the API server is closed after it.
  await using proxies = new AsyncDisposableStack();
  await using scenario = await openScenario(controlPlane, story.name);
  // Which Pod wins the first election is chance, and would make two runs differ that are both right.
  scenario.standIn.preferLeader("orders-1-0");
  const { admin, namespace, postgres } = scenario;
  const look = (): Promise<Snapshot> => snapshotOf(admin, namespace, postgres.cluster(`${namespace}/orders`));
  const accounts = plans.map((_, index) => (index === 0 ? "holdfast" : `holdfast-${index + 1}`));
  await using operators = await startOperators(scenario, accounts, plans.length > 1, proxies);
  const promotions = watchPromotions(scenario, operators);

  await story.begin?.(scenario);
  const before = await operators.passes();
  const [from, at] = [operators.calls().length, performance.now()];
  operators.play(plans);
  await story.act(scenario);
  const same = (state: Snapshot): Snapshot => (story.compares === "world" ? worldOf(state) : state);
  // The look that was as expected counts: under Delete a retired volume, which is like none, goes in its own time.
  const state = await (expected === undefined
    ? quiet(look)
    : until(look, (now) => isDeepStrictEqual(same(now), same(expected.state))));
  const users = accounts.map((account) => `system:serviceaccount:${namespace}:${account}`);
  const counts = comingsAndGoings(await scenario.calls(), ...users);
  const made = (await operators.passes()) - before;
  const calls = operators
    .calls()
    .slice(from)
    .filter((call) => isOperatorsWork(call) && call.receivedAt >= at);
  const named = ({ request }: (typeof calls)[number]): string => titleOf(request).replaceAll(namespace, "shop");
  return {
    state,
    ...counts,
    writes: calls.map(named),
    vainWrites: calls
      .filter(({ effective, upstreamStatus = 0 }) => effective === false || upstreamStatus >= 400)
      .map((call) => `${call.upstreamStatus} ${named(call)}`),
    passes: made,
    fired: operators.fired(),
    problems: [
      ...operators.problems,
      ...writesAfterLoss(operators.proxies.map(({ calls }) => calls)),
      ...promotionsFromCache(promotions),
      ...readsOfAnyVersion(operators.calls()),
      ...(await stuck(scenario)),
    ],
  };
}

/**
 * What a disturbed run has otherwise than the undisturbed one, and what it did in vain, as sentences.
 * @param lostLog the API server was killed: what it had carried out by then may stand in no audit log, and nothing can be counted by that
 */
export function judge(story: Story, expected: Run, actual: Run, lostLog = false): readonly string[] {
  const different =
    story.compares === "world"
      ? differencesBetween(worldOf(expected.state), worldOf(actual.state))
      : differencesOf(expected, actual, lostLog ? ["state"] : undefined);
  const { fired } = actual;
  // I14: a fault costs the passes that fail by it, those that retry, and those that what is done late causes.
  const most = 3 * expected.passes + 8 * fired.length + 20;
  const restless = actual.passes > most ? [`I14: ${actual.passes} passes, and ${expected.passes} undisturbed`] : [];
  // I13: one in twenty, and one for each request that met a fault: whoever did not hear that it was done may write once more.
  const ofRequests = fired.filter((fault) => !fault.includes(" watch ")).length;
  const allowed = 2 + Math.ceil(actual.writes.length / 20) + ofRequests;
  const { vainWrites, writes } = actual;
  const vain =
    vainWrites.length > allowed
      ? [`I13: ${vainWrites.length} of ${writes.length} writes were in vain: ${vainWrites.join(", ")}`]
      : [];
  return [...different, ...actual.problems, ...restless, ...vain];
}

interface Operators extends AsyncDisposable {
  readonly proxies: readonly FaultProxy[];
  /** All that passed their proxies, in order of time. */
  calls(): FaultProxy["calls"];
  fired(): readonly string[];
  passes(): Promise<number>;
  play(plans: FaultPlans): void;
  readonly problems: readonly string[];
}

/** Each behind a proxy of its own; one that ends by itself is started again, as a kubelet does. */
async function startOperators(
  scenario: Scenario,
  accounts: readonly string[],
  lease: boolean,
  closing: AsyncDisposableStack,
): Promise<Operators> {
  const proxies: FaultProxy[] = [];
  const all: RunningOperator[] = [];
  const problems: string[] = [];
  const current = new Map<string, RunningOperator>();
  const planned = new WeakSet<RunningOperator>();
  let over = false;
  let started = 0;

  async function start(account: string): Promise<void> {
    const index = accounts.indexOf(account);
    const operator = await scenario.start({
      backoff,
      requestTimeoutMs,
      account,
      ...(lease ? { lease: "holdfast", leaseTimes, identity: `${account}-${(started += 1)}` } : {}),
      through: async (connection) => {
        proxies[index] ??= closing.use(await startFaultProxy({ connection, hooks: hooksOf(account) }));
        return proxies[index].connection;
      },
    });
    if (over) return operator.kill();
    all.push(operator);
    current.set(account, operator);
    operator.ended.then(
      () => undefined,
      async (error: unknown) => {
        if (over || planned.has(operator)) return;
        // I15: only a lost lease ends an operator.
        if (!(error instanceof LeaseLost)) problems.push(`I15: the operator ended by itself: ${String(error)}`);
        operator.kill();
        await start(account);
      },
    );
  }

  function kill(account: string): void {
    const operator = current.get(account);
    if (operator === undefined) return;
    planned.add(operator);
    operator.kill();
  }

  const hooksOf = (account: string) => ({
    restart: async () => {
      kill(account);
      await start(account);
    },
    die: () => kill(account),
    restartApiServer: () => scenario.controlPlane.restartApiServer(),
  });

  for (const [index, account] of accounts.entries()) {
    await start(account);
    // The first one leads, whichever is faster.
    const won = (): boolean =>
      proxies[index]?.calls.some(({ request, status = 500 }) => request.resource === leases && status < 300) === true;
    if (lease && index === 0) await eventually("the first operator leads", async () => (won() ? true : undefined));
  }
  return {
    proxies,
    problems,
    calls: () => proxies.flatMap(({ calls }) => calls).toSorted((a, b) => a.receivedAt - b.receivedAt),
    fired: () => proxies.flatMap(({ fired }) => fired),
    passes: async () => (await Promise.all(all.map(passes))).reduce((sum, count) => sum + count, 0),
    play: (plans) => plans.forEach((plan, index) => proxies[index]?.play(plan)),
    [Symbol.asyncDispose]: async () => {
      over = true;
      const living = [...current.values()].filter((operator) => !planned.has(operator));
      await Promise.all(living.map((operator) => untilIdle(operator).catch(() => undefined)));
    },
  };
}

const leases = "leases.coordination.k8s.io";

/** Each switchover, with what its operator had asked for before it. */
function watchPromotions({ postgres }: Scenario, operators: Operators): readonly Promotion[] {
  const promotions: Promotion[] = [];
  const { world } = postgres;
  postgres.world = {
    ...world,
    switchOver: (cluster, leader, candidate) => {
      promotions.push({ leader, candidate, before: operators.calls().filter(({ status }) => status !== undefined) });
      return world.switchOver(cluster, leader, candidate);
    },
  };
  return promotions;
}

/** Whether an edit is still taken up, when nothing goes wrong any more. */
async function stuck(scenario: Scenario): Promise<readonly string[]> {
  const database = await scenario.database();
  const spec = { ...database?.spec, parameters: { work_mem: "17MB" } };
  try {
    await scenario.apply(spec);
    await eventually(
      "a later edit is taken up",
      async () => {
        const { metadata, status } = (await scenario.database()) ?? {};
        return status?.observedGeneration === metadata?.generation ? true : undefined;
      },
      storyPatienceMs,
    );
    return [];
  } catch (error) {
    return [`stuck: ${String(error)}`];
  }
}
