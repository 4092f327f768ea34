// The door: what a controller built on this runtime may import. Nothing inside of the runtime imports it.

export { backoffMs, defaultBackoff, spread, type Backoff } from "./backoff.ts";
export { keepNewest } from "./keep-newest.ts";
export { sleep, systemClock, type Clock } from "./clock.ts";

// kube: the API server
export * from "./kube/kinds.ts";
export {
  apiVersionOf,
  controllerOf,
  defineKind,
  groupOf,
  keyOf,
  ownerReference,
  refOf,
  refTo,
  resourceName,
  resourcePath,
  type Key,
  type Kind,
  type KubeObject,
  type ManagedFieldsEntry,
  type ObjectMeta,
  type OwnerReference,
  type Ref,
  type Typed,
} from "./kube/object.ts";
export {
  ApiError,
  isAlreadyExists,
  isConflict,
  isExpired,
  isForbidden,
  isFutureVersion,
  isNoAnswer,
  isNotFound,
  isRefused,
  isTooManyRequests,
  RetryAfterError,
  TerminalError,
  type Status,
} from "./kube/errors.ts";
export type {
  ApplyOptions,
  CallOptions,
  CreateOptions,
  DeleteOptions,
  JsonPatch,
  KubeClient,
  ListOptions,
  ObjectList,
  PodLogOptions,
  WatchCallOptions,
  WatchFrame,
} from "./kube/client.ts";
export type { Access, Connection } from "./kube/connection.ts";
export { microTime } from "./kube/micro-time.ts";
export { inClusterConnection, type InClusterOptions } from "./kube/in-cluster.ts";
export { findConnection, type FindConnectionOptions } from "./kube/find-connection.ts";
export { kubeconfigConnection, type KubeconfigOptions } from "./kube/kubeconfig.ts";
export { createHttpClient, type HttpClient, type HttpClientOptions } from "./kube/http-client.ts";
export { cacheOf, Informer, type DeltaHandler, type InformerError, type InformerOptions } from "./kube/informer.ts";
export { rememberingClient } from "./kube/remember.ts";
export { Store, type Cache, type CacheListOptions, type Delta, type StoreOptions } from "./kube/store.ts";
export {
  createEventRecorder,
  KubeEvent,
  type BackgroundEventRecorder,
  type EventNote,
  type EventRecorder,
  type EventRecorderOptions,
} from "./kube/events.ts";

// reconcile: saying what
export * from "./reconcile/apply.ts";
export {
  applyChildren,
  type AppliedChildren,
  type ApplyResult,
  type Child,
  type ChildChange,
  type ChildFailure,
  type Children,
} from "./reconcile/children.ts";
export * from "./reconcile/conditions.ts";
export { ContestedPaths, type ContestedOptions } from "./reconcile/contested.ts";
export { diff, type Difference, type DiffOptions } from "./reconcile/diff.ts";
export * from "./reconcile/finalizer.ts";
export { patchGuarded } from "./reconcile/guarded-patch.ts";
export { writeMarks, type Marked } from "./reconcile/marks.ts";
export type { Owner } from "./reconcile/ownership.ts";
export { statusEqual, writeStatus, type StatusWrite } from "./reconcile/status.ts";

// loop: deciding when
export type { ControllerOptions, MeasuredWorld, Source, SourceWorld } from "./loop/controller.ts";
export { LeaseLost, lead, type LeaderWorld, type Leadership, type LeaseOptions } from "./loop/leader.ts";

export { createManager, type Manager, type ManagerOptions } from "./loop/manager.ts";
export { awaitChange, defaultErrorPolicy, requeue, type ErrorOutcome, type Outcome } from "./loop/outcome.ts";
export * as on from "./loop/predicates.ts";
export type { Context, Reconcile } from "./loop/pass.ts";
export type { Predicate } from "./loop/predicates.ts";
export { priorities, WorkQueue, type Next, type QueueOptions, type QueueState, type Turn } from "./loop/queue.ts";
export type { Owned, Watched, Watches, WatchOptions } from "./loop/wakes.ts";

// telemetry
export { createLog, type Log } from "./telemetry/log.ts";
export { createMetrics, type Metrics, type Sample } from "./telemetry/metrics.ts";
export { startTraceExport, type TraceExport, type TraceExportOptions } from "./telemetry/trace-export.ts";
export type { Tracer } from "./telemetry/trace.ts";
export { startTelemetryServer, type Check, type ListenOptions, type TelemetryServer } from "./telemetry/server.ts";
