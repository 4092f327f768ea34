// The example bucket-controller on a real API server, with the rights of its manifests, and a real S3 store.
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutBucketTaggingCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Bucket, bucketOf } from "../../examples/bucket-controller/api.ts";
import { bucketController } from "../../examples/bucket-controller/controller.ts";
import { s3Store, type Store } from "../../examples/bucket-controller/store.ts";
import { KubeEvent, type Backoff } from "../../src/runtime/index.ts";
import { isEvent, isWrite } from "../support/audit.ts";
import { ExampleWorld, manifest, poll, type ExampleProcess } from "../support/example-world.ts";
import { startS3, type S3Server } from "../support/s3-server.ts";

let s3: S3Server;
/** Of one object a page: every cleanup takes several steps. */
let store: Store;
/** How often the tags of a bucket were asked for. */
let looks = 0;

beforeAll(async () => {
  s3 = await startS3();
  const plain = s3Store(s3.client, 1);
  store = { ...plain, tagsOf: (...call) => ((looks += 1), plain.tagsOf(...call)) };
}, 600_000);
afterAll(() => s3[Symbol.asyncDispose]());

const always = AbortSignal.timeout(600_000);
const tagsOf = (bucket: string) => store.tagsOf(bucket, always);
const put = (bucket: string, key: string, text = "text") =>
  s3.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
const keysIn = async (bucket: string) =>
  ((await s3.client.send(new ListObjectsV2Command({ Bucket: bucket }))).Contents ?? []).map(({ Key }) => Key);

/** The same as the runtime's own, but sooner. */
const backoff: Backoff = { initialMs: 100, maxMs: 1_000, factor: 2, jitter: 0.2 };

/** The sources look on and on, and wake nobody: at most one whose look had begun before the last pass ended. */
async function restsAt(passes: number, now: () => Promise<number>): Promise<void> {
  const before = looks;
  await poll(() => looks).toBeGreaterThan(before + 20);
  expect(await now()).toBeLessThanOrEqual(passes + 1);
}

/** The world of one Bucket called reports. */
async function open() {
  const world = await ExampleWorld.open("bucket-controller");
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { admin, namespace } = world;
  const ref = { namespace, name: "reports" };
  const get = (): Promise<Bucket | undefined> => admin.get(Bucket, ref);
  const ready = async () => (await get())?.status?.conditions.find(({ type }) => type === "Ready");
  const apply = (spec: Bucket["spec"] = {}): Promise<Bucket> =>
    admin.apply<Bucket>(
      Bucket,
      { apiVersion: "storage.example.org/v1alpha1", kind: "Bucket", metadata: ref, spec },
      { fieldManager: "user" },
    );
  return {
    world,
    admin,
    namespace,
    get,
    ready,
    apply,
    start: (own: Store = store): Promise<ExampleProcess> =>
      world.start({ ...bucketController({ store: own, lookEveryMs: 100 }), backoff }),
    /** Applies it, and waits until it is in sync. Answers the name of its bucket. */
    create: async (spec?: Bucket["spec"]): Promise<string> => {
      const bucket = bucketOf(await apply(spec));
      await poll(ready).toMatchObject({ status: "True", reason: "InSync" });
      return bucket;
    },
    remove: async () => admin.delete(Bucket, ref, { uid: (await get())!.metadata.uid! }),
    events: async () =>
      (await admin.list(KubeEvent, { namespace })).items
        .filter(({ regarding }) => regarding.kind === "Bucket")
        .map(({ type, reason }) => `${type} ${reason}`),
  };
}

describe("a Bucket", () => {
  test("gets its bucket and tags, follows its spec, and then rests", async () => {
    const { start, create, apply, get, events, world } = await open();
    const { passes } = await start();
    const bucket = await create({ tags: { team: "shop" } });
    expect(await tagsOf(bucket)).toEqual({ team: "shop" });
    expect((await get())?.status).toMatchObject({ bucket, tags: { team: "shop" } });
    expect((await get())?.metadata.finalizers).toEqual(["storage.example.org/bucket"]);
    await poll(async () => (await events()).toSorted()).toEqual(["Normal Created", "Normal Tagged"]);

    await apply({ tags: { team: "shop", tier: "gold" } });
    await poll(() => tagsOf(bucket)).toEqual({ team: "shop", tier: "gold" });
    await apply({});
    await poll(() => tagsOf(bucket)).toEqual({});
    await poll(async () => (await get())?.status?.tags).toBeUndefined();

    await restsAt(await passes(), passes);
    const writes = (await world.calls()).filter(isWrite);
    await put(bucket, "an object is no business of ours");
    await restsAt(await passes(), passes);
    expect((await world.calls()).filter(isWrite)).toEqual(writes);
  });

  test("has its bucket made again, and its tags set back, whoever changed them in the store", async () => {
    const { start, create } = await open();
    await start();
    const bucket = await create({ tags: { team: "shop" } });
    const tagging = { Bucket: bucket, Tagging: { TagSet: [{ Key: "team", Value: "other" }] } };
    for (let times = 0; times < 3; times++) {
      await s3.client.send(new PutBucketTaggingCommand(tagging));
      await poll(() => tagsOf(bucket)).toEqual({ team: "shop" });
    }
    await s3.client.send(new DeleteBucketCommand({ Bucket: bucket }));
    await poll(() => tagsOf(bucket)).toEqual({ team: "shop" });
  });

  test("is not written to when the controller is started again over it", async () => {
    const { start, create, world } = await open();
    const first = await start();
    await create({ tags: { team: "shop" } });
    await first.stop();
    const before = (await world.calls()).filter((call) => isWrite(call) && !isEvent(call)).length;
    const second = await start();
    await poll(second.passes).toBeGreaterThan(0);
    expect((await world.calls()).filter((call) => isWrite(call) && !isEvent(call))).toHaveLength(before);
  });

  test("waits while the store is down, says so, and goes on when it is back", async () => {
    const { start, apply, ready } = await open();
    const { passes } = await start();
    await s3.kill();
    try {
      await apply({ tags: { team: "shop" } });
      await poll(ready).toMatchObject({ status: "False", reason: "StoreFailed" });
      await poll(async () => (await ready())?.message).toContain("ECONNREFUSED");
      const before = await passes();
      await poll(passes).toBeGreaterThan(before);
    } finally {
      await s3.start();
    }
    await poll(ready).toMatchObject({ status: "True" });
  });
});

describe("tags that others keep", () => {
  const tagsFrom = { bucket: "platform", key: "tags.json" };
  beforeAll(() => s3.client.send(new CreateBucketCommand({ Bucket: tagsFrom.bucket })));

  test("are read and followed; what is missing or wrong is told, and noticed when it comes", async () => {
    const { start, create, apply, ready } = await open();
    await start();
    const bucket = await create({ tags: { team: "shop" } });
    await apply({ tags: { team: "shop" }, tagsFrom });
    await poll(ready).toMatchObject({
      status: "False",
      reason: "TagsMissing",
      message: "there is no platform/tags.json",
    });
    expect(await tagsOf(bucket)).toEqual({ team: "shop" });

    await put(tagsFrom.bucket, tagsFrom.key, JSON.stringify({ cost: "17", team: "platform" }));
    await poll(() => tagsOf(bucket)).toEqual({ cost: "17", team: "shop" });
    await poll(ready).toMatchObject({ status: "True", reason: "InSync" });

    await put(tagsFrom.bucket, tagsFrom.key, "{");
    await poll(ready).toMatchObject({ status: "False", reason: "TagsInvalid" });
    expect(await tagsOf(bucket)).toEqual({ cost: "17", team: "shop" });

    await put(tagsFrom.bucket, tagsFrom.key, JSON.stringify({ cost: "18" }));
    await poll(() => tagsOf(bucket)).toEqual({ cost: "18", team: "shop" });
    await s3.client.send(new DeleteObjectCommand({ Bucket: tagsFrom.bucket, Key: tagsFrom.key }));
    await poll(ready).toMatchObject({ status: "False", reason: "TagsMissing" });
    expect(await keysIn(tagsFrom.bucket)).toEqual([]);
  });

  test("cause no pass while they are missing", async () => {
    const { start, apply, ready } = await open();
    const { passes } = await start();
    await apply({ tagsFrom: { bucket: "nowhere", key: "tags.json" } });
    await poll(ready).toMatchObject({ reason: "TagsMissing" });
    await restsAt(await passes(), passes);
  });
});

describe("a Bucket that is deleted", () => {
  test("takes its bucket along, and everything in it", async () => {
    const { start, create, remove, get } = await open();
    await start();
    const bucket = await create({ deletionPolicy: "Delete" });
    for (const key of ["a", "b/c", "d & <e>"]) await put(bucket, key);
    await remove();
    await poll(get).toBeUndefined();
    expect(await tagsOf(bucket)).toBeUndefined();
  });

  test("leaves its bucket where it is told to", async () => {
    const { start, create, remove, get } = await open();
    await start();
    const bucket = await create({ tags: { team: "shop" } });
    await put(bucket, "a");
    await remove();
    await poll(get).toBeUndefined();
    expect([await keysIn(bucket), await tagsOf(bucket)]).toEqual([["a"], { team: "shop" }]);
  });

  test("stays while the store is down, says why and what to do, and goes when it is back", async () => {
    const { start, create, remove, get, ready } = await open();
    const { passes } = await start();
    const bucket = await create({ deletionPolicy: "Delete" });
    await put(bucket, "a");
    await s3.kill();
    try {
      await remove();
      await poll(ready).toMatchObject({ status: "False", reason: "CleanupFailed" });
      expect((await get())?.metadata.finalizers).toEqual(["storage.example.org/bucket"]);
      const before = await passes();
      await poll(passes).toBeGreaterThan(before);
    } finally {
      await s3.start();
    }
    await poll(get).toBeUndefined();
    expect(await tagsOf(bucket)).toBeUndefined();
  });

  test("goes without its bucket by the command that the condition names", async () => {
    const { start, create, remove, get, ready, admin, namespace } = await open();
    await start();
    const bucket = await create({ tags: { team: "shop" }, deletionPolicy: "Delete" });
    await s3.kill();
    try {
      await remove();
      await poll(ready).toMatchObject({ reason: "CleanupFailed" });
      const patch = `patch bucket reports --type=merge -p '{"spec":{"deletionPolicy":"Retain"}}'`;
      expect((await ready())?.message).toContain(`kubectl -n ${namespace} ${patch}`);
      const retain = [{ op: "replace", path: "/spec/deletionPolicy", value: "Retain" }] as const;
      await admin.patch(Bucket, { namespace, name: "reports" }, retain);
      await poll(get).toBeUndefined();
    } finally {
      await s3.start();
    }
    expect(await tagsOf(bucket)).toEqual({ team: "shop" });
  });

  test("is cleaned up to the end by the next process, when one is killed in the middle", async () => {
    const { start, create, remove, get } = await open();
    const first = await start();
    const bucket = await create({ deletionPolicy: "Delete" });
    for (const key of ["a", "b", "c"]) await put(bucket, key);
    await first.stop();

    const client = s3.connect();
    onTestFinished(() => client.destroy());
    const second = await start(s3Store(client, 1));
    let deletions = 0;
    client.middlewareStack.add(
      (next, { commandName }) =>
        async (call) => {
          if (deletions > 0) throw new Error("the process is dead");
          const answer = await next(call);
          if (commandName === "DeleteObjectsCommand") {
            deletions += 1;
            second.kill();
          }
          return answer;
        },
      { step: "initialize" },
    );
    await remove();
    await poll(() => deletions).toBe(1);
    expect(await keysIn(bucket)).toEqual(["b", "c"]);
    expect((await get())?.metadata.finalizers).toEqual(["storage.example.org/bucket"]);

    await start();
    await poll(get).toBeUndefined();
    expect(await tagsOf(bucket)).toBeUndefined();
  });

  test("goes also when its bucket is gone already", async () => {
    const { start, create, remove, get } = await open();
    const first = await start();
    const bucket = await create({ deletionPolicy: "Delete" });
    await first.stop();
    await s3.client.send(new DeleteBucketCommand({ Bucket: bucket }));
    await remove();
    await start();
    await poll(get).toBeUndefined();
    expect(await tagsOf(bucket)).toBeUndefined();
  });
});

test("the sample is accepted, and the process of the README makes its bucket and ends on SIGTERM without a failure", async () => {
  const { world, admin, namespace, ready, get } = await open();
  const { signal } = await world.startProcess({ ...s3.environment, LOOK_EVERY_SECONDS: "1" });
  const [sample] = await manifest<Bucket>("bucket-controller/manifests/reports.yaml");
  await admin.create(Bucket, { ...sample!, metadata: { ...sample!.metadata, namespace } });
  await poll(ready).toMatchObject({ status: "True", reason: "InSync" });
  expect(await tagsOf((await get())?.status?.bucket ?? "")).toEqual({ team: "shop" });
  expect(await signal("SIGTERM")).toBe(0);
});
