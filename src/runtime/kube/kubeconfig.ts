// The connection that a kubeconfig describes. One that is plain is read here; for exec plugins, OIDC, proxies and lists of files
// this file, and no other, loads @kubernetes/client-node: that costs a third of a second and 80 MB.
import type { RequestOptions } from "node:https";
import { type Clock, systemClock } from "../clock.ts";
import type { Access, Connection } from "./connection.ts";
import { readPlainKubeconfig } from "./plain-kubeconfig.ts";

export interface KubeconfigOptions {
  /** Default: what KUBECONFIG names, else ~/.kube/config. */
  readonly path?: string;
  /** Default: the file's current context. */
  readonly context?: string;
  /** How long certificates and tokens are used before they are looked up again. Default 10 s. */
  readonly rereadAfterMs?: number;
  readonly clock?: Clock;
}

/** What a kubeconfig, or the whole of several, says of one context. */
interface Described {
  readonly server: string;
  readonly namespace: string | undefined;
  readonly access: () => Promise<Access>;
}

/** @throws Error when the file cannot be read or does not have the context, and what to install where client-node is needed. */
export async function kubeconfigConnection(options: KubeconfigOptions = {}): Promise<Connection> {
  const { rereadAfterMs = 10_000, clock = systemClock } = options;
  let described = await describe(options);
  const { server, namespace = "default" } = described;

  let access: Access | undefined;
  let readAt = 0;
  const look = async (again: boolean): Promise<Access> => {
    // A fresh one forgets the credentials that its exec and OIDC helpers hold.
    if (again) described = await describe(options);
    access = await described.access();
    readAt = clock.now();
    return access;
  };
  let looking: Promise<Access> | undefined;

  return {
    server,
    namespace,
    async access({ refresh = false } = {}) {
      if (!refresh && access !== undefined && clock.now() - readAt < rereadAfterMs) return access;
      looking ??= look(refresh).finally(() => (looking = undefined));
      return looking;
    },
  };
}

async function describe({ path, context }: KubeconfigOptions): Promise<Described> {
  const plain = path === undefined ? undefined : await readPlainKubeconfig(path, context);
  if (plain !== undefined) return plain;

  const { KubeConfig } = await import("@kubernetes/client-node").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new Error("this kubeconfig is read by client-node: npm install @kubernetes/client-node", { cause });
  });
  const config = new KubeConfig();
  if (path === undefined) config.loadFromDefault();
  else config.loadFromFile(path);
  if (context !== undefined) config.setCurrentContext(context);
  const current = config.getCurrentContext();
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error(`kubeconfig: the context "${current}" has no cluster`);
  return {
    server,
    namespace: config.getContextObject(current)?.namespace,
    access: () => accessOf(config, server),
  };
}

interface Configured {
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
  getCurrentCluster(): { readonly proxyUrl?: string | undefined } | null;
}

async function accessOf(config: Configured, server: string): Promise<Access> {
  // client-node refuses plain HTTP (kubectl proxy); there is nothing to authenticate with there.
  if (!server.startsWith("https:")) return { headers: {} };
  const options: RequestOptions = {};
  const proxyUrl = config.getCurrentCluster()?.proxyUrl;
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name] = String(value);
  if (typeof options.auth === "string") headers.Authorization = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  return {
    headers,
    ca: bytesOf(options.ca),
    cert: bytesOf(options.cert),
    key: bytesOf(options.key),
    pfx: bytesOf(options.pfx),
    passphrase: options.passphrase,
    servername: options.servername,
    rejectUnauthorized: options.rejectUnauthorized,
    // Otherwise it is client-node's own way to connect directly, and ours is the better one.
    agent: proxyUrl !== undefined && typeof options.agent === "object" ? options.agent : undefined,
  };
}

function bytesOf(value: unknown): string | Buffer | undefined {
  return typeof value === "string" || Buffer.isBuffer(value) ? value : undefined;
}
