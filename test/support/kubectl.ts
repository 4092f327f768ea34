// What an e2e story does to a cluster, by kubectl and a kubeconfig alone, so that it runs on any cluster.
import { execFile, type ExecFileException } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);
const kubectlPath = process.env["HOLDFAST_KUBECTL"] ?? "kubectl";

/** stdout of kubectl. @throws Error with its stderr */
export async function kubectl(...args: string[]): Promise<string> {
  try {
    const { stdout } = await execute(kubectlPath, args, { maxBuffer: 64 << 20, timeout: 180_000 });
    return stdout.trim();
  } catch (cause) {
    const { stderr } = cause as ExecFileException & { stderr?: string };
    throw new Error(`kubectl ${args.slice(0, 6).join(" ")}: ${stderr ?? String(cause)}`, { cause });
  }
}

/** Applies manifests given as objects. */
export async function apply(...objects: readonly object[]): Promise<void> {
  const failure = await applied({ apiVersion: "v1", kind: "List", items: objects });
  if (failure !== undefined) throw new Error(`kubectl apply: ${failure}`);
}

/** Whether the API server would take a manifest from this field manager, in place of what there is. Changes nothing. */
export async function wouldTake(object: object, fieldManager: string): Promise<boolean> {
  const flags = ["--server-side", "--force-conflicts", `--field-manager=${fieldManager}`, "--dry-run=server"];
  return (await applied(object, ...flags)) === undefined;
}

/** @returns what kubectl says when it fails */
async function applied(manifest: object, ...flags: string[]): Promise<string | undefined> {
  const child = execFile(kubectlPath, ["apply", "-f", "-", ...flags]);
  const errors: string[] = [];
  child.stderr?.on("data", (text: string) => errors.push(text));
  child.stdin?.end(JSON.stringify(manifest));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return code === 0 ? undefined : errors.join("");
}

/** The object, or undefined if there is none. */
export async function read<T = Record<string, any>>(
  namespace: string,
  kind: string,
  name: string,
): Promise<T | undefined> {
  const text = await kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found");
  return text === "" ? undefined : (JSON.parse(text) as T);
}

export async function readAll<T = Record<string, any>>(namespace: string, kind: string, selector = ""): Promise<T[]> {
  const list = JSON.parse(await kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")) as { items: T[] };
  return list.items;
}

/** Polls until `question` has an answer other than undefined or false. @throws Error that says what was waited for */
export async function eventually<T>(
  what: string,
  question: () => Promise<T | undefined | false>,
  timeoutMs = 120_000,
): Promise<Exclude<NonNullable<T>, false>> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await question();
      if (answer !== undefined && answer !== null && answer !== false) return answer as Exclude<NonNullable<T>, false>;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`, { cause: last });
}

/** Ready is true for the generation that the spec has now: what `kubectl wait` and Flux look at. */
export async function untilReady(namespace: string, name: string, timeoutMs = 180_000): Promise<Record<string, any>> {
  return eventually(
    `Database ${namespace}/${name} is Ready`,
    async () => {
      const database = await read(namespace, "databases.holdfast.dev", name);
      const ready = database?.["status"]?.conditions?.find((condition: { type: string }) => condition.type === "Ready");
      const current = ready?.observedGeneration === database?.["metadata"].generation;
      return current && ready?.status === "True" ? database : undefined;
    },
    timeoutMs,
  );
}

export interface Application {
  /** Runs SQL as the application, through the Service. `read`: through the Service of the replicas. */
  sql(statement: string, options?: { read?: boolean }): Promise<string>;
}

/** An application of the Database: its credentials from the Secret, psql from inside an instance's Pod. */
export async function application(namespace: string, name: string): Promise<Application> {
  const secret = await eventually("the credentials", () => read(namespace, "secret", `${name}-credentials`));
  const value = (key: string): string => Buffer.from(secret["data"][key], "base64").toString();
  const app: Application = {
    sql: async (statement, { read: fromReplica = false } = {}) => {
      const pods = await readAll(namespace, "pods", `holdfast.dev/database=${name}`);
      const running = pods.find(
        (pod) => pod["status"].phase === "Running" && pod["metadata"].deletionTimestamp === undefined,
      );
      if (running === undefined) throw new Error(`no instance of ${name} is running`);
      const host = fromReplica ? value("host").replace(name, `${name}-replicas`) : value("host");
      const uri = `postgresql://${value("username")}:${value("password")}@${host}:${value("port")}/${value("dbname")}?connect_timeout=5`;
      return kubectl(
        "exec",
        "-n",
        namespace,
        running["metadata"].name,
        "-c",
        "postgres",
        "--",
        "psql",
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        uri,
        "-c",
        statement,
      );
    },
  };
  // kube-proxy learns of the primary a moment after Patroni has named it.
  await eventually(`the Service ${name} leads to the primary`, async () => (await app.sql("select 1")) === "1");
  return app;
}

/** A namespace of its own for a story. */
export async function createNamespace(name: string): Promise<void> {
  await kubectl("create", "namespace", name);
}
