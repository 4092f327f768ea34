// Tells when the parts of a control plane are at work, by asking the API server. Starts and ends nothing.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apiCall, apiRequest, type ApiConnection } from "./api-request.ts";
import { isRunning, readRecorded } from "./processes.ts";

const readyTimeoutMs = 120_000;

/** Asks until `check` says yes. Rejects when a process has ended, when it takes too long, or on abort. */
export async function waitUntil(directory: string, check: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs;
  while (!(await check())) {
    signal?.throwIfAborted();
    for (const recorded of readRecorded(directory)) {
      if (!isRunning(recorded)) throw new Error(`${recorded.name} ended early. ${lastLines(directory, recorded.name)}`);
    }
    if (performance.now() > deadline) {
      const newest = readRecorded(directory).at(-1)!.name;
      throw new Error(`${newest} was not ready after ${readyTimeoutMs / 1000} s. ${lastLines(directory, newest)}`);
    }
    await sleep(20);
  }
}

/** Ready includes that the built-in roles exist (poststarthook/rbac/bootstrap-roles). */
export async function isReady(api: ApiConnection): Promise<boolean> {
  try {
    return (await apiRequest(api, "GET", "/readyz", undefined, { timeoutMs: 5000 })).status === 200;
  } catch {
    return false; // not listening yet
  }
}

/**
 * The roles exist once the server is ready, but its authorizer sees them a moment later. A component that starts in between
 * exits, or waits a second before it asks again.
 */
export async function rolesAreInForce(api: ApiConnection): Promise<boolean> {
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: {
      user: "system:kube-controller-manager",
      resourceAttributes: { verb: "list", group: "apps", resource: "statefulsets" },
    },
  };
  const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
  return (await apiCall<{ status: { allowed: boolean } }>(api, "POST", path, review)).status.allowed;
}

/** Pods can be made once it has given the namespace its ServiceAccount. */
export async function controllerManagerWorks(api: ApiConnection): Promise<boolean> {
  return (await apiRequest(api, "GET", "/api/v1/namespaces/default/serviceaccounts/default")).status === 200;
}

function lastLines(directory: string, name: string): string {
  const path = join(directory, "log", `${name}.log`);
  return `The end of ${path}:\n${readFileSync(path, "utf8").trimEnd().split("\n").slice(-15).join("\n")}`;
}
