// A client whose calls are spans of a pass. Only made where there is a tracer.
import { clientAround } from "../kube/around.ts";
import type { KubeClient } from "../kube/client.ts";
import { ApiError } from "../kube/errors.ts";
import { resourceName } from "../kube/object.ts";
import type { PassSpan } from "../telemetry/trace.ts";

/** Attributes of a call: which verb on which resource and object, and the HTTP status; 0 where no answer came. */
export function tracedClient(client: KubeClient, pass: PassSpan): KubeClient {
  return clientAround(client, async ({ verb, kind, subresource, place }, options, send) => {
    const resource = resourceName(kind) + (subresource === undefined ? "" : `/${subresource}`);
    let status: number | undefined;
    const span = pass.call(`${verb} ${resource}`, {
      "k8s.verb": verb,
      "k8s.resource": resource,
      "k8s.namespace.name": place.namespace,
      "k8s.object.name": place.name,
    });
    const onAnswer = (answered: number): void => {
      status = answered;
      options.onAnswer?.(answered);
    };
    try {
      const answer = await send({ ...options, onAnswer });
      span.end({ "http.response.status_code": status });
      return answer;
    } catch (error) {
      span.fail(error, { "http.response.status_code": error instanceof ApiError ? error.status : status });
      throw error;
    }
  });
}
