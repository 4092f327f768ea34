// Installs the CRDs of crds/ into an API server, as `kubectl apply --server-side` would.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "js-yaml";
import { apiCall, apiRequest, type ApiConnection } from "../../hack/cluster/api-request.ts";

export interface Definition {
  metadata: { name: string };
  spec: { group: string; names: { plural: string }; versions: { name: string; served: boolean }[] };
}

const directory = new URL("../../crds/", import.meta.url);

/** Creates or updates all of them and resolves when their resources are served. */
export async function installCrds(api: ApiConnection): Promise<void> {
  const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".yaml")) : [];
  await Promise.all(
    files.map(async (file) => {
      await installCrd(api, load(readFileSync(new URL(file, directory), "utf8")) as Definition);
    }),
  );
}

/** Creates or updates one and resolves when its resource is served. */
export async function installCrd(api: ApiConnection, definition: Definition): Promise<void> {
  const { group, names, versions } = definition.spec;
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`;
  const contentType = "application/apply-patch+yaml";
  await apiCall(api, "PATCH", `${path}?fieldManager=tests&force=true`, definition, { contentType });
  for (const { name } of versions.filter(({ served }) => served)) {
    await untilServed(api, `/apis/${group}/${name}/${names.plural}`);
  }
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
