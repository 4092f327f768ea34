// The connection that a kubeconfig describes, with its exec plugins, OIDC and proxies. The one file that loads
// @kubernetes/client-node, and only when it is called: it costs a third of a second and 80 MB.
import type { RequestOptions } from "node:https";
import { type Clock, systemClock } from "../clock.ts";
import type { Access, Connection } from "./connection.ts";

export interface KubeconfigOptions {
  /** Default: what KUBECONFIG names, else ~/.kube/config. */
  readonly path?: string;
  /** Default: the file's current context. */
  readonly context?: string;
  /** How long certificates and tokens are used before they are looked up again. Default 10 s. */
  readonly rereadAfterMs?: number;
  readonly clock?: Clock;
}

/** @throws Error when the file cannot be read or does not have the context. */
export async function kubeconfigConnection(options: KubeconfigOptions = {}): Promise<Connection> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const { rereadAfterMs = 10_000, clock = systemClock } = options;

  const load = (): InstanceType<typeof KubeConfig> => {
    const config = new KubeConfig();
    if (options.path === undefined) config.loadFromDefault();
    else config.loadFromFile(options.path);
    if (options.context !== undefined) config.setCurrentContext(options.context);
    return config;
  };

  let config = load();
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error(`kubeconfig: the context "${config.getCurrentContext()}" has no cluster`);

  let access: Access | undefined;
  let readAt = 0;
  const look = async (): Promise<Access> => {
    access = await accessOf(config, server);
    readAt = clock.now();
    return access;
  };
  let looking: Promise<Access> | undefined;

  return {
    server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? "default",
    async access({ refresh = false } = {}) {
      if (!refresh && access !== undefined && clock.now() - readAt < rereadAfterMs) return access;
      // A fresh KubeConfig forgets the credentials that its exec and OIDC helpers hold.
      if (refresh && looking === undefined) config = load();
      looking ??= look().finally(() => (looking = undefined));
      return looking;
    },
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
