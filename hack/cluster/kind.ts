// A cluster in kind, for machines with Docker: the same from outside as the local one.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBinaries } from "./binaries.ts";
import { cacheDirectory } from "./cache.ts";
import { ask, run } from "./command.ts";
import { isImported } from "./oci-archive.ts";
import type { Progress } from "./progress.ts";
import type { Cluster } from "./provider.ts";

export interface KindSettings {
  /** The cluster's name: HOLDFAST_KIND_CLUSTER. */
  readonly cluster: string;
  /** A kind configuration: HOLDFAST_KIND_CONFIG. */
  readonly config: string;
  /** The node image: HOLDFAST_KIND_IMAGE. kind's own choice when absent. */
  readonly image?: string | undefined;
}

export function kindSettings(environment: NodeJS.ProcessEnv = process.env): KindSettings {
  return {
    cluster: environment["HOLDFAST_KIND_CLUSTER"] ?? "holdfast",
    config: environment["HOLDFAST_KIND_CONFIG"] ?? fileURLToPath(new URL("kind.yaml", import.meta.url)),
    image: environment["HOLDFAST_KIND_IMAGE"],
  };
}

/** The cluster of that name; a new one if there is none or if it does not answer. */
export async function openKind(settings: KindSettings, progress: Progress): Promise<Cluster> {
  const { kubectl, helm } = await ensureBinaries(["kubectl", "helm"], progress);
  const kubeconfig = kubeconfigPath(settings);
  mkdirSync(dirname(kubeconfig), { recursive: true });
  if (await kindExists(settings)) {
    // A creation that was killed leaves containers without a cluster in them.
    await ask("kind", ["export", "kubeconfig", "--name", settings.cluster, "--kubeconfig", kubeconfig]);
    if (!(await isWhole(kubectl, kubeconfig))) await removeKind(settings, progress);
  }
  if (!(await kindExists(settings))) {
    await progress.stage(`kind cluster ${settings.cluster}`, async (stage) => {
      const image = settings.image === undefined ? [] : ["--image", settings.image];
      const flags = ["--name", settings.cluster, "--config", settings.config, "--kubeconfig", kubeconfig, ...image];
      const onLine = (line: string): void => stage.update(line);
      await run("kind", ["create", "cluster", "--wait", "180s", ...flags], { onLine });
      // Nodes are ready some seconds before names resolve.
      const dns = ["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout", "120s"];
      await run(kubectl, ["--kubeconfig", kubeconfig, ...dns], { onLine });
    });
  }
  return {
    provider: "kind",
    kubeconfig,
    kubectl,
    helm,
    loadImage: (image) =>
      progress.stage(`Load ${image.name}`, async () => {
        if (!(await isLoaded(settings, image.archive))) {
          const load = (): Promise<string> =>
            run("kind", ["load", "image-archive", image.archive, "--name", settings.cluster]);
          // Tried again for the reason given in node.ts.
          await load().catch(load);
        }
      }),
    down: () => removeKind(settings, progress),
  };
}

export async function kindExists(settings: KindSettings): Promise<boolean> {
  const clusters = await ask("kind", ["get", "clusters", "-q"]);
  return clusters?.split("\n").includes(settings.cluster) ?? false;
}

export async function removeKind(settings: KindSettings, progress: Progress): Promise<void> {
  await progress.stage(`Remove the kind cluster ${settings.cluster}`, () =>
    run("kind", ["delete", "cluster", "--name", settings.cluster, "--kubeconfig", kubeconfigPath(settings)]),
  );
  rmSync(kubeconfigPath(settings), { force: true });
}

export async function kindStatus(settings: KindSettings): Promise<readonly string[]> {
  if (!(await kindExists(settings))) return [`There is no kind cluster ${settings.cluster}.`];
  const nodes = (await ask("kind", ["get", "nodes", "--name", settings.cluster]))?.trim().split("\n") ?? [];
  const kubeconfig = kubeconfigPath(settings);
  return [
    `The kind cluster ${settings.cluster} exists; nodes: ${nodes.join(", ")}.`,
    ...(existsSync(kubeconfig) ? [`Kubeconfig: ${kubeconfig}`] : []),
  ];
}

function kubeconfigPath(settings: KindSettings): string {
  return join(cacheDirectory(), "kind", `${settings.cluster}.kubeconfig`);
}

async function isWhole(kubectl: string, kubeconfig: string): Promise<boolean> {
  const flags = ["--kubeconfig", kubeconfig];
  const classes = await ask(kubectl, [...flags, "get", "storageclass", "standard"]);
  const nodes = await ask(kubectl, [...flags, "wait", "node", "--all", "--for=condition=Ready", "--timeout=30s"], {
    timeoutMs: 40_000,
  });
  return classes !== undefined && nodes !== undefined;
}

async function isLoaded(settings: KindSettings, archive: string): Promise<boolean> {
  const nodes = (await run("kind", ["get", "nodes", "--name", settings.cluster])).trim().split("\n");
  for (const node of nodes) {
    const listing = await ask("docker", ["exec", node, "ctr", "--namespace", "k8s.io", "images", "list"]);
    if (!(await isImported(archive, listing ?? ""))) return false;
  }
  return true;
}
