// Crash points: a story is told once to count the operator's writes, then again for each write, with the operator killed before
// it, killed after it, and with the answer to it lost. What there is at the end, and what was made and removed on the way, must
// be the same. HOLDFAST_TEST_CRASH=all tells them all, "scale" those of one story, "scale 7 before" one alone.
import { describe, expect, test } from "vitest";
import { sharedControlPlane } from "../support/api-server.ts";
import { crashModes, type CrashMode } from "../support/crash.ts";
import { differencesOf, tell } from "../support/crash-story.ts";
import { createSlots } from "../support/slots.ts";
import { stories } from "../support/stories.ts";
import { testSeed } from "../support/test-seed.ts";

/** Stories told at once: enough to keep two cores busy while each waits for something. */
const slots = createSlots(6);
/** Where not all points are told, one of so many is. Those after a write are also those before the next one, mostly. */
const parts: Readonly<Record<CrashMode, number>> = { after: 2, before: 8, answerLost: 8 };

const asked = process.env["HOLDFAST_TEST_CRASH"]?.split(" ") ?? [];
const [onlyStory, onlyWrite, onlyMode] = asked[0] === "all" ? [] : asked;
/** Of the points of which not all are told, which: another part in each run, so that none is left out for long. */
const seed = testSeed(8);

/** All are told when asked for, else a part of them. */
function isChosen(write: number, mode: CrashMode): boolean {
  if (onlyWrite !== undefined) return write === Number(onlyWrite) && mode === (onlyMode ?? mode);
  return asked.length > 0 || (write + seed + crashModes.indexOf(mode)) % parts[mode] === 0;
}

describe.concurrent("wherever the operator is killed, it ends the same when", () => {
  test.for(stories.filter(({ name }) => name === (onlyStory ?? name)))(
    "$sentence",
    { timeout: 1_800_000 },
    async (story) => {
      const startedAt = performance.now();
      const controlPlane = await sharedControlPlane();
      const undisturbed = await slots(() => tell(story, controlPlane));
      const writes = undisturbed.writes.length;
      const failures: string[] = [];
      let told = 0;

      /** @returns whether the story came to that write at all */
      async function crashAt(write: number, mode: CrashMode): Promise<boolean> {
        const fail = (why: string): void => void failures.push(`${story.name} ${write} ${mode}: ${why}`);
        try {
          const run = await slots(() => tell(story, controlPlane, { crash: { write, mode }, expected: undisturbed }));
          if (run.crashed === undefined) return false;
          const differences = differencesOf(undisturbed, run).map((difference) => `\n  ${difference}`);
          if (differences.length > 0) fail(`${run.crashed}${differences.join("")}`);
        } catch (error) {
          fail(String(error));
          if (write > writes) return false;
        }
        told += 1;
        return true;
      }

      // A run may have more writes than the undisturbed one (a status more, on a slow machine): on until one is not reached.
      async function crashEverywhere(mode: CrashMode): Promise<void> {
        for (let write = 1, reached = true; reached; write += 1) {
          reached = isChosen(write, mode) ? await crashAt(write, mode) : write <= writes;
        }
      }
      await Promise.all(crashModes.map(crashEverywhere));

      const seconds = Math.round((performance.now() - startedAt) / 1000);
      console.log(
        `${story.name}: ${writes} writes, ${told} crash points (seed ${seed}), ${failures.length} failures, ${seconds} s`,
      );
      expect(failures.slice(0, 5).join("\n")).toBe("");
    },
  );
});
