// A kubeconfig file as it is written: parsed, and one of its contexts looked up. What is broken says where, and never with a value:
// it may be a credential. https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
import { readFile } from "node:fs/promises";

type Words = Readonly<Record<string, unknown>>;

/** A part of the file, by its words. */
export interface Section {
  /** What errors begin with: `kubeconfig /root/.kube/config: the user "jane"`. */
  readonly title: string;
  readonly words: Words;
}

export interface ContextEntry {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly cluster: Section;
  /** Without words where the context names no user. */
  readonly user: Section;
}

/**
 * @param asked the name of a context. Default: the file's current one
 * @throws Error when the file cannot be read or parsed, and when the context, or what it names, is not in it
 */
export async function readContext(path: string, asked?: string): Promise<ContextEntry> {
  const file: Section = { title: `kubeconfig ${path}`, words: await parseKubeconfig(path) };
  const contexts = entriesOf(file, "contexts", "context");
  const name = asked ?? text(file, "current-context");
  const context = contexts.get(name ?? "");
  if (name === undefined || context === undefined) throw noSuchContext(file.title, name, [...contexts.keys()]);

  const find = (list: string, word: string): Section => {
    const wanted = text(context, word);
    const found = entriesOf(file, list, word).get(wanted ?? "");
    if (found !== undefined) return found;
    throw new Error(
      `${context.title}: ${wanted === undefined ? `it names no ${word}` : `there is no ${word} "${wanted}"`}`,
    );
  };
  const isAnonymous = text(context, "user") === undefined;
  return {
    name,
    namespace: text(context, "namespace"),
    cluster: find("clusters", "cluster"),
    user: isAnonymous ? { title: context.title, words: {} } : find("users", "user"),
  };
}

/** @param title what was searched */
export function noSuchContext(title: string, name: string | undefined, names: readonly string[]): Error {
  const wanted =
    name === undefined ? "it has no current context, and none is asked for" : `there is no context "${name}"`;
  const instead =
    names.length === 0 ? "it has no contexts at all" : `it has ${names.map((each) => `"${each}"`).join(", ")}`;
  return new Error(`${title}: ${wanted}; ${instead}`);
}

/** Empty is absent, as kubectl has it. @throws Error when it is no text: taken for absent it would be another identity. */
export function text({ title, words }: Section, word: string): string | undefined {
  const value = words[word];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  throw new Error(
    `${title}: "${word}" must be text, in quotes where it looks like anything else, not a ${typeof value}`,
  );
}

/** @throws Error when it is neither true nor false */
export function flag({ title, words }: Section, word: string): boolean {
  const value = words[word] ?? false;
  if (typeof value === "boolean") return value;
  throw new Error(`${title}: "${word}" must be true or false, not a ${typeof value}`);
}

/** @throws Error when the file cannot be read, is not YAML, or holds no mapping */
export async function parseKubeconfig(path: string): Promise<Words> {
  const content = await readFile(path, "utf8");
  const config = fromJson(content) ?? (await fromYaml(content, path));
  if (isMapping(config)) return config;
  throw new Error(`kubeconfig ${path} is empty, or something else than a kubeconfig`);
}

/** YAML includes JSON, and most kubeconfigs that programs write are JSON, which needs no parser of its own. */
function fromJson(content: string): unknown {
  if (!content.startsWith("{")) return undefined;
  try {
    return JSON.parse(content);
  } catch {
    // YAML in flow style begins alike.
    return undefined;
  }
}

async function fromYaml(content: string, path: string): Promise<unknown> {
  const { load, YAMLException } = await import("js-yaml");
  let reason: string;
  try {
    return load(content);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    // No cause: the parser's message quotes the lines around.
    reason = error.mark === undefined ? error.reason : `${error.reason} in line ${error.mark.line + 1}`;
  }
  throw new Error(`kubeconfig ${path} cannot be parsed: ${reason}`);
}

/** The entries of a list like `users: [{name: jane, user: {…}}]`, by name; the first of a name counts. */
function entriesOf({ title, words }: Section, list: string, word: string): ReadonlyMap<string, Section> {
  const listed = words[list] ?? [];
  if (!Array.isArray(listed)) throw new Error(`${title}: "${list}" must be a list`);
  const entries = new Map<string, Section>();
  for (const entry of listed as unknown[]) {
    if (!isMapping(entry)) throw new Error(`${title}: "${list}" must be a list of names, each with its ${word}`);
    const name = text({ title: `${title}: in "${list}"`, words: entry }, "name") ?? "";
    const section = { title: `${title}: the ${word} "${name}"`, words: entry[word] ?? {} };
    if (!isMapping(section.words)) throw new Error(`${section.title} must be a mapping`);
    if (!entries.has(name)) entries.set(name, { title: section.title, words: section.words });
  }
  return entries;
}

function isMapping(value: unknown): value is Words {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
