// Starts the one control plane that all scenarios of a run share, and ends it after the last.
import type { TestProject } from "vitest/node";
import { startControlPlane } from "../../hack/cluster/control-plane.ts";
import { createProgress } from "../../hack/cluster/progress.ts";
import { createScratchDirectory, removeScratchDirectory, sweepScratchDirectories } from "../../hack/cluster/scratch.ts";
import { installCrds } from "./crds.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweepScratchDirectories();
  // The API server's Go runtime collects garbage less often: a fifth less work for two cores, for some memory.
  process.env["GOGC"] ??= "300";
  const directory = await createScratchDirectory();
  const end = (): Promise<void> => removeScratchDirectory(directory);
  try {
    const controlPlane = await startControlPlane({
      directory,
      components: ["controller-manager"],
      progress: createProgress(),
      unsafeNoFsync: true,
      auditLog: true,
      // In one file: the tests read it while it grows, and by default it is set aside at 100 MB.
      extraFlags: { "kube-apiserver": ["--audit-log-maxsize=4096"] },
      beforeControllers: installCrds,
    });
    const { url, adminKubeconfigPath } = controlPlane;
    project.provide("apiServer", { url, directory, adminKubeconfigPath });
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}
