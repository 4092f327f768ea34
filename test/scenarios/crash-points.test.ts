// Crash points: a story is told once to count the operator's writes, then again for each write, with the operator killed before
// it, killed after it, and with the answer to it lost. What there is at the end, and what was made and removed on the way, must
// be the same. HOLDFAST_TEST_CRASH="scale 7 before" tells one of them alone.
import { describe, expect, test } from "vitest";
import { sharedControlPlane } from "../support/api-server.ts";
import { crashModes, type CrashMode } from "../support/crash.ts";
import { differencesOf, tell, type Story } from "../support/crash-story.ts";
import { eventually, type Scenario } from "../support/scenario.ts";

/** Stories told at once: enough to keep two cores busy while each waits for something. */
const slots = createSlots(Number(process.env["HOLDFAST_TEST_WIDTH"] ?? 6));

const absent = (scenario: Scenario): Promise<true> =>
  eventually("the Database is gone", async () => ((await scenario.database()) === undefined ? true : undefined));

const stories: readonly Story[] = [
  {
    name: "create-one",
    sentence: "one instance is created",
    act: async (scenario) => {
      await scenario.apply({ replicas: 1 });
      await scenario.ready();
    },
  },
  {
    name: "create-three",
    sentence: "three instances are created",
    act: async (scenario) => {
      await scenario.apply({ replicas: 3 });
      await scenario.ready();
    },
  },
  {
    name: "scale",
    sentence: "three instances become one, whose volumes are not kept",
    begin: async (scenario) => {
      await scenario.apply({ replicas: 3, deletionPolicy: "Delete" });
      await scenario.ready();
    },
    act: async (scenario) => {
      await scenario.apply({ replicas: 1, deletionPolicy: "Delete" });
      await scenario.ready();
    },
  },
  {
    name: "delete-retain",
    sentence: "three instances are deleted and their volumes kept",
    begin: async (scenario) => {
      await scenario.apply({ replicas: 3, deletionPolicy: "Retain" });
      await scenario.ready();
    },
    act: async (scenario) => {
      await scenario.remove();
      await absent(scenario);
    },
  },
  {
    name: "delete-delete",
    sentence: "three instances are deleted with their volumes",
    begin: async (scenario) => {
      await scenario.apply({ replicas: 3, deletionPolicy: "Delete" });
      await scenario.ready();
    },
    act: async (scenario) => {
      await scenario.remove();
      await absent(scenario);
    },
  },
  {
    name: "recreate",
    sentence: "two instances are deleted, and a Database of the same name takes up their volumes",
    begin: async (scenario) => {
      await scenario.apply({ replicas: 2, deletionPolicy: "Retain" });
      await scenario.ready();
    },
    act: async (scenario) => {
      await scenario.remove();
      await absent(scenario);
      await scenario.apply({ replicas: 2, deletionPolicy: "Retain" });
      await scenario.ready();
    },
  },
  {
    name: "edit",
    sentence: "parameters, resources and size are edited at once",
    begin: async (scenario) => {
      await scenario.apply({ replicas: 1 });
      await scenario.ready();
    },
    act: async (scenario) => {
      await scenario.apply({
        replicas: 1,
        storage: { size: "2Gi" },
        parameters: { work_mem: "16MB" },
        resources: { requests: { memory: "256Mi" } },
      });
      await eventually("the edit is seen", async () => {
        const { metadata, status } = (await scenario.database()) ?? {};
        return status?.observedGeneration === metadata?.generation ? true : undefined;
      });
    },
  },
];

const only = process.env["HOLDFAST_TEST_CRASH"]?.split(" ");

describe.concurrent("wherever the operator is killed, it ends the same when", () => {
  test.for(stories.filter(({ name }) => only === undefined || only[0] === name))(
    "$sentence",
    { timeout: 900_000 },
    async (story) => {
      const startedAt = performance.now();
      const controlPlane = await sharedControlPlane();
      const undisturbed = await slots(() => tell(story, controlPlane));
      const failures: string[] = [];
      let told = 0;

      async function tryAt(write: number, mode: CrashMode): Promise<boolean> {
        if (only !== undefined && only.length > 1 && `${write} ${mode}` !== only.slice(1).join(" ")) return write <= 40;
        const run = await slots(() => tell(story, controlPlane, { crash: { write, mode }, expected: undisturbed }));
        if (run.crashed === undefined) return false;
        told += 1;
        const differences = differencesOf(undisturbed, run);
        if (differences.length > 0)
          failures.push(`${story.name} ${write} ${mode} (${run.crashed}):\n  ${differences.join("\n  ")}`);
        return true;
      }

      // A run may have more writes than the undisturbed one (a status more, on a slow machine): on until none is reached.
      await Promise.all(
        crashModes.map(async (mode) => {
          for (let write = 1; await tryAt(write, mode); write += 1);
        }),
      );
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      console.log(
        `${story.name}: ${undisturbed.writes.length} writes, ${told} crash points, ${failures.length} failures, ${seconds} s`,
      );
      expect(failures.slice(0, 5).join("\n")).toBe("");
    },
  );
});

/** Runs at most so many at once; the others wait for their turn. */
function createSlots(free: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
