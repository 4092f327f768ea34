// A store tells nobody what happens in it: the controller goes and looks. Whoever is not as its status says is woken; what to do
// about it is for the pass alone.
import { refTo, sleep, statusEqual, type Source } from "holdfast/runtime";
import { Bucket } from "./api.ts";
import type { Store } from "./store.ts";

type Status = NonNullable<Bucket["status"]>;

export function bucketSources(store: Store, lookEveryMs: number): readonly Source[] {
  return [
    looking("buckets", lookEveryMs, async (_, { bucket, tags }, signal) =>
      statusEqual(await store.tagsOf(bucket, signal), tags ?? {}),
    ),
    looking("tags", lookEveryMs, async ({ spec: { tagsFrom } }, { tagsVersion }, signal) =>
      statusEqual(tagsFrom && (await store.versionOf(tagsFrom, signal)), tagsVersion),
    ),
  ];
}

function looking(
  name: string,
  everyMs: number,
  isAsTold: (bucket: Readonly<Bucket>, status: Status, signal: AbortSignal) => Promise<boolean>,
): Source {
  return {
    name,
    async run(emit, signal, { cache, clock }) {
      for (; !signal.aborted; await sleep(clock, everyMs, signal)) {
        const looks = cache.list(Bucket).map(async (bucket) => {
          const { status, metadata } = bucket;
          if (status === undefined || metadata.deletionTimestamp !== undefined) return;
          if (!(await isAsTold(bucket, status, signal))) emit(refTo(bucket));
        });
        // One that cannot be looked at must not hide the others. A throw is logged, and we are started again, later each time.
        for (const look of await Promise.allSettled(looks)) if (look.status === "rejected") throw look.reason;
      }
    },
  };
}
