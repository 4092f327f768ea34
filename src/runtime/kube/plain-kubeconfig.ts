// A kubeconfig whose context says all by itself: certificates, tokens and passwords, or files that hold them. What runs a program,
// asks a provider or takes a proxy is not for this file.
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Access } from "./connection.ts";

export interface PlainKubeconfig {
  readonly server: string;
  readonly namespace: string | undefined;
  /** Reads the files that it names again. @throws Error when one cannot be read */
  readonly access: () => Promise<Access>;
}

/** https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
interface Config {
  readonly "current-context"?: string;
  readonly contexts?: readonly { readonly name: string; readonly context?: Context | null }[] | null;
  readonly clusters?: readonly { readonly name: string; readonly cluster?: Settings | null }[] | null;
  readonly users?: readonly { readonly name: string; readonly user?: Settings | null }[] | null;
}

interface Context {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

type Settings = Readonly<Record<string, unknown>>;

/** All that is understood here; a kubeconfig with any other word is somebody else's. */
const clusterWords = new Set([
  "server",
  "certificate-authority",
  "certificate-authority-data",
  "insecure-skip-tls-verify",
  "tls-server-name",
]);
const userWords = new Set([
  "client-certificate",
  "client-certificate-data",
  "client-key",
  "client-key-data",
  "token",
  "tokenFile",
  "username",
  "password",
  "as",
]);

/**
 * @param context default: the file's current one
 * @returns undefined where the context is not plain, or does not exist
 * @throws Error when the file cannot be read or is no YAML
 */
export async function readPlainKubeconfig(path: string, context?: string): Promise<PlainKubeconfig | undefined> {
  const config = await parse(await readFile(path, "utf8"));
  const chosen = config?.contexts?.find(({ name }) => name === (context ?? config["current-context"]))?.context;
  const cluster = config?.clusters?.find(({ name }) => name === chosen?.cluster)?.cluster;
  const user = config?.users?.find(({ name }) => name === chosen?.user)?.user;
  if (cluster === undefined || cluster === null || user === undefined || user === null) return undefined;
  if (!isPlain(cluster, clusterWords) || !isPlain(user, userWords)) return undefined;
  const server = text(cluster, "server");
  if (server === undefined) return undefined;
  const folder = dirname(path);
  return {
    server,
    namespace: chosen?.namespace === "" ? undefined : chosen?.namespace,
    access: () => accessOf(server, cluster, user, folder),
  };
}

async function parse(content: string): Promise<Config | undefined> {
  // YAML includes JSON, and most kubeconfigs that programs write are JSON, which needs no parser of its own.
  if (content.startsWith("{")) return JSON.parse(content) as Config;
  const { load } = await import("js-yaml");
  return load(content) as Config | undefined;
}

/** What other programs note beside, and what does not matter here. */
const silentWords = new Set(["extensions", "disable-compression"]);

function isPlain(settings: Settings, words: ReadonlySet<string>): boolean {
  return Object.keys(settings).every((name) => words.has(name) || silentWords.has(name));
}

async function accessOf(server: string, cluster: Settings, user: Settings, folder: string): Promise<Access> {
  // There is nothing to authenticate with over plain HTTP (kubectl proxy).
  if (!server.startsWith("https:")) return { headers: {} };
  const file = (name: string): Promise<Buffer> => readFile(resolve(folder, name));
  const bytes = async (settings: Settings, name: string): Promise<Buffer | undefined> => {
    const data = text(settings, `${name}-data`);
    if (data !== undefined) return Buffer.from(data, "base64");
    const path = text(settings, name);
    return path === undefined ? undefined : file(path);
  };

  const headers: Record<string, string> = {};
  const [username, tokenFile, as] = [text(user, "username"), text(user, "tokenFile"), text(user, "as")];
  const token = tokenFile === undefined ? text(user, "token") : (await file(tokenFile)).toString("utf8").trim();
  if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
  else if (username !== undefined) {
    const pair = `${username}:${text(user, "password") ?? ""}`;
    headers["Authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
  }
  if (as !== undefined) headers["Impersonate-User"] = as;
  return {
    headers,
    ca: await bytes(cluster, "certificate-authority"),
    cert: await bytes(user, "client-certificate"),
    key: await bytes(user, "client-key"),
    servername: text(cluster, "tls-server-name"),
    rejectUnauthorized: cluster["insecure-skip-tls-verify"] === true ? false : undefined,
  };
}

/** Empty is absent, as kubectl has it. */
function text(settings: Settings, name: string): string | undefined {
  const value = settings[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
