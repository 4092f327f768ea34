// Faults × stories: a story is told once undisturbed, then again with each fault between operator and API server. What there is at
// the end, and what was made and removed on the way, must be the same; nothing may stay stuck, and no invariant may be broken.
// docs/faults.md says how a subset is run, and how a failure is repeated.
import { inspect } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { sharedControlPlane, startOwnControlPlane } from "../support/api-server.ts";
import { createRandom } from "../support/edits-random.ts";
import { faultKinds } from "../support/fault-kinds.ts";
import { chosenCells, type Cell } from "../support/fault-choice.ts";
import { judge, tellFaulted, type FaultPlans, type Run } from "../support/fault-story.ts";
import { createSlots } from "../support/slots.ts";
import { faultStories, type Story } from "../support/stories.ts";
import { testSeed } from "../support/test-seed.ts";

const asked = process.env["HOLDFAST_TEST_FAULTS"] ?? "";
const seed = testSeed();
/** Plans of a run that failed, as it printed them, in place of those that the seed makes. */
const given = process.env["HOLDFAST_TEST_PLAN"];
/** Runs side by side: enough to keep two cores busy while each waits for something. */
const slots = createSlots(Number(process.env["HOLDFAST_TEST_WIDTH"] ?? 6));
const timeout = asked === "" ? 900_000 : 4 * 3_600_000;

const cells = chosenCells(asked, seed, faultKinds, faultStories);
const tally: { readonly cell: Cell; readonly failed: boolean; readonly fired: number }[] = [];

afterAll(() => {
  const acted = tally.reduce((sum, { fired }) => sum + fired, 0);
  const failed = tally.filter((run) => run.failed).length;
  console.log(`${tally.length} runs (seed ${seed}), ${acted} faults acted, ${failed} runs failed\n${table()}`);
});

/** Faults × stories: how many acted, with "!" where the run failed. */
function table(): string {
  const stories = [...new Set(tally.map(({ cell }) => cell.story.name))];
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rows = [...new Set(tally.map(({ cell }) => cell.fault.name))].map((fault) =>
    row([
      fault,
      ...stories.map((story) => {
        const run = tally.find(({ cell }) => cell.fault.name === fault && cell.story.name === story);
        return run === undefined ? "" : `${run.fired}${run.failed ? "!" : ""}`;
      }),
    ]),
  );
  return [row(["fault", ...stories]), row(["-", ...stories.map(() => "-")]), ...rows].join("\n");
}

async function tellCell(
  { fault, story }: Cell,
  controlPlane: ControlPlane,
  undisturbed: Run,
): Promise<string | undefined> {
  const random = createRandom(`${seed} ${fault.name} ${story.name}`);
  const planFor = (writes: number): FaultPlans =>
    given === undefined ? fault.plans(random, writes) : (JSON.parse(given) as FaultPlans);
  let plans = planFor(undisturbed.writes.length);
  let fired = 0;
  let found: readonly string[] = [];
  try {
    // What one run says in two statuses another one says in one, so that it ends before the write that was chosen: then one is chosen
    // of those that it made.
    for (let tries = 1; ; tries += 1) {
      const run = await tellFaulted(story, controlPlane, plans, undisturbed);
      fired = run.fired.length;
      const missed = fired === 0 && fault.mayMiss !== true;
      found = [
        ...judge(story, undisturbed, run, fault.endsApiServer),
        ...(missed && tries === 3 ? ["nothing of the fault acted"] : []),
      ];
      if (!missed || found.length > 0) break;
      plans = planFor(run.writes.length);
    }
  } catch (error) {
    found = [inspect(error)];
  }
  tally.push({ cell: { fault, story }, failed: found.length > 0, fired });
  if (found.length === 0) return undefined;
  const repeat = `HOLDFAST_TEST_FAULTS="${fault.name}×${story.name}" HOLDFAST_TEST_SEED=${seed}`;
  const told = [
    `${fault.name}×${story.name}: ${fault.because}`,
    ...found.slice(0, 8).map((difference) => `  ${difference}`),
    `  again: ${repeat} npx vitest run --project scenarios fault-matrix`,
    `  plan: HOLDFAST_TEST_PLAN='${JSON.stringify(plans)}'`,
  ].join("\n");
  // At once: the whole takes long.
  console.log(told);
  return told;
}

async function tellAll(story: Story, of: readonly Cell[], controlPlane: ControlPlane): Promise<readonly string[]> {
  const undisturbed = await slots(() => tellFaulted(story, controlPlane));
  const found = [...judge(story, undisturbed, undisturbed)].map((problem) => `${story.name}, undisturbed: ${problem}`);
  const failures = await Promise.all(of.map((cell) => slots(() => tellCell(cell, controlPlane, undisturbed))));
  return [...found, ...failures.filter((failure) => failure !== undefined)];
}

const onShared = cells.filter(({ fault }) => fault.endsApiServer !== true);
const onTheirOwn = cells.filter(({ fault }) => fault.endsApiServer === true);
const storiesOf = (of: readonly Cell[]): readonly Story[] => [...new Set(of.map(({ story }) => story))];

const shared = describe.skipIf(onShared.length === 0);
shared.concurrent("whatever goes wrong between operator and API server, it ends the same when", () => {
  test.for(storiesOf(onShared))("$sentence", { timeout }, async (story) => {
    const startedAt = performance.now();
    const of = onShared.filter((cell) => cell.story === story);
    const failures = await tellAll(story, of, await sharedControlPlane());
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(`${story.name}: ${of.length} faults (seed ${seed}), ${failures.length} failures, ${seconds} s`);
    expect(failures.slice(0, 5).join("\n")).toBe("");
  });
});

// After the others: each of these ends the API server of its own.
describe.skipIf(onTheirOwn.length === 0)("also where the API server itself is killed, it ends the same when", () => {
  test.for(storiesOf(onTheirOwn))("$sentence", { timeout }, async (story) => {
    const of = onTheirOwn.filter((cell) => cell.story === story);
    await using controlPlane = await startOwnControlPlane();
    const failures = await tellAll(story, of, controlPlane);
    console.log(`${story.name}: ${of.length} faults of the API server's (seed ${seed}), ${failures.length} failures`);
    expect(failures.slice(0, 5).join("\n")).toBe("");
  });
});
