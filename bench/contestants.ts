// Who takes part: how each is built, and how it is started.
import { join } from "node:path";
import { bundle } from "../hack/build/bundle.ts";
import { run } from "../hack/cluster/command.ts";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface Contestant {
  readonly name: string;
  /** The program that builds it. Without it the contestant does not take part. */
  readonly tool: string;
  build(tool: string, signal: AbortSignal): Promise<Command>;
}

const folderOf = (name: string): string => join(import.meta.dirname, "contestants", name);
const binary = (program: string): Command => ({ program, args: [], environment: {} });

/**
 * Node for a controller over thousands of objects, and the memory that malloc takes as in images/operator/Dockerfile. What is read at the
 * start stays: a small young generation copies it more often, and a heap that begins small is gone through again and again while it grows.
 * The operator's own image, for few objects, is started with less: 82 MiB after work instead of 99.
 */
const flags = ["--min-semi-space-size=4", "--max-semi-space-size=4", "--single-threaded-gc", "--initial-heap-size=64"];
const environment = { MALLOC_ARENA_MAX: "1", NODE_ENV: "production" };

export const contestants: readonly Contestant[] = [
  {
    name: "holdfast",
    tool: "node",
    async build() {
      const dist = join(folderOf("holdfast"), "dist");
      await bundle("bench/contestants/holdfast/main.ts", dist);
      // Code that an earlier start has compiled is not compiled again: https://nodejs.org/api/module.html#module-compile-cache
      const cached = { ...environment, NODE_COMPILE_CACHE: join(dist, "compiled") };
      return { program: process.execPath, args: [...flags, join(dist, "main.js")], environment: cached };
    },
  },
  {
    name: "controller-runtime",
    tool: "go",
    async build(go, signal) {
      const cwd = folderOf("controller-runtime");
      const args = ["build", "-trimpath", "-ldflags=-s -w", "-o", "dist/shop-operator", "."];
      await run(go, args, { cwd, env: { CGO_ENABLED: "0" }, signal });
      return binary(join(cwd, "dist/shop-operator"));
    },
  },
  {
    name: "kube-rs",
    tool: "cargo",
    async build(cargo, signal) {
      const cwd = folderOf("kube-rs");
      await run(cargo, ["build", "--release", "--locked", "--target-dir", "dist"], { cwd, signal });
      return binary(join(cwd, "dist/release/shop-operator"));
    },
  },
];
