// A real API server for scenarios: the one that is shared by a whole run, or one of a test's own that it may kill.
import { inject } from "vitest";
import { attachApiServer, startApiServer, type ApiServer } from "../../testing/index.ts";
import { ourDefinitions } from "./definitions.ts";

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
export function sharedControlPlane(): Promise<ApiServer> {
  return attachApiServer(inject("apiServer").directory);
}

/** An API server with controller manager and our CRDs for one test file, in about three seconds. Gone with `using`, or with the worker. */
export function startOwnControlPlane(): Promise<ApiServer> {
  return startApiServer({ definitions: ourDefinitions, controllerManager: true, auditLog: true, progress: false });
}
