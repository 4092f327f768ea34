// npm run bench [-- --runs 3 --quiet 300]: how long from apply to Ready, beside what it could be, in one run on one cluster;
// what the operator writes for it, what it asks of the API server at rest, and what it needs itself.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { isCreation, isEvent, isLease, isWrite, readCalls, type Call } from "../../test/support/audit.ts";
import {
  apiVersionOf,
  createHttpClient,
  kubeconfigConnection,
  Namespace,
  Pod,
  refTo,
  type HttpClient,
  type KubeObject,
} from "../../src/runtime/index.ts";
import { clusterExists, openCluster } from "../cluster/cluster.ts";
import { run } from "../cluster/command.ts";
import { paths } from "../cluster/node-settings.ts";
import { createProgress, type Progress } from "../cluster/progress.ts";
import { installOperator, operatorNamespace } from "../install.ts";
import { barePod, handWritten, holdfast, type Contestant } from "./contestants.ts";

const { values } = parseArgs({
  options: {
    provider: { type: "string" },
    runs: { type: "string", default: "3" },
    quiet: { type: "string", default: "300" },
  },
});
const runs = Number(values.runs);
const quietSeconds = Number(values.quiet);
const operatorUser = `system:serviceaccount:${operatorNamespace}:holdfast`;
const operatorLabels = "app.kubernetes.io/name=holdfast";
type Kubectl = (...args: string[]) => Promise<string>;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function bench(progress: Progress): Promise<void> {
  const found = await clusterExists(values);
  const cluster = await openCluster(progress, values);
  const client = createHttpClient({
    connection: await kubeconfigConnection({ path: cluster.kubeconfig }),
    userAgent: "bench",
  });
  try {
    await installOperator(cluster, progress, { logLevel: "debug" });
    const contestants = [barePod, handWritten(1), holdfast(1), handWritten(3), holdfast(3)];
    const seconds = await timeAll(client, contestants, progress);
    console.log(`\nFrom apply to Ready, seconds, ${runs} interleaved runs:`);
    for (const { name } of contestants)
      console.log(`  ${median(seconds.get(name)).toFixed(1).padStart(6)}  ${name}  ${each(seconds.get(name))}`);
    for (const [ours, theirs] of [
      [contestants[2], contestants[1]],
      [contestants[4], contestants[3]],
    ] as const) {
      const ratio = median(seconds.get(ours?.name ?? "")) / median(seconds.get(theirs?.name ?? ""));
      console.log(`  ${ratio.toFixed(2).padStart(6)}  ${ours?.name} ÷ ${theirs?.name}`);
    }
    const env = { KUBECONFIG: cluster.kubeconfig };
    await costs(client, (...args) => run(cluster.kubectl, args, { env }), progress);
  } finally {
    client.close();
    if (!found) await cluster.down();
  }
}

/** Interleaved, each in a namespace of its own that is gone before the next begins. */
async function timeAll(
  client: HttpClient,
  contestants: readonly Contestant[],
  progress: Progress,
): Promise<Map<string, number[]>> {
  const seconds = new Map<string, number[]>();
  for (let round = 1; round <= runs; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const namespace = `bench-${round}-${index}`;
      await createNamespace(client, namespace);
      const taken = await progress.stage(`${contestant.name} (${round} of ${runs})`, () =>
        time(client, contestant, namespace),
      );
      seconds.set(contestant.name, [...(seconds.get(contestant.name) ?? []), taken]);
      await removeNamespace(client, namespace);
    }
  }
  return seconds;
}

async function time(client: HttpClient, contestant: Contestant, namespace: string): Promise<number> {
  const started = performance.now();
  for (const [kind, object] of contestant.objects(namespace)) {
    const body = { apiVersion: apiVersionOf(kind), kind: kind.kind, ...object } as KubeObject;
    await client.apply(kind, body, { fieldManager: "bench" });
  }
  while (!(await contestant.isReady(client, namespace))) {
    if (performance.now() - started > 180_000) throw new Error(`${contestant.name} was not ready after 180 s`);
    await sleep(50);
  }
  return (performance.now() - started) / 1000;
}

/** What one Database of three instances costs the API server until it is Ready and at rest, and what the operator needs. */
async function costs(client: HttpClient, kubectl: Kubectl, progress: Progress): Promise<void> {
  const namespace = "bench-costs";
  await createNamespace(client, namespace);
  await time(client, holdfast(3), namespace);
  await sleep(15_000);
  const [pod] = (await client.list(Pod, { namespace: operatorNamespace, labels: operatorLabels })).items;
  if (pod === undefined) throw new Error("the operator has no Pod");
  console.log(`\nThe operator, over one Database of three instances:`);
  console.log(`  ${(await residentMiB(kubectl, pod.metadata.name)).toFixed(0)} MiB resident`);
  if (!existsSync(paths.auditLog)) {
    console.log("  Calls are counted from the audit log of a local cluster; this one has none that can be read here.");
    return;
  }
  const untilReady = await readCalls(paths.auditLog, namespace, operatorUser);
  console.log(`  ${writesPerObject(untilReady)}`);
  const since = new Date().toISOString();
  await progress.stage(`${quietSeconds} quiet seconds`, () => sleep(quietSeconds * 1000));
  console.log(`  ${await callsAtRest(since)}`);
  await client.delete(Pod, refTo(pod), { uid: pod.metadata.uid ?? "" });
  console.log(
    `  ${await secondsToFirstPass(client, kubectl, pod.metadata.name)} from the start of the process to its first reconcile`,
  );
  await removeNamespace(client, namespace);
}

function writesPerObject(calls: readonly Call[]): string {
  const writes = calls.filter((call) => isWrite(call) && !isEvent(call) && !isLease(call) && call.code < 300);
  const status = writes.filter((call) => call.resource.endsWith("/status")).length;
  const objects = new Map<string, number>();
  for (const { resource, name } of writes.filter((call) => !call.resource.endsWith("/status"))) {
    objects.set(`${resource} ${name}`, (objects.get(`${resource} ${name}`) ?? 0) + 1);
  }
  const more = [...objects].filter(([, count]) => count > 1).map(([object, count]) => `${object} ${count} times`);
  const created = writes.filter(isCreation).length;
  return `${objects.size} objects written until Ready (${created} created), once each${more.length === 0 ? "" : `, but ${more.join(", ")}`}; status ${status} times`;
}

async function callsAtRest(since: string): Promise<string> {
  const counts = new Map<string, number>();
  for (const line of (await readFile(paths.auditLog, "utf8")).split("\n")) {
    if (!line.includes(operatorUser)) continue;
    const event = JSON.parse(line) as {
      stage: string;
      verb: string;
      requestReceivedTimestamp: string;
      objectRef?: { resource?: string };
    };
    if (event.stage !== "ResponseComplete" || event.requestReceivedTimestamp < since) continue;
    const what = `${event.verb} ${event.objectRef?.resource ?? "?"}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const list = [...counts].map(([what, count]) => `${what} ${count}`).join(", ");
  return `calls in ${quietSeconds} quiet seconds: ${list === "" ? "none" : list}`;
}

async function residentMiB(kubectl: Kubectl, pod: string): Promise<number> {
  const metrics = await kubectl(
    "get",
    "--raw",
    `/api/v1/namespaces/${operatorNamespace}/pods/${pod}:8081/proxy/metrics`,
  );
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / (1 << 20);
}

/** From the log: its first line says how long the process had lived by then. */
async function secondsToFirstPass(client: HttpClient, kubectl: Kubectl, before: string): Promise<string> {
  for (let tries = 0; tries < 600; tries++, await sleep(200)) {
    const pods = (await client.list(Pod, { namespace: operatorNamespace, labels: operatorLabels })).items;
    const pod = pods.find(({ metadata }) => metadata.name !== before && metadata.deletionTimestamp === undefined);
    if (pod === undefined) continue;
    const lines = (await kubectl("logs", pod.metadata.name, "-n", operatorNamespace).catch(() => ""))
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as { time: string; msg: string; uptimeMs?: number; tookMs?: number });
    const start = lines.find(({ msg }) => msg === "starting");
    const pass = lines.find(({ msg }) => msg === "reconciled");
    if (start === undefined || pass === undefined) continue;
    const startedAt = Date.parse(start.time) - (start.uptimeMs ?? 0);
    return `${((Date.parse(pass.time) - (pass.tookMs ?? 0) - startedAt) / 1000).toFixed(2)} s`;
  }
  throw new Error("the restarted operator did not reconcile within two minutes");
}

async function createNamespace(client: HttpClient, name: string): Promise<void> {
  await removeNamespace(client, name);
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

async function removeNamespace(client: HttpClient, name: string): Promise<void> {
  const namespace = await client.get(Namespace, { name });
  if (namespace !== undefined) await client.delete(Namespace, { name }, { uid: namespace.metadata.uid ?? "" });
  while ((await client.get(Namespace, { name })) !== undefined) await sleep(200);
}

function median(values: readonly number[] = []): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const each = (values: readonly number[] = []): string => `[${values.map((value) => value.toFixed(1)).join(" ")}]`;

try {
  await bench(createProgress());
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
}
