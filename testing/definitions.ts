// Installs CustomResourceDefinitions into an API server, as `kubectl apply --server-side` would, and waits until they are served.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { apiCall, apiRequest, type ApiConnection } from "../hack/cluster/api-request.ts";

/** As much of a CustomResourceDefinition as is needed here. */
export interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
}

/** A definition, a file with one in YAML or JSON, or a folder of such files. */
export type DefinitionSource = string | URL | Definition;

/**
 * Creates or updates all of them and resolves when their resources are served.
 * @throws Error that says what to install, where YAML is to be read and the package js-yaml is not there
 */
export async function installDefinitions(api: ApiConnection, sources: readonly DefinitionSource[]): Promise<void> {
  const definitions = await Promise.all(sources.map(readDefinitions));
  await Promise.all(definitions.flat().map((definition) => installDefinition(api, definition)));
}

/** Creates or updates one and resolves when its resource is served. */
export async function installDefinition(api: ApiConnection, definition: Definition): Promise<void> {
  const { group, names, versions } = definition.spec;
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`;
  const contentType = "application/apply-patch+yaml";
  await apiCall(api, "PATCH", `${path}?fieldManager=tests&force=true`, definition, { contentType });
  for (const { name } of versions.filter(({ served }) => served)) {
    await untilServed(api, `/apis/${group}/${name}/${names.plural}`);
  }
}

async function readDefinitions(source: DefinitionSource): Promise<readonly Definition[]> {
  if (typeof source === "object" && !(source instanceof URL)) return [source];
  const path = typeof source === "string" ? source : fileURLToPath(source);
  if (!statSync(path).isDirectory()) return [await readDefinition(path)];
  const files = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
  return Promise.all(files.map((name) => readDefinition(join(path, name))));
}

async function readDefinition(path: string): Promise<Definition> {
  const text = readFileSync(path, "utf8");
  if (path.endsWith(".json")) return JSON.parse(text) as Definition;
  const { load } = await import("js-yaml").catch((cause: unknown) => {
    throw new Error("definitions in YAML need js-yaml: npm install --save-dev js-yaml", { cause });
  });
  return load(text) as Definition;
}

/** A resource is served a moment after its definition was accepted. */
async function untilServed(api: ApiConnection, path: string): Promise<void> {
  for (
    const deadline = performance.now() + 60_000;
    (await apiRequest(api, "GET", path)).status !== 200;
    await sleep(20)
  ) {
    if (performance.now() > deadline)
      throw new Error(`${path} is not served a minute after its definition was applied`);
  }
}
