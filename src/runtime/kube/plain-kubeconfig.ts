// A kubeconfig whose context says all by itself: certificates, tokens and passwords, or files that hold them. What runs a program,
// asks a provider or takes a proxy is not for this file.
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Access } from "./connection.ts";
import { flag, readContext, text, type Section } from "./kubeconfig-file.ts";

export interface PlainKubeconfig {
  /** The name of the context. */
  readonly context: string;
  /** Without a slash at its end, as client-node has it. */
  readonly server: string;
  readonly namespace: string | undefined;
  /** Reads the files that it names again. @throws Error when one cannot be read */
  readonly access: () => Promise<Access>;
}

/** All that is understood here, and of which type; a context with any other word is somebody else's. */
const clusterWords = {
  server: text,
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": flag,
  "tls-server-name": text,
};
const userWords = {
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
};
/** What other programs note beside, and what does not matter here. */
const silentWords = new Set(["extensions", "disable-compression"]);

/**
 * @param context default: the file's current one
 * @returns undefined where the context is not plain
 * @throws Error when the file cannot be read or is broken, or has no such context; also where a word that is understood is of a wrong type
 */
export async function readPlainKubeconfig(path: string, context?: string): Promise<PlainKubeconfig | undefined> {
  const { name, namespace, cluster, user } = await readContext(path, context);
  const plain = [understands(cluster, clusterWords), understands(user, userWords)];
  const server = text(cluster, "server")?.replace(/\/$/, "");
  if (server === undefined) throw new Error(`${cluster.title}: it has no server`);
  if (plain.includes(false)) return undefined;
  const folder = dirname(path);
  return { context: name, server, namespace, access: () => accessOf(server, cluster, user, folder) };
}

function understands(section: Section, words: Readonly<Record<string, typeof text | typeof flag>>): boolean {
  for (const [word, read] of Object.entries(words)) read(section, word);
  return Object.keys(section.words).every((word) => Object.hasOwn(words, word) || silentWords.has(word));
}

async function accessOf(server: string, cluster: Section, user: Section, folder: string): Promise<Access> {
  // There is nothing to authenticate with over plain HTTP (kubectl proxy).
  if (!server.startsWith("https:")) return { headers: {} };
  const file = (name: string): Promise<Buffer> => readFile(resolve(folder, name));
  const bytes = async (section: Section, word: string): Promise<Buffer | undefined> => {
    const data = text(section, `${word}-data`);
    if (data !== undefined) return Buffer.from(data, "base64");
    const path = text(section, word);
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
    rejectUnauthorized: flag(cluster, "insecure-skip-tls-verify") ? false : undefined,
  };
}
