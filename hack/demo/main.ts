// npm run demo: from nothing to a replicated PostgreSQL that answers SQL, on a real cluster. `-- --down` removes it all.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openCluster, removeClusters, type Cluster } from "../cluster/cluster.ts";
import { run } from "../cluster/command.ts";
import { createProgress, type Progress, type Stage } from "../cluster/progress.ts";
import { installOperator } from "../install.ts";

const namespace = "shop";
const manifest = fileURLToPath(new URL("../../examples/databases/orders.yaml", import.meta.url));
const { values } = parseArgs({ options: { provider: { type: "string" }, down: { type: "boolean" } } });

async function demo(progress: Progress): Promise<void> {
  const cluster = await openCluster(progress, values);
  await installOperator(cluster, progress);
  const kubectl: Kubectl = (...args) =>
    run(cluster.kubectl, ["--namespace", namespace, ...args], {
      env: { KUBECONFIG: cluster.kubeconfig },
      timeoutMs: 300_000,
    });

  await progress.stage("Database orders: apply → Ready", async (stage) => {
    await kubectl("apply", "-f", manifest);
    await untilReady(kubectl, stage);
  });
  const row = await progress.stage("A row, written through the Service, read from a replica", () =>
    writeAndRead(kubectl),
  );
  console.log(
    `\n$ kubectl describe database orders -n ${namespace}\n\n${await kubectl("describe", "database", "orders")}`,
  );
  console.log(`${row}\n`);
  console.log(summary(progress));
  console.log(farewell(cluster));
}

type Kubectl = (...args: string[]) => Promise<string>;

/** Shows meanwhile what the Database says of itself. */
async function untilReady(kubectl: Kubectl, stage: Stage): Promise<void> {
  const condition = `{range .status.conditions[?(@.type=="Ready")]}{.status} {.message}{end}`;
  const deadline = Date.now() + 300_000;
  for (let answer = ""; !answer.startsWith("True"); await new Promise((resolve) => setTimeout(resolve, 200))) {
    if (Date.now() > deadline) throw new Error(`Database orders is not Ready after 300 s: ${answer}`);
    answer = await kubectl("get", "database/orders", "-o", `jsonpath=${condition}`);
    stage.update(answer.replace(/^\w+ /, ""));
  }
}

/** As an application would: with what is in its Secret, by the names of the Services. */
async function writeAndRead(kubectl: Kubectl): Promise<string> {
  const secret = JSON.parse(await kubectl("get", "secret", "orders-credentials", "-o", "json")) as {
    data: Record<string, string>;
  };
  const value = (key: string): string => Buffer.from(secret.data[key] ?? "", "base64").toString();
  const uri = value("uri");
  const readUri = uri.replace(`@${value("host")}`, `@${value("host").replace("orders", "orders-replicas")}`);
  const psql = (to: string, sql: string): Promise<string> =>
    kubectl("exec", "orders-1-0", "-c", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", to, "-c", sql);

  await eventually(() => psql(uri, "select 1"));
  await psql(
    uri,
    "create table if not exists greeting (id int primary key, text text); insert into greeting values (1, 'held fast') on conflict do nothing",
  );
  const read = "select text || ' | read from a replica: ' || pg_is_in_recovery() from greeting where id = 1";
  for (let attempt = 1; ; attempt++) {
    const answer = await psql(readUri, read).catch((error: unknown) => {
      if (attempt === 20) throw error;
      return "";
    });
    if (answer.includes("held fast")) return `SELECT says: ${answer.trim()}`;
    if (attempt === 20) throw new Error("the row did not reach a replica");
    // Replication is asynchronous: the row may be on its way.
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** kube-proxy learns of the primary a moment after Patroni has named it. */
async function eventually(attempt: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (tries === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

function summary({ timings }: Progress): string {
  const lines = timings
    .filter(({ depth }) => depth === 0)
    .map(({ title, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${title}`);
  return ["Seconds of each stage:", ...lines].join("\n");
}

function farewell({ kubeconfig, kubectl }: Cluster): string {
  return `
Look around:
  export KUBECONFIG=${kubeconfig}
  alias kubectl=${kubectl}
  kubectl get databases -A
  kubectl exec -it orders-1-0 -n ${namespace} -c postgres -- patronictl list
  kubectl get secret orders-credentials -n ${namespace} -o jsonpath='{.data.uri}' | base64 -d

Remove it all:
  npm run demo -- --down
`;
}

try {
  const progress = createProgress();
  if (values.down !== true) await demo(progress);
  else if (!(await removeClusters(progress, values))) console.log("There was no cluster.");
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
