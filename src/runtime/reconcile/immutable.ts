// Did the API server refuse this body only because it changes what may never change? Pure.
import { ApiError } from "../kube/errors.ts";

/** The wordings of Kubernetes 1.30 to 1.36: there is no reason code of its own for this. */
const wordings = [
  /field is immutable/,
  /is immutable after creation/,
  /updates to .* spec for fields other than .* are forbidden/,
  /may not change once set/,
  /cannot change roleRef/,
  /may not be changed/,
];

/**
 * True for a 422 of which every cause is a change of an immutable field: were there another cause, then deleting the object
 * would not help, since its successor would be refused as well.
 */
export function isImmutable(error: unknown): error is ApiError {
  if (!(error instanceof ApiError) || error.status !== 422) return false;
  const causes = error.details?.causes ?? [];
  const messages = causes.length === 0 ? [error.message] : causes.map(({ message }) => message ?? "");
  return messages.every((message) => wordings.some((wording) => wording.test(message)));
}

/** What was refused, by field. The API server adds a diff of the values, which is nothing for a condition. */
export function immutableFields({ message, details }: ApiError): string {
  const causes = details?.causes ?? [];
  if (causes.length === 0) return message;
  return causes.map((cause) => `${cause.field ?? "?"}: ${(cause.message ?? "").split("\n", 1)[0]}`).join("; ");
}
