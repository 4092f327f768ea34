// A JSON patch that applies only to the object that was seen: `test` operations, and what their failure means.
import { ApiError } from "../kube/errors.ts";
import { refTo, type Kind, type KubeObject } from "../kube/object.ts";
import type { CreateOptions, JsonPatch, KubeClient } from "../kube/client.ts";

/**
 * Patches `seen`, and no namesake of it. @throws ApiError, with 409 Conflict where a `test` did not hold: read again, then retry.
 */
export async function patchGuarded<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  seen: Readonly<T>,
  patch: JsonPatch,
  options: CreateOptions,
): Promise<T> {
  const sameObject = { op: "test", path: "/metadata/uid", value: seen.metadata.uid } as const;
  try {
    return await client.patch(kind, refTo(seen), [sameObject, ...patch], options);
  } catch (error) {
    if (!isFailedTest(error)) throw error;
    throw new ApiError(`${kind.kind} ${seen.metadata.name} has changed since it was read`, {
      status: 409,
      reason: "Conflict",
      cause: error,
    });
  }
}

/**
 * The API server answers a `test` that failed like a body that is invalid, but cannot name a field
 * (https://github.com/kubernetes/kubernetes/blob/v1.36.0/staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go).
 */
function isFailedTest(error: unknown): boolean {
  return error instanceof ApiError && error.status === 422 && (error.details?.causes ?? []).length === 0;
}
