// npm run e2e [-- stories]: the stories of test/e2e on a real cluster, with the operator of this checkout installed by Helm.
// The cluster is the one that runs, or a new one that goes again afterwards. The story `faults` is the whole matrix of
// test/scenarios/fault-matrix.test.ts, which needs an API server and no cluster.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { clusterExists, openCluster } from "../cluster/cluster.ts";
import { createProgress } from "../cluster/progress.ts";
import { installOperator, operatorNamespace } from "../install.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { provider: { type: "string" }, keep: { type: "boolean" } },
});

const signals = ["SIGINT", "SIGTERM"] as const;

/** Whoever ends us ends the stories; a cluster that was made for them still goes after them. @returns the exit code */
async function vitest(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const running = spawn("vitest", ["run", ...args], { stdio: "inherit", env: { ...process.env, ...env } });
  for (const signal of signals) process.on(signal, () => running.kill(signal));
  const [code] = (await once(running, "exit")) as [number | null];
  return code ?? 1;
}

function tellFaults(): Promise<number> {
  const asked = process.env["HOLDFAST_TEST_FAULTS"] ?? "all";
  return vitest(["--project", "scenarios", "fault-matrix"], { HOLDFAST_TEST_FAULTS: asked });
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
  if (isAboutFaults && onCluster.length === 0) return faults;
  return (await tellOnCluster(onCluster)) || faults;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
