// npm run cluster -- up|down|status [--provider local|kind]: a real Kubernetes with the Postgres image loaded.
import { parseArgs } from "node:util";
import { describeClusters, openCluster, removeClusters } from "./cluster.ts";
import { buildImage } from "./image.ts";
import { postgresImage } from "./images.ts";
import { createProgress } from "./progress.ts";

const usage = `npm run cluster -- up|down|status [--provider local|kind]

  up      starts a cluster, or finds the one that runs, and loads the Postgres image
  down    removes it and all that it left; caches stay
  status  says what runs

With Docker and kind the cluster runs in kind, else on this machine (Linux, root). Also understood:
HOLDFAST_PROVIDER, and for kind HOLDFAST_KIND_IMAGE, HOLDFAST_KIND_CONFIG, HOLDFAST_KIND_CLUSTER.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { provider: { type: "string" }, help: { type: "boolean" } },
  });
  const progress = createProgress();
  const command = values.help === true ? "help" : (positionals[0] ?? "");
  switch (command) {
    case "up": {
      const cluster = await openCluster(progress, values);
      await cluster.loadImage(await buildImage(postgresImage, progress));
      console.log(`export KUBECONFIG=${cluster.kubeconfig}`);
      break;
    }
    case "down":
      if (!(await removeClusters(progress, values))) console.log("There was no cluster.");
      break;
    case "status":
      for (const line of await describeClusters()) console.log(line);
      break;
    case "help":
      console.log(usage);
      break;
    default:
      console.error(usage);
      process.exitCode = 2;
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
