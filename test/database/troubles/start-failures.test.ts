import { describe, expect, test } from "vitest";
import type { Instance } from "../../../src/database/instances.ts";
import { StartFailures } from "../../../src/database/troubles/start-failures.ts";
import { instances } from "../../support/orders.ts";

function instance(state: string | undefined, { uid = "pod-1", restarts = 0 } = {}): Instance {
  const [found] = instances(undefined, { number: 1, ready: false, patroni: { role: "replica", state } });
  const { pod } = found!;
  const containerStatuses = [{ name: "postgres", image: "", imageID: "", ready: false, restartCount: restarts }];
  return {
    ...found!,
    pod: { ...pod!, metadata: { ...pod!.metadata, uid }, status: { ...pod!.status, containerStatuses } },
  };
}

/** A log that says something else each time it is read. */
function reader() {
  const read: string[] = [];
  return { read, words: async () => `FATAL: ${read.push("read")}` };
}

describe("PostgreSQL has failed to start", () => {
  test.each(["start failed", "restart failed (start failed)", "initdb failed", "crashed"])(
    "when Patroni says %s",
    async (state) => {
      const failure = await new StartFailures().of(instance(state), 0, reader().words);
      expect(failure).toMatchObject({ crashed: state === "crashed", words: "FATAL: 1" });
    },
  );

  test.each([undefined, "starting", "stopped", "stopping", "creating replica", "running"])(
    "not when it says %s",
    async (state) => {
      const { read, words } = reader();
      expect(await new StartFailures().of(instance(state), 0, words)).toBeUndefined();
      expect(read).toEqual([]);
    },
  );
});

test("while Patroni tries again it stays failed, and its log is read once", async () => {
  const failures = new StartFailures();
  const { read, words } = reader();
  for (const state of ["start failed", "starting", "start failed", "starting"]) {
    expect(await failures.of(instance(state), 1_000, words)).toMatchObject({ words: "FATAL: 1" });
  }
  expect(read).toHaveLength(1);
});

test.each([
  { because: "it fails in another way", next: instance("start failed"), afterMs: 1_000 },
  { because: "the container is another one", next: instance("crashed", { restarts: 1 }), afterMs: 1_000 },
  { because: "the Pod is another one", next: instance("crashed", { uid: "pod-2" }), afterMs: 1_000 },
  { because: "a minute has passed, in which the cause may have changed", next: instance("crashed"), afterMs: 60_000 },
])("the log is read again: $because", async ({ next, afterMs }) => {
  const failures = new StartFailures();
  const { words } = reader();
  await failures.of(instance("crashed"), 0, words);
  expect(await failures.of(next, afterMs, words)).toMatchObject({ words: "FATAL: 2" });
});

test("once PostgreSQL has run nothing is wrong with how it starts", async () => {
  const failures = new StartFailures();
  const { words } = reader();
  await failures.of(instance("start failed"), 0, words);
  expect(await failures.of(instance("running"), 1_000, words)).toBeUndefined();
  expect(await failures.of(instance("starting"), 2_000, words)).toBeUndefined();
});
