// A world for one scenario: a namespace of its own on the real API server, the stand-in for nodes and Patroni, PostgreSQL in
// memory, and operators that run as their own ServiceAccount with the chart's rights and can be stopped or killed.
import { apiCall } from "../../hack/cluster/api-request.ts";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { Database, type DatabaseSpec } from "../../src/database/api.ts";
import { databaseController } from "../../src/database/controller.ts";
import { patroniConfigKey } from "../../src/database/names.ts";
import { ObservationMemo } from "../../src/database/outside/observation-memo.ts";
import type { DynamicConfiguration } from "../../src/database/outside/patroni.ts";
import type { ProvisionFacts } from "../../src/database/outside/provision.ts";
import { StartFailures } from "../../src/database/troubles/start-failures.ts";
import { UnusableReplicas, type Patience } from "../../src/database/troubles/unusable-replicas.ts";
import {
  ConfigMap,
  ContestedPaths,
  createHttpClient,
  createLog,
  createManager,
  kubeconfigConnection,
  Namespace,
  refTo,
  ServiceAccount,
  type Connection,
  type HttpClient,
  type Kind,
  type KubeClient,
  type LeaseOptions,
  type Ref,
} from "../../src/runtime/index.ts";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMetrics } from "../../src/runtime/telemetry/metrics.ts";
import type { Backoff } from "../../src/runtime/backoff.ts";
import { auditLogEnd, readCalls, type Call } from "./audit.ts";
import { renderChart } from "./chart.ts";
import { FakePostgres } from "./fake-postgres.ts";
import { watchfulClient } from "./invariants.ts";
import { watchPods, writesAtRest } from "./invariants-states.ts";
import { mortalClient } from "./mortal-client.ts";
import { patientClient } from "./patient-client.ts";
import { startStandIn, type StandIn } from "./stand-in.ts";

export interface OperatorOptions {
  /** Stands between the operator and its API server. */
  readonly wrap?: (client: KubeClient) => KubeClient;
  readonly resyncEveryMs?: number;
  /** The name of a Lease; none means that this operator is the only one. */
  readonly lease?: string;
  readonly identity?: string;
  /** How long after a failure it is tried again. */
  readonly backoff?: Backoff;
  /** Another ServiceAccount with the same rights, so that the audit log tells operators apart. Default "holdfast". */
  readonly account?: string;
  /** Where the API server is reached, e.g. through a proxy. */
  readonly server?: string;
  /** The way to the API server, e.g. through a proxy that keeps the operator's identity. */
  readonly through?: (connection: Connection) => Connection | Promise<Connection>;
  /** Until a request counts as lost. */
  readonly requestTimeoutMs?: number;
  /** Of the lease, where there is one. */
  readonly leaseTimes?: Pick<LeaseOptions, "leaseDurationMs" | "renewDeadlineMs" | "retryPeriodMs">;
  /** The chart's rights as with `watchNamespaces`: a Role in this namespace alone. The account's first start decides. */
  readonly namespaced?: boolean;
  /** Its account lives in another namespace, as an installed operator's does, and outlives this one. */
  readonly apart?: boolean;
  /** PostgreSQL major version → image, before the catalogue: as a newer operator may have others. */
  readonly images?: Readonly<Record<string, string>>;
  /** With replicas that do not follow. */
  readonly patience?: Patience;
}

export interface RunningOperator {
  readonly metrics: () => Promise<string>;
  /** As by SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
  /** As by SIGKILL: nothing that it began reaches the API server any more. */
  kill(): void;
  /** Rejects when it ended by itself. */
  readonly ended: Promise<void>;
}

export interface Scenario extends AsyncDisposable {
  readonly namespace: string;
  readonly controlPlane: ControlPlane;
  /** As a member of system:masters. */
  readonly admin: HttpClient;
  readonly standIn: StandIn;
  readonly postgres: FakePostgres;
  readonly operatorUser: string;
  start(options?: OperatorOptions): Promise<RunningOperator>;
  /** Applies the Database `orders`, or one of another name, as a user would. */
  apply(spec?: Partial<DatabaseSpec>, name?: string): Promise<Database>;
  database(name?: string): Promise<Database | undefined>;
  /** Waits until Ready is true for the newest generation. */
  ready(name?: string, patienceMs?: number): Promise<Database>;
  remove(name?: string): Promise<void>;
  /** What the API server was asked about this namespace, by everybody or by one user. */
  calls(user?: string): Promise<Call[]>;
}

let counter = 0;

export async function openScenario(controlPlane: ControlPlane, title: string): Promise<Scenario> {
  // By chance: the threads of a run share their process id, and tell stories of the same name side by side.
  const namespace = `${title}-${randomBytes(4).toString("hex")}`;
  const directory = await mkdtemp(join(tmpdir(), "holdfast-scenario-"));
  const admin = createHttpClient({
    connection: await kubeconfigConnection({ path: controlPlane.adminKubeconfigPath }),
    userAgent: "scenario",
  });
  await installChart(controlPlane);
  await admin.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const auditFrom = await auditLogEnd(controlPlane.auditLogPath);
  const kubeconfigs = new Map<string, Promise<string>>();
  const violations: string[] = [];

  const hosts = new Map<string, string>();
  const members = new Map<string, string>();
  const postgres = new FakePostgres(
    (host) => hosts.get(host) ?? host,
    (host) => members.get(host) ?? host,
  );
  const standIn = await startStandIn(admin, namespace, async ({ name, ip, database, role }) => {
    const cluster = `${namespace}/${database}`;
    hosts.set(ip, cluster);
    members.set(ip, name);
    // The first instance stores what its static file says.
    if (Object.keys(postgres.cluster(cluster).configuration).length === 0) {
      const file = await admin.get(ConfigMap, { namespace, name: `${database}-patroni` });
      const config = JSON.parse(file?.data?.[patroniConfigKey] ?? "{}") as {
        bootstrap?: { dcs?: DynamicConfiguration };
      };
      postgres.cluster(cluster).configuration = config.bootstrap?.dcs ?? {};
    }
    postgres.joins(ip, role);
    const pending = postgres.pendingRestart(ip);
    return {
      ...(pending === undefined ? {} : { pending_restart: true, pending_restart_reason: pending }),
      ...(postgres.behind.has(ip) ? { replication_state: "in archive recovery" } : {}),
    };
  });
  postgres.world = {
    switchOver: (cluster, leader, candidate) =>
      standIn.switchOver(cluster.slice(cluster.indexOf("/") + 1), leader, candidate),
    memberChanged: () => standIn.lookAgain(),
  };
  const operators = new Set<RunningOperator>();
  const disposed = new AbortController();
  const watching = watchPods(admin, namespace, violations, disposed.signal);

  /** One account a scenario, or more, so that the audit log tells operators apart. */
  async function kubeconfigOf(account: string, namespaced: boolean, apart: boolean): Promise<string> {
    const metadata = { name: account, namespace: apart ? `${namespace}-operator` : namespace };
    if (apart) {
      await admin.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: metadata.namespace } });
    }
    await admin.create(ServiceAccount, { apiVersion: "v1", kind: "ServiceAccount", metadata });
    await (namespaced ? bindInNamespace : bindOperator)(controlPlane, metadata);
    // All edits together take more than the hour that a token lasts by default.
    return controlPlane.serviceAccountKubeconfig({ ...metadata, expirationSeconds: 24 * 3_600 });
  }

  /** @returns the path of a kubeconfig for this account, and this address of the API server */
  async function writeKubeconfig(options: OperatorOptions): Promise<string> {
    const { account = "holdfast", server, namespaced = false, apart = false } = options;
    const known = kubeconfigs.get(account) ?? kubeconfigOf(account, namespaced, apart);
    kubeconfigs.set(account, known);
    const path = join(directory, `${account}-${counter++}.kubeconfig`);
    const text = await known;
    await writeFile(path, server === undefined ? text : text.replaceAll(controlPlane.url, server));
    return path;
  }

  // Who tells the story waits for the API server; what stands in for others, and who judges them, must not hold them up.
  const patient: HttpClient = { ...admin, ...patientClient(admin) };
  const database = (name = "orders"): Promise<Database | undefined> => patient.get(Database, { namespace, name });

  return {
    namespace,
    controlPlane,
    admin: patient,
    standIn,
    postgres,
    operatorUser: `system:serviceaccount:${namespace}:holdfast`,
    database,
    start: async (options = {}) => {
      const wrap = (client: KubeClient): KubeClient =>
        (options.wrap ?? ((same) => same))(watchfulClient(client, admin, violations));
      const started = await startOperator(await writeKubeconfig(options), namespace, postgres, { ...options, wrap });
      const ending = <R>(end: () => R): R => (operators.delete(operator), end());
      const operator = {
        ...started,
        stop: () => ending(() => started.stop()),
        kill: () => ending(() => started.kill()),
      };
      operators.add(operator);
      return operator;
    },
    apply: (spec = {}, name = "orders") =>
      patient.apply(
        Database,
        {
          apiVersion: "holdfast.dev/v1alpha1",
          kind: "Database",
          metadata: { name, namespace },
          spec: { storage: { size: "1Gi" }, ...spec },
        },
        { fieldManager: "user" },
      ),
    ready: (name, patienceMs) =>
      eventually(
        `${name ?? "orders"} is Ready`,
        async () => {
          const object = await database(name);
          const said = JSON.stringify(object?.status?.conditions ?? "nothing");
          if (isReady(object)) return object;
          throw new Error(`its conditions say ${said}`);
        },
        patienceMs,
      ),
    remove: async (name) => {
      const object = await database(name);
      if (object !== undefined) await patient.delete(Database, refTo(object), { uid: object.metadata.uid ?? "" });
    },
    calls: (user) => readCalls(controlPlane.auditLogPath, namespace, user, auditFrom),
    [Symbol.asyncDispose]: async () => {
      if (operators.size > 0) {
        const metrics = [...operators].map((operator) => operator.metrics);
        const { auditLogPath } = controlPlane;
        // Where the API server is gone nothing can be said.
        violations.push(...(await writesAtRest({ client: admin, namespace, auditLogPath, metrics }).catch(() => [])));
      }
      for (const operator of operators) operator.kill();
      disposed.abort();
      await Promise.all([standIn.stop(), watching]);
      admin.close();
      await rm(directory, { recursive: true, force: true });
      if (violations.length > 0) throw new Error(`the operator did what it never may: ${violations.join("; ")}`);
    },
  };
}

export function isReady(database: Database | undefined): database is Database {
  const ready = database?.status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" && ready.observedGeneration === database?.metadata.generation;
}

/** Polls the world. @throws Error that says what was waited for, and what was the last thing to go wrong */
export async function eventually<T>(
  what: string,
  question: () => Promise<T | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  while (performance.now() < deadline) {
    try {
      const answer = await question();
      if (answer !== undefined) return answer;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`in vain for ${timeoutMs / 1000} s: ${what}`, { cause });
}

/** The object is gone, or being deleted with nobody left to hold it. */
export function gone(client: KubeClient, kind: Kind, ref: Ref): Promise<true> {
  return eventually(`${kind.kind} ${ref.name} is gone`, async () =>
    (await client.get(kind, ref)) === undefined ? true : undefined,
  );
}

async function startOperator(
  kubeconfig: string,
  namespace: string,
  postgres: FakePostgres,
  options: OperatorOptions,
): Promise<RunningOperator> {
  const { resyncEveryMs = 600_000, lease, leaseTimes, backoff, wrap = (client) => client } = options;
  const { through = (same) => same, requestTimeoutMs } = options;
  const http = createHttpClient({
    connection: await through(await kubeconfigConnection({ path: kubeconfig })),
    userAgent: "holdfast",
    requestTimeoutMs,
  });
  const mortal = mortalClient(http);
  const stopping = new AbortController();
  const manager = createManager({
    name: "holdfast",
    api: { client: wrap(mortal.client) },
    log: createLog({ level: process.env["HOLDFAST_TEST_LOG"] ?? "silent", name: "holdfast" }),
    namespaces: [namespace],
    ...(options.identity === undefined ? {} : { identity: options.identity }),
    leaderElection: lease === undefined ? false : { namespace, name: lease, ...leaseTimes },
    telemetry: false,
    // Many operators live in this process, whose own metrics would be collected for each.
    metrics: createMetrics({ process: false }),
    freeze: true,
    shutdownTimeoutMs: 5_000,
  });
  manager.controller({
    ...databaseController({
      operator: {
        settings: { images: options.images ?? {}, instanceClusterRole: "holdfast-instance" },
        ports: { postgres: postgres.postgres, patroni: postgres.patroni },
        memo: new ObservationMemo<ProvisionFacts>({ resyncEveryMs }),
        contested: new ContestedPaths(),
        startFailures: new StartFailures(),
        unusableReplicas: new UnusableReplicas(options.patience),
        now: () => new Date(),
        monotonicMs: () => performance.now(),
      },
      concurrency: 4,
      resyncEveryMs,
    }),
    ...(backoff === undefined ? {} : { backoff }),
  });
  const ended = manager.run(stopping.signal);
  ended.catch(() => undefined);
  return {
    ended,
    metrics: () => manager.metrics.registry.metrics(),
    stop: async () => {
      stopping.abort();
      await ended;
      http.close();
    },
    kill: () => {
      mortal.kill();
      stopping.abort();
    },
  };
}

const installed = new Map<string, Promise<void>>();

/** The chart's ClusterRoles, once for each API server; account and bindings are made for each scenario. */
function installChart(controlPlane: ControlPlane): Promise<void> {
  const install = async (): Promise<void> => {
    for (const object of await defaultChart()) {
      if (object.kind !== "ClusterRole") continue;
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${object.metadata.name}?fieldManager=chart&force=true`;
      await apiCall(controlPlane.admin, "PATCH", path, object, { contentType: "application/apply-patch+yaml" });
    }
  };
  const installing = installed.get(controlPlane.url) ?? install();
  installed.set(controlPlane.url, installing);
  return installing;
}

/** The chart's roles and bindings, for an account of a scenario. */
async function bindOperator({ admin }: ControlPlane, account: { namespace: string; name: string }): Promise<void> {
  const { namespace, name: user } = account;
  const subjects = [{ kind: "ServiceAccount", ...account }];
  const contentType = "application/apply-patch+yaml";
  for (const object of await defaultChart()) {
    if (object.kind === "ClusterRoleBinding") {
      const body = { ...object, metadata: { name: `${object.metadata.name}-${namespace}-${user}` }, subjects };
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${body.metadata.name}?fieldManager=chart`;
      await apiCall(admin, "PATCH", path, body, { contentType });
    }
    if (object.kind === "Role" || object.kind === "RoleBinding") {
      const plural = object.kind === "Role" ? "roles" : "rolebindings";
      const name = object.kind === "Role" ? object.metadata.name : `${object.metadata.name}-${user}`;
      const body = { ...object, metadata: { name, namespace }, ...(object.kind === "Role" ? {} : { subjects }) };
      const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/${plural}/${name}?fieldManager=chart`;
      await apiCall(admin, "PATCH", path, body, { contentType });
    }
  }
}

/** The same with `watchNamespaces`: as Helm would install it here, with a Role in this namespace alone. */
async function bindInNamespace({ admin }: ControlPlane, account: { namespace: string; name: string }): Promise<void> {
  const { namespace, name } = account;
  // The scenarios of a control plane share what belongs to no namespace: the release's name keeps it apart.
  const release = { name: `holdfast-${namespace}`, namespace };
  const values = [`watchNamespaces={${namespace}}`, `serviceAccount.name=${name}`, "instanceRole.create=false"];
  for (const object of await renderChart(values, release)) {
    if (object.apiVersion !== "rbac.authorization.k8s.io/v1") continue;
    const place = object.metadata.namespace === undefined ? "" : `namespaces/${object.metadata.namespace}/`;
    const path = `/apis/${object.apiVersion}/${place}${object.kind.toLowerCase()}s/${object.metadata.name}?fieldManager=chart`;
    await apiCall(admin, "PATCH", path, object, { contentType: "application/apply-patch+yaml" });
  }
}

let rendered: ReturnType<typeof renderChart> | undefined;
const defaultChart = (): ReturnType<typeof renderChart> => (rendered ??= renderChart());
