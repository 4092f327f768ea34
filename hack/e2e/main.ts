// npm run e2e [-- stories]: the stories of test/e2e on a real cluster, with the operator of this checkout installed by Helm.
// The cluster is the one that runs, or a new one that goes again afterwards.
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

async function main(): Promise<number> {
  const progress = createProgress();
  const found = await clusterExists(values);
  const cluster = await openCluster(progress, values);
  try {
    await installOperator(cluster, progress);
    const stories = spawn("vitest", ["run", "--project", "e2e", ...positionals], {
      stdio: "inherit",
      env: {
        ...process.env,
        KUBECONFIG: cluster.kubeconfig,
        HOLDFAST_KUBECTL: cluster.kubectl,
        HOLDFAST_OPERATOR_NAMESPACE: operatorNamespace,
      },
    });
    const [code] = (await once(stories, "exit")) as [number | null];
    return code ?? 1;
  } finally {
    if (!found && values.keep !== true) await cluster.down();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
