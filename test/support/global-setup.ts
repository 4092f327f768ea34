// Starts the one control plane that all scenarios of a run share, and ends it after the last.
import type { TestProject } from "vitest/node";
import { startApiServer } from "../../testing/index.ts";
import { ourDefinitions } from "./definitions.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // The API server's Go runtime collects garbage less often: a fifth less work for two cores, for some memory.
  process.env["GOGC"] ??= "300";
  const apiServer = await startApiServer({
    definitions: ourDefinitions,
    controllerManager: true,
    auditLog: true,
    // In one file: the tests read it while it grows, and by default it is set aside at 100 MB.
    flags: ["--audit-log-maxsize=4096"],
  });
  const { url, directory, adminKubeconfigPath } = apiServer;
  project.provide("apiServer", { url, directory, adminKubeconfigPath });
  return async () => apiServer[Symbol.asyncDispose]();
}
