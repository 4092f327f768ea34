// The operator of this checkout in a cluster: bundle → image → Helm release. What demo and e2e start from.
import { fileURLToPath } from "node:url";
import { bundle } from "./build/bundle.ts";
import { copyChartCrds } from "./build/chart.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { run } from "./cluster/command.ts";
import { buildImage } from "./cluster/image.ts";
import { operatorImage, postgresImage } from "./cluster/images.ts";
import type { Progress } from "./cluster/progress.ts";

export const operatorNamespace = "holdfast-system";
const repository = fileURLToPath(new URL("../", import.meta.url));

export interface InstallOptions {
  readonly logLevel?: string;
}

/** Builds and loads both images, and installs or upgrades the chart. Resolves when the operator is ready. */
export async function installOperator(
  cluster: Cluster,
  progress: Progress,
  options: InstallOptions = {},
): Promise<void> {
  await progress.stage("Bundle", async () => {
    copyChartCrds();
    await bundle(`${repository}src/main.ts`, `${repository}dist/operator`);
  });
  for (const source of [postgresImage, operatorImage]) await cluster.loadImage(await buildImage(source, progress));
  await progress.stage("helm install", () => helmInstall(cluster, options));
}

async function helmInstall(cluster: Cluster, { logLevel = "info" }: InstallOptions): Promise<void> {
  const [repository_, tag] = operatorImage.name.split(":");
  const env = { KUBECONFIG: cluster.kubeconfig };
  const values = [
    `image.repository=${repository_}`,
    `image.tag=${tag}`,
    `postgresImages.17=${postgresImage.name}`,
    `logLevel=${logLevel}`,
  ];
  const set = values.flatMap((value) => ["--set-string", value]);
  const release = [
    "upgrade",
    "--install",
    "holdfast",
    `${repository}charts/holdfast`,
    "--namespace",
    operatorNamespace,
  ];
  await run(cluster.helm, [...release, "--create-namespace", "--wait", "--timeout", "180s", ...set], {
    env,
    timeoutMs: 200_000,
  });
  // The same tag may name another image than at the last run.
  await run(cluster.kubectl, ["rollout", "restart", "deployment/holdfast", "-n", operatorNamespace], { env });
  await run(cluster.kubectl, ["rollout", "status", "deployment/holdfast", "-n", operatorNamespace, "--timeout=120s"], {
    env,
    timeoutMs: 130_000,
  });
}
