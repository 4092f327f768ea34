// npm run dev [-- flags of the operator]: the operator from source against the current kubeconfig, restarted on every edit.
// The cluster needs the definitions of the resources, and its Pods must be reachable from here (the local cluster's are).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { run } from "../cluster/command.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { createProgress } from "../cluster/progress.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));

try {
  const progress = createProgress();
  const { kubectl, helm } = await ensureBinaries(["kubectl", "helm"], progress);
  await progress.stage("Definitions and roles", async () => {
    await run(kubectl, ["apply", "--server-side", "--force-conflicts", "-f", `${repository}crds`]);
    const role = await run(helm, [
      "template",
      "holdfast",
      `${repository}charts/holdfast`,
      "-s",
      "templates/instance-role.yaml",
    ]);
    await run(kubectl, ["apply", "--server-side", "--force-conflicts", "-f", "-"], { input: role });
  });
  const flags = ["--leader-election=false", "--port=0", ...process.argv.slice(2)];
  const operator = spawn(process.execPath, ["--watch", `${repository}src/main.ts`, ...flags], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => operator.kill(signal));
  await once(operator, "exit");
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
