// npm run e2e [-- stories]: the stories of test/e2e on a real cluster, with the operator of this checkout installed by Helm.
// The cluster is the one that runs, or a new one that goes again afterwards. The story `faults` is the whole matrix of
// test/scenarios/fault-matrix.test.ts, which needs an API server and no cluster.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { clusterExists, openCluster } from "../cluster/cluster.ts";
import { createProgress } from "../cluster/progress.ts";
import { installOperator, operatorNamespace } from "../install.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { provider: { type: "string" }, keep: { type: "boolean" } },
});

/** The stories that are being told. */
let running: ChildProcess | undefined;
let endedBy: "SIGINT" | "SIGTERM" | undefined;

/** Whoever ends us ends the stories; a cluster that was made for them still goes after them, unless they insist. */
function endOn(signal: "SIGINT" | "SIGTERM"): void {
  process.on(signal, () => {
    if (running === undefined || endedBy !== undefined) process.exit(128 + constants.signals[signal]);
    endedBy = signal;
    running.kill(signal);
  });
}

/** @returns the exit code */
async function vitest(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  running = spawn("vitest", ["run", ...args], { stdio: "inherit", env: { ...process.env, ...env } });
  const [code] = (await once(running, "exit")) as [number | null];
  running = undefined;
  return endedBy === undefined ? (code ?? 1) : 128 + constants.signals[endedBy];
}

function tellFaults(): Promise<number> {
  const asked = process.env["HOLDFAST_TEST_FAULTS"] ?? "all";
  // A process can always be ended. After the whole matrix a thread was seen that Node never got closed, and the run with it.
  return vitest(["--project", "scenarios", "--pool", "forks", "fault-matrix"], { HOLDFAST_TEST_FAULTS: asked });
}

async function tellOnCluster(stories: readonly string[]): Promise<number> {
  const progress = createProgress();
  const found = await clusterExists(values);
  const cluster = await openCluster(progress, values);
  try {
    await installOperator(cluster, progress);
    return await vitest(["--project", "e2e", ...stories], {
      KUBECONFIG: cluster.kubeconfig,
      HOLDFAST_KUBECTL: cluster.kubectl,
      HOLDFAST_OPERATOR_NAMESPACE: operatorNamespace,
    });
  } finally {
    if (!found && values.keep !== true) await cluster.down();
  }
}

async function main(): Promise<number> {
  const onCluster = positionals.filter((story) => story !== "faults");
  const isAboutFaults = onCluster.length < positionals.length;
  const faults = isAboutFaults ? await tellFaults() : 0;
  if (endedBy !== undefined || (isAboutFaults && onCluster.length === 0)) return faults;
  return (await tellOnCluster(onCluster)) || faults;
}

endOn("SIGINT");
endOn("SIGTERM");
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
