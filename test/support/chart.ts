// The chart as `helm template` renders it.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { loadAll } from "js-yaml";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { createSilentProgress } from "../../hack/cluster/progress.ts";
import type { KubeObject } from "../../src/runtime/kube/object.ts";

/** An object of any kind; tests look into what they know to be there. */
export type Rendered = KubeObject & Record<string, any>;

const folder = new URL("../../charts/holdfast", import.meta.url).pathname;

/** @param values as `helm --set` takes them: "replicas=2" */
export async function renderChart(
  values: readonly string[] = [],
  release = { name: "holdfast", namespace: "holdfast-system" },
): Promise<readonly Rendered[]> {
  const { helm } = await ensureBinaries(["helm"], createSilentProgress());
  const args = ["template", release.name, folder, "--namespace", release.namespace];
  const { stdout } = await promisify(execFile)(helm, [...args, ...values.flatMap((value) => ["--set", value])], {
    maxBuffer: 2 ** 26,
  });
  return (loadAll(stdout) as (Rendered | null)[]).filter((object) => object !== null);
}

/** The one object of this kind and name, and, where one is given, this namespace. @throws Error when there is none, or another */
export function findRendered(objects: readonly Rendered[], kind: string, name: string, namespace?: string): Rendered {
  const found = objects.filter(
    (object) =>
      object.kind === kind &&
      object.metadata.name === name &&
      (namespace === undefined || object.metadata.namespace === namespace),
  );
  const [only] = found;
  if (only === undefined || found.length > 1) throw new Error(`the chart renders ${found.length} ${kind} ${name}`);
  return only;
}
