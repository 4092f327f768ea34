// `npm run check`: everything that can be said about the code without running it. All steps run, also after a failure;
// the output of a step is shown only when it failed.
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "../..");

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** What to do about a failure, where a command mends it. */
  readonly remedy?: string;
}

const steps: readonly Step[] = [
  { name: "types", command: ["tsc", "--project", "."] },
  { name: "lint", command: ["oxlint", "--type-aware"] },
  { name: "format", command: ["oxfmt", "--check"], remedy: "npx oxfmt" },
  { name: "architecture", command: ["vitest", "run", "--project", "unit", "test/architecture.test.ts"] },
  { name: "generated files", command: ["node", "hack/generate.ts", "--check"], remedy: "node hack/generate.ts" },
  { name: "chart's CRDs", command: ["node", "hack/build/chart.ts", "--check"], remedy: "node hack/build/chart.ts" },
];

/** Runs one step; answers what it printed if it failed. */
function run({ command: [program, ...args] }: Step): string | undefined {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"] ?? ""}` },
  });
  if (error !== undefined) return `cannot run ${program}: ${error.message}\n`;
  return status === 0 ? undefined : stdout + stderr;
}

const failed: string[] = [];
for (const step of steps) {
  const start = performance.now();
  const output = run(step);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${output === undefined ? "✓" : "✗"} ${step.name.padEnd(16)} ${seconds.padStart(5)} s`);
  if (output === undefined) continue;
  failed.push(step.name);
  console.log(`\n${output.trimEnd()}\n`);
  if (step.remedy !== undefined) console.log(`  mend it with: ${step.remedy}\n`);
}
console.log(
  `\nChecks ${steps.length - failed.length} passed, ${failed.length} failed${failed.map((name) => `\n  ${name}`).join("")}`,
);
process.exitCode = failed.length > 0 ? 1 : 0;
