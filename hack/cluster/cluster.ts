// A real cluster, wherever this is: what demo, e2e and `npm run cluster` use.
import { ask } from "./command.ts";
import { kindExists, kindSettings, kindStatus, openKind, removeKind } from "./kind.ts";
import { localExists, localStatus, openLocal, removeLocal } from "./local.ts";
import type { Progress } from "./progress.ts";
import { chooseProvider, type Cluster, type Provider } from "./provider.ts";

export type { Cluster, Provider } from "./provider.ts";

export interface ClusterOptions {
  /** Default: HOLDFAST_PROVIDER, else kind where Docker and kind answer, else local. */
  readonly provider?: string | undefined;
}

/**
 * The cluster of this machine: the one that runs, else a new one.
 * @throws Error naming both ways to have a cluster where neither is possible.
 */
export async function openCluster(progress: Progress, options: ClusterOptions = {}): Promise<Cluster> {
  const provider = await provideBy(options);
  return provider === "local" ? openLocal(progress) : openKind(kindSettings(), progress);
}

/** Removes the clusters that there are, or only that of the given provider. False when there was none. */
export async function removeClusters(progress: Progress, options: ClusterOptions = {}): Promise<boolean> {
  const asked = askedFor(options);
  let removed = false;
  if (asked !== "kind" && localExists()) {
    if (process.getuid?.() !== 0) throw new Error("The local cluster runs as root, and only root can remove it.");
    await removeLocal(progress);
    removed = true;
  }
  if (asked !== "local" && (await kindExists(kindSettings()))) {
    await removeKind(kindSettings(), progress);
    removed = true;
  }
  return removed;
}

/** Whether there is a cluster of ours, running or not. */
export async function clusterExists(options: ClusterOptions = {}): Promise<boolean> {
  const provider = await provideBy(options);
  return provider === "local" ? localExists() : kindExists(kindSettings());
}

/** What runs here, in sentences. */
export async function describeClusters(): Promise<readonly string[]> {
  return [...(await localStatus()), ...(await kindStatus(kindSettings()))];
}

async function provideBy(options: ClusterOptions): Promise<Provider> {
  const asked = askedFor(options);
  return chooseProvider({
    asked,
    dockerAnswers: asked !== "local" && (await ask("docker", ["info"])) !== undefined,
    kindAnswers: asked !== "local" && (await ask("kind", ["version"])) !== undefined,
    platform: process.platform,
    root: process.getuid?.() === 0,
  });
}

function askedFor(options: ClusterOptions): string | undefined {
  return options.provider ?? (process.env["HOLDFAST_PROVIDER"] || undefined);
}
