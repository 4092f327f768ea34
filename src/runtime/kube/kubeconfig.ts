// The connection that a kubeconfig describes. One file whose context is plain is read by plain-kubeconfig.ts; for exec plugins, OIDC,
// proxies and several files this file, and no other, loads @kubernetes/client-node: that costs a third of a second and 80 MB.
import type { RequestOptions } from "node:https";
import { delimiter } from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import type { Access, Connection } from "./connection.ts";
import { noSuchContext, parseKubeconfig } from "./kubeconfig-file.ts";
import { readPlainKubeconfig } from "./plain-kubeconfig.ts";

export interface KubeconfigOptions {
  /** One file, or several that are merged: the first to say something counts. What KUBECONFIG names is for findConnection. */
  readonly path: string | readonly [string, ...string[]];
  /** Default: the current context. */
  readonly context?: string | undefined;
  /** How long certificates and tokens are used before they are looked up again. Default 10 s. */
  readonly rereadAfterMs?: number;
  readonly clock?: Clock;
}

/** What a kubeconfig, or the whole of several, says of one context. */
interface Described {
  /** The name of the context. */
  readonly context: string;
  readonly server: string;
  readonly namespace: string | undefined;
  readonly access: () => Promise<Access>;
}

/**
 * Stays with the context, and the server, that it begins with: a file whose current context changes later changes nothing here.
 * @throws Error when the file cannot be read or does not have the context, and what to install where client-node is needed.
 */
export async function kubeconfigConnection(options: KubeconfigOptions): Promise<Connection> {
  const { path, rereadAfterMs = 10_000, clock = systemClock } = options;
  let described = await describe(path, options.context);
  const { context, server, namespace = "default" } = described;

  let access: Access | undefined;
  let readAt = 0;
  const look = async (refresh: boolean): Promise<Access> => {
    // A fresh one forgets the credentials that its exec and OIDC helpers hold.
    if (refresh) described = sameServer(await describe(path, context), server);
    access = await described.access();
    readAt = clock.now();
    return access;
  };
  let looking: { readonly refresh: boolean; readonly access: Promise<Access> } | undefined;
  const begin = (refresh: boolean): Promise<Access> => {
    // One after the other, so that what was read first never replaces what was read last.
    const before = looking?.access.catch(() => undefined);
    const begun = { refresh, access: before === undefined ? look(refresh) : before.then(() => look(refresh)) };
    looking = begun;
    const end = (): void => {
      if (looking === begun) looking = undefined;
    };
    begun.access.then(end, end);
    return begun.access;
  };

  return {
    server,
    namespace,
    async access({ refresh = false } = {}) {
      if (!refresh && access !== undefined && clock.now() - readAt < rereadAfterMs) return access;
      // A look that began without the API server's refusal may bring the very credentials that it refused.
      return looking !== undefined && (looking.refresh || !refresh) ? looking.access : begin(refresh);
    },
  };
}

/** @throws Error when it is another: our credentials are for one cluster only */
function sameServer(described: Described, server: string): Described {
  if (described.server === server) return described;
  throw new Error(
    `the kubeconfig's context "${described.context}" was at ${server} and is at ${described.server} now: a new connection is needed`,
  );
}

async function describe(path: KubeconfigOptions["path"], context: string | undefined): Promise<Described> {
  const [first, ...others] = typeof path === "string" ? [path] : path;
  const plain = others.length === 0 ? await readPlainKubeconfig(first, context) : undefined;
  return plain ?? describeByClientNode([first, ...others], context);
}

async function describeByClientNode(paths: readonly string[], context: string | undefined): Promise<Described> {
  const { KubeConfig } = await import("@kubernetes/client-node").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new Error("this kubeconfig is read by client-node: npm install @kubernetes/client-node", { cause });
  });
  const config = new KubeConfig();
  for (const path of paths) {
    // Says what is broken, and where.
    await parseKubeconfig(path);
    const file = new KubeConfig();
    file.loadFromFile(path);
    // The first current context counts: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
    config.mergeConfig(file, Boolean(config.getCurrentContext()));
  }
  const name = context ?? (config.getCurrentContext() || undefined);
  const title = `kubeconfig ${paths.join(delimiter)}`;
  const names = config.getContexts().map((each) => each.name);
  if (name === undefined || !names.includes(name)) throw noSuchContext(title, name, names);
  config.setCurrentContext(name);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error(`${title}: the context "${name}" has no cluster`);
  return {
    context: name,
    server,
    namespace: config.getContextObject(name)?.namespace,
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
