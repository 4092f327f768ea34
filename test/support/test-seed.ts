// The seed of what a run of tests leaves to chance: HOLDFAST_TEST_SEED repeats a run.
/**
 * A whole number from 0 to `below` - 1. Where nobody asks for one it is another in each run, so that in time all is met; but always 1
 * where `CI` is set: whether a change may land must not be a matter of luck.
 */
export function testSeed(below = 1_000_000, env: NodeJS.ProcessEnv = process.env): number {
  const { HOLDFAST_TEST_SEED: asked, CI: gate } = env;
  if (asked !== undefined && asked !== "") return Number(asked);
  const isGate = gate !== undefined && gate !== "" && gate !== "false";
  return isGate ? 1 : Math.floor(Math.random() * below);
}
