// Installs CustomResourceDefinitions into an API server, as `kubectl apply --server-side` would, and waits until they are served.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { load } from "js-yaml";
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

/** Creates or updates all of them and resolves when their resources are served. */
export async function installDefinitions(api: ApiConnection, sources: readonly DefinitionSource[]): Promise<void> {
  const definitions = sources.flatMap(readDefinitions);
  await Promise.all(definitions.map((definition) => installDefinition(api, definition)));
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

function readDefinitions(source: DefinitionSource): readonly Definition[] {
  if (typeof source === "object" && !(source instanceof URL)) return [source];
  const path = typeof source === "string" ? source : fileURLToPath(source);
  if (!statSync(path).isDirectory()) return [readDefinition(path)];
  const files = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
  return files.map((name) => readDefinition(join(path, name)));
}

/** YAML includes JSON. */
function readDefinition(path: string): Definition {
  return load(readFileSync(path, "utf8")) as Definition;
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
