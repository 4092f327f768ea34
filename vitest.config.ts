// Two projects: unit tests, and scenarios against a real API server that global-setup.ts starts once.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/scenarios/**", "test/e2e/**"],
          pool: "threads",
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "scenarios",
          include: ["test/scenarios/**/*.test.ts"],
          globalSetup: "test/support/global-setup.ts",
          pool: "threads",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
