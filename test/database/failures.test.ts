import { expect, test } from "vitest";
import { InvalidSpec } from "../../src/database/api.ts";
import { mostUrgent, named, patienceMs, reasonOf } from "../../src/database/failures.ts";
import { PortError } from "../../src/database/outside/port-error.ts";
import { ApiError, RetryAfterError, TerminalError } from "../../src/runtime/index.ts";

const terminal = new TerminalError("NameTaken", "taken");
const refused = new ApiError("refused", { status: 422, reason: "Invalid" });
const down = new ApiError("down", { status: 500, reason: "InternalError" });
const [soon, late] = [new RetryAfterError("terminating", 10_000), new RetryAfterError("contested", 60_000)];

test.each([
  { failures: [], chosen: undefined, because: "nothing failed" },
  {
    failures: [terminal, down],
    chosen: down,
    because: "what may pass is tried again although another waits for an edit",
  },
  { failures: [late, refused, down], chosen: down, because: "backoff begins at a second" },
  { failures: [late, terminal, soon], chosen: soon, because: "the nearest time comes first" },
  { failures: [refused, terminal], chosen: refused, because: "all wait for an edit" },
])("of $failures.length failures $chosen.message is the most urgent: $because", ({ failures, chosen }) => {
  expect(mostUrgent(failures)).toBe(chosen);
});

test.each([
  { error: down, ms: 0, because: "it backs off" },
  { error: soon, ms: 10_000, because: "it says itself when" },
  { error: terminal, ms: 30_000, because: "what is in the way is not watched" },
  { error: new TerminalError("InvalidSpec", "no"), ms: Infinity, because: "only an edit helps" },
  { error: refused, ms: Infinity, because: "the same body would be refused again" },
])("$error.message is waited for $ms ms: $because", ({ error, ms }) => {
  expect(patienceMs(error)).toBe(ms);
});

const forbidden = (message: string, cause?: string): ApiError =>
  new ApiError(message, {
    status: 403,
    reason: "Forbidden",
    details: cause === undefined ? undefined : { causes: [{ reason: cause }] },
  });
const resize =
  'persistentvolumeclaims "orders-1" is forbidden: only dynamically provisioned pvc can be resized and the storageclass ' +
  "that provisions the pvc must support resize";
const quota =
  'persistentvolumeclaims "orders-4" is forbidden: exceeded quota: few, requested: persistentvolumeclaims=1';

test.each([
  { error: forbidden(resize), reason: "VolumeNotExpandable", ms: Infinity, because: "no retry makes a class grow" },
  { error: forbidden(quota), reason: "QuotaExceeded", ms: 30_000, because: "there may be room later" },
  {
    error: forbidden(
      "unable to create new content in namespace shop because it is being terminated",
      "NamespaceTerminating",
    ),
    reason: "Deleting",
    ms: Infinity,
    because: "a namespace that goes never comes back",
  },
  { error: forbidden("User cannot patch"), reason: "Forbidden", ms: 0, because: "permissions are granted some time" },
  { error: down, reason: "InternalError", ms: 0, because: "it was not forbidden" },
])("$reason: $because", ({ error, reason, ms }) => {
  const failure = named(error) as Error & { reason?: string };
  expect([failure.reason, patienceMs(failure)]).toEqual([reason, ms]);
});

test.each([
  { error: new InvalidSpec("UnknownVersion", ""), reason: "UnknownVersion", because: "it says so itself" },
  {
    error: new PortError("", { reason: "CredentialsRefused" }),
    reason: "CredentialsRefused",
    because: "a port says so",
  },
  { error: new ApiError("", { status: 403, reason: "Forbidden" }), reason: "Forbidden", because: "a right is missing" },
  { error: new ApiError("", { status: 422, reason: "Invalid" }), reason: "Refused", because: "the body is refused" },
  {
    error: forbidden('persistentvolumeclaims "orders-1" is forbidden: User "holdfast" cannot patch resource'),
    reason: "Forbidden",
    because: "the authorizer says so",
  },
  {
    error: forbidden(
      'persistentvolumeclaims "orders-1" is forbidden: minimum storage usage is 5Gi, but request is 1Gi',
    ),
    reason: "Refused",
    because: "a limit says so",
  },
  {
    error: forbidden('admission webhook "no" denied the request: never'),
    reason: "Refused",
    because: "a webhook says so",
  },
  {
    error: new RetryAfterError("PersistentVolumeClaim orders-1 is being deleted", 10_000, {
      reason: "WaitingForDeletion",
    }),
    reason: "WaitingForDeletion",
    because: "it says so itself",
  },
  {
    error: new ApiError("", { status: 500, reason: "InternalError" }),
    reason: "ReconcileFailed",
    because: "it is tried again",
  },
  { error: new TerminalError("Surprise", ""), reason: "ReconcileFailed", because: "the list is closed" },
  { error: "text", reason: "ReconcileFailed", because: "anything can be thrown" },
  { error: undefined, reason: "ReconcileFailed", because: "anything can be thrown" },
])("the reason of an error is $reason: $because", ({ error, reason }) => {
  expect(reasonOf(error)).toBe(reason);
});
