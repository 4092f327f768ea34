// Who takes part: how each is built, and how it is started.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../hack/build/bundle.ts";
import { run } from "../hack/cluster/command.ts";
import { parseDockerfile } from "../hack/cluster/dockerfile.ts";

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

export const contestants: readonly Contestant[] = [
  {
    name: "holdfast",
    tool: "node",
    async build() {
      const dist = join(folderOf("holdfast"), "dist");
      await bundle("bench/contestants/holdfast/main.ts", dist);
      return { program: process.execPath, args: [...image().flags, join(dist, "main.js")], environment: image().env };
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
];

/** What the operator's image starts Node with: speed and memory are to be those of one process, and of the one that users run. */
function image(): { flags: readonly string[]; env: Record<string, string> } {
  const dockerfile = readFileSync(join(import.meta.dirname, "../images/operator/Dockerfile"), "utf8");
  const { Entrypoint = [], Env = [] } = parseDockerfile(dockerfile).config;
  return {
    flags: Entrypoint.slice(1, -1),
    env: Object.fromEntries(Env.map((pair) => pair.split("=", 2) as [string, string])),
  };
}
