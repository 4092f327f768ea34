// A real API server for scenarios: the one that is shared by a whole run, or one of a test's own that it may kill.
import { inject } from "vitest";
import { attachControlPlane, startControlPlane, type ControlPlane } from "../../hack/cluster/control-plane.ts";
import { createSilentProgress } from "../../hack/cluster/progress.ts";
import { createScratchDirectory, removeScratchDirectory } from "../../hack/cluster/scratch.ts";
import { installCrds } from "./crds.ts";

/** What global-setup.ts tells the tests of the shared API server. */
export interface SharedApiServer {
  readonly url: string;
  readonly directory: string;
  readonly adminKubeconfigPath: string;
}

declare module "vitest" {
  interface ProvidedContext {
    apiServer: SharedApiServer;
  }
}

/** The run's own. Use a namespace of your own in it, and never kill it: other tests are using it. */
export async function sharedControlPlane(): Promise<ControlPlane> {
  const { directory } = inject("apiServer");
  const controlPlane = await attachControlPlane(directory);
  if (controlPlane === undefined) throw new Error(`the shared API server is gone; its logs are in ${directory}/log`);
  return controlPlane;
}

/** An API server with controller manager and our CRDs for one test file, in about three seconds. Gone with `using`, or with the worker. */
export async function startOwnControlPlane(): Promise<ControlPlane & AsyncDisposable> {
  const directory = await createScratchDirectory();
  const controlPlane = await startControlPlane({
    directory,
    components: ["controller-manager"],
    progress: createSilentProgress(),
    unsafeNoFsync: true,
    auditLog: true,
    beforeControllers: installCrds,
  });
  return { ...controlPlane, [Symbol.asyncDispose]: () => removeScratchDirectory(directory) };
}
