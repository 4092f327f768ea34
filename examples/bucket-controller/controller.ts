// A Bucket is a bucket in an S3 store: finalizer → bucket → tags → status; at its deletion bucket → finalizer.
import {
  ApiError,
  awaitChange,
  finalize,
  on,
  setCondition,
  statusEqual,
  writeStatus,
  type Context,
  type ControllerOptions,
  type NewCondition,
  type Outcome,
} from "holdfast/runtime";
import { Bucket, bucketOf } from "./api.ts";
import { bucketSources } from "./sources.ts";
import type { Store, Tags } from "./store.ts";

const finalizer = "storage.example.org/bucket";

export interface BucketControllerOptions {
  readonly store: Store;
  /** How often the store is looked at. */
  readonly lookEveryMs: number;
}

export function bucketController({ store, lookEveryMs }: BucketControllerOptions): ControllerOptions<Bucket, Store> {
  return {
    name: "bucket",
    for: Bucket,
    when: on.any(on.generationChanged, on.finalizersChanged, on.deletionChanged),
    sources: bucketSources(store, lookEveryMs),
    value: store,
    reconcile,
    // A cleanup that is cut off goes on in the next pass.
    timeoutMs: 60_000,
  };
}

async function reconcile(bucket: Readonly<Bucket>, context: Context<Store>): Promise<Outcome> {
  try {
    const step = await finalize(Bucket, bucket, finalizer, (deleted) => cleanup(deleted, context), context);
    if (step === "present") await keepInSync(bucket, context);
    return awaitChange;
  } catch (error) {
    // What Kubernetes answers, and a pass that was told to stop, say nothing of the store.
    if (!(error instanceof ApiError) && !context.signal.aborted) await tell(bucket, {}, failed(bucket, error), context);
    throw error;
  }
}

/** The promise of the finalizer. Repeated until it succeeds, from wherever it was cut off. */
async function cleanup(bucket: Readonly<Bucket>, { value: store, signal }: Context<Store>): Promise<"done"> {
  if (bucket.spec.deletionPolicy === "Delete") await store.remove(bucketOf(bucket), signal);
  return "done";
}

async function keepInSync(bucket: Readonly<Bucket>, context: Context<Store>): Promise<void> {
  const { value: store, events, signal } = context;
  const name = bucketOf(bucket);
  const found = await store.tagsOf(name, signal);
  if (found === undefined) {
    await store.create(name, signal);
    events.emit(bucket, { type: "Normal", reason: "Created", message: `Created bucket ${name}` });
  }
  const { shared, version, problem } = await readShared(bucket, context);
  // Without the tags of others the bucket keeps those that it has.
  const tags = problem === undefined ? { ...shared, ...bucket.spec.tags } : (found ?? {});
  if (!statusEqual(found ?? {}, tags)) {
    await store.setTags(name, tags, signal);
    events.emit(bucket, { type: "Normal", reason: "Tagged", message: `Set the tags of bucket ${name}` });
  }
  const inSync = { status: "True", reason: "InSync", message: `bucket ${name} is as it should be` } as const;
  await tell(bucket, { tags, tagsVersion: version }, problem ?? inSync, context);
}

interface Shared {
  readonly shared?: Tags;
  readonly version?: string;
  readonly problem?: Verdict;
}

/** What is missing or wrong is no failure: when it changes, a source wakes us. */
async function readShared({ spec }: Readonly<Bucket>, { value: store, signal }: Context<Store>): Promise<Shared> {
  if (spec.tagsFrom === undefined) return {};
  const place = `${spec.tagsFrom.bucket}/${spec.tagsFrom.key}`;
  const object = await store.read(spec.tagsFrom, signal);
  if (object === undefined)
    return { problem: { status: "False", reason: "TagsMissing", message: `there is no ${place}` } };
  const { text, version } = object;
  const shared = tagsIn(text);
  if (shared !== undefined) return { shared, version };
  const message = `${place} is not a JSON object of strings`;
  return { version, problem: { status: "False", reason: "TagsInvalid", message } };
}

function tagsIn(text: string): Tags | undefined {
  try {
    const tags: unknown = JSON.parse(text);
    const isObject = typeof tags === "object" && tags !== null && !Array.isArray(tags);
    return isObject && Object.values(tags).every((value) => typeof value === "string") ? (tags as Tags) : undefined;
  } catch {
    return undefined;
  }
}

type Verdict = Pick<NewCondition, "status" | "reason" | "message">;

function failed(bucket: Readonly<Bucket>, error: unknown): Verdict {
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (bucket.metadata.deletionTimestamp === undefined) {
    return { status: "False", reason: "StoreFailed", message: `${why}; it is tried again` };
  }
  const { name, namespace } = bucket.metadata;
  const giveUp = `kubectl -n ${namespace} patch bucket ${name} --type=merge -p '{"spec":{"deletionPolicy":"Retain"}}'`;
  const message = `bucket ${bucketOf(bucket)} is not deleted yet: ${why}; it is tried again. To keep it and let this go: ${giveUp}`;
  return { status: "False", reason: "CleanupFailed", message };
}

/** Writes the status where it differs; what is not said anew stays as it was. */
async function tell(
  bucket: Readonly<Bucket>,
  news: Partial<Pick<NonNullable<Bucket["status"]>, "tags" | "tagsVersion">>,
  verdict: Verdict,
  context: Context<Store>,
): Promise<void> {
  const condition = { type: "Ready", ...verdict, observedGeneration: bucket.metadata.generation };
  const conditions = setCondition(bucket.status?.conditions, condition, context.clock.date());
  const status = { ...bucket.status, ...news, bucket: bucketOf(bucket), conditions };
  await writeStatus(Bucket, bucket, status, "bucket-controller", context);
}
