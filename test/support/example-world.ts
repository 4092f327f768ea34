// A world for one test of an example: its manifests on the shared API server, a namespace of its own, and processes of the
// controller that run as the example's ServiceAccount and can be stopped or killed.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dump, load, loadAll } from "js-yaml";
import { expect, onTestFinished } from "vitest";
import { apiCall } from "../../hack/cluster/api-request.ts";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { tiedToParent } from "../../hack/cluster/processes.ts";
import {
  createHttpClient,
  createLog,
  createManager,
  kubeconfigConnection,
  Namespace,
  ServiceAccount,
  systemClock,
  type Clock,
  type ControllerOptions,
  type HttpClient,
  type KubeClient,
  type KubeObject,
} from "../../src/runtime/index.ts";
import { createMetrics } from "../../src/runtime/telemetry/metrics.ts";
import { sharedControlPlane } from "./api-server.ts";
import { auditLogEnd, readCalls, type Call } from "./audit.ts";
import { installDefinition, type Definition } from "../../testing/index.ts";
import { mortalClient } from "./mortal-client.ts";

export interface ExampleProcess {
  /** How many passes there were; none runs when it is told. */
  readonly passes: () => Promise<number>;
  /** As by SIGTERM; resolves when it has ended. */
  readonly stop: () => Promise<void>;
  /** As by SIGKILL: nothing that it began reaches the API server any more. */
  readonly kill: () => void;
}

export interface StartOptions {
  readonly clock?: Clock;
  /** Stands between the controller and its API server; `kill` as of the process. */
  readonly wrap?: (client: KubeClient, kill: () => void) => KubeClient;
}

const examples = new URL("../../examples/", import.meta.url);

/** The objects in a manifest of an example, e.g. "at-controller/manifests/crd.yaml". */
export async function manifest<T = KubeObject>(path: string): Promise<T[]> {
  return loadAll(await readFile(new URL(path, examples), "utf8")) as T[];
}

export class ExampleWorld implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly namespace: string;
  /** As a member of system:masters. */
  readonly admin: HttpClient;
  readonly #name: string;
  readonly #auditFrom: number;
  readonly #directory: string;
  readonly #processes = new Set<ExampleProcess>();

  private constructor(plane: ControlPlane, name: string, admin: HttpClient, auditFrom: number, directory: string) {
    this.plane = plane;
    this.#name = name;
    this.admin = admin;
    this.#auditFrom = auditFrom;
    this.#directory = directory;
    this.namespace = `${name}-${randomBytes(4).toString("hex")}`;
  }

  /** @param name of the example: its folder, its ServiceAccount and its roles are called so */
  static async open(name: string): Promise<ExampleWorld> {
    const plane = await sharedControlPlane();
    const connection = await kubeconfigConnection({ path: plane.adminKubeconfigPath });
    const admin = createHttpClient({ connection, userAgent: "example-test" });
    const directory = await mkdtemp(join(tmpdir(), "holdfast-example-"));
    const world = new ExampleWorld(plane, name, admin, await auditLogEnd(plane.auditLogPath), directory);
    await world.#install();
    return world;
  }

  /** The kubeconfig of the example's account, in a file. */
  async kubeconfig(): Promise<string> {
    const path = join(this.#directory, "kubeconfig");
    const { namespace } = this;
    const config = load(await this.plane.serviceAccountKubeconfig({ namespace, name: this.#name })) as any;
    for (const { context } of config.contexts) context.namespace = namespace;
    await writeFile(path, dump(config), { mode: 0o600 });
    return path;
  }

  /** The example's own process, as its README starts it. Answers how to end it, and with which code it ends. */
  async startProcess(environment: Readonly<Record<string, string>> = {}) {
    const main = fileURLToPath(new URL(`${this.#name}/main.ts`, examples));
    const child = spawn(...tiedToParent(process.execPath, [main]), {
      env: { ...process.env, PORT: "0", LOG_LEVEL: "info", KUBECONFIG: await this.kubeconfig(), ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
    let log = "";
    child.stdout.on("data", (chunk: Buffer) => void (log += chunk.toString()));
    return {
      /** Its log so far: JSON lines. */
      log: () => log,
      signal: (name: "SIGTERM" | "SIGINT") => (child.kill(name), ended),
    };
  }

  async start<V>(controller: ControllerOptions<any, V>, options: StartOptions = {}): Promise<ExampleProcess> {
    const { clock = systemClock, wrap = (client) => client } = options;
    const connection = await kubeconfigConnection({ path: await this.kubeconfig() });
    const http = createHttpClient({ connection, userAgent: this.#name });
    const mortal = mortalClient(http);
    const stopping = new AbortController();
    const kill = (): void => {
      mortal.kill();
      stopping.abort();
    };
    const manager = createManager({
      name: this.#name,
      api: { client: wrap(mortal.client, kill) },
      log: createLog({ level: process.env["HOLDFAST_TEST_LOG"] ?? "silent", name: this.#name }),
      namespaces: [this.namespace],
      leaderElection: false,
      telemetry: false,
      metrics: createMetrics({ process: false }),
      freeze: true,
      shutdownTimeoutMs: 5_000,
      clock,
    });
    manager.controller(controller);
    const ended = manager.run(stopping.signal);
    ended.catch(() => undefined);
    const started: ExampleProcess = {
      kill,
      passes: async () => {
        const sum = async (name: string): Promise<number> =>
          (await manager.metrics.registry.getSingleMetric(name)?.get())?.values.reduce(
            (sum, { value }) => sum + value,
            0,
          ) ?? 0;
        await poll(() => sum("controller_runtime_active_workers")).toBe(0);
        return sum("controller_runtime_reconcile_total");
      },
      stop: async () => {
        stopping.abort();
        await ended;
        http.close();
      },
    };
    this.#processes.add(started);
    return started;
  }

  /** What the example's account asked of the API server about this namespace. */
  calls(): Promise<Call[]> {
    const user = `system:serviceaccount:${this.namespace}:${this.#name}`;
    return readCalls(this.plane.auditLogPath, this.namespace, user, this.#auditFrom);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#processes) each.kill();
    this.admin.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** All of the example's manifests but the samples; what lives in its namespace goes into this one. */
  async #install(): Promise<void> {
    const { plane, namespace } = this;
    await this.admin.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const definitions = await manifest<Definition>(`${this.#name}/manifests/crd.yaml`).catch(() => []);
    for (const definition of definitions) await installDefinition(plane.admin, definition);
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: this.#name, namespace } };
    await this.admin.create(ServiceAccount, account as ServiceAccount);
    for (const object of await manifest<any>(`${this.#name}/manifests/rbac.yaml`)) {
      if (object.apiVersion !== "rbac.authorization.k8s.io/v1") continue;
      const { metadata } = object;
      const apart = object.kind === "ClusterRoleBinding" ? `${metadata.name}-${namespace}` : metadata.name;
      const place = metadata.namespace === undefined ? "" : `namespaces/${namespace}/`;
      const body = {
        ...object,
        metadata: { name: apart, ...(place === "" ? {} : { namespace }) },
        ...(object.subjects === undefined
          ? {}
          : { subjects: [{ kind: "ServiceAccount", name: this.#name, namespace }] }),
      };
      const path = `/apis/${object.apiVersion}/${place}${object.kind.toLowerCase()}s/${apart}?fieldManager=tests`;
      await apiCall(plane.admin, "PATCH", path, body, { contentType: "application/apply-patch+yaml" });
    }
    // Without it no Pod is admitted.
    await poll(() => this.admin.get(ServiceAccount, { namespace, name: "default" })).toBeDefined();
  }
}

/** What is so after a while. */
export const poll = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 60_000, interval: 50 });
