// Three projects: unit tests; scenarios against a real API server that global-setup.ts starts once; stories on a real cluster,
// which `npm run e2e` provides.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // The default leaves one processor free, and most scenarios wait more than they work.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/scenarios/**", "test/examples/**", "test/e2e/**"],
          setupFiles: ["test/support/property-seed.ts"],
          pool: "threads",
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "scenarios",
          include: ["test/scenarios/**/*.test.ts", "test/examples/**/*.test.ts"],
          globalSetup: "test/support/global-setup.ts",
          pool: "threads",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          // One story at a time: they share two cores with the cluster, and one of them kills the operator.
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
