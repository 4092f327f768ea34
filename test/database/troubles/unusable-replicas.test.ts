import { describe, expect, test } from "vitest";
import type { Instance } from "../../../src/database/instances.ts";
import { UnusableReplicas } from "../../../src/database/troubles/unusable-replicas.ts";
import { instances, leading, streaming, type InstanceFixture } from "../../support/orders.ts";

const lost = "2026-11-21 10:00:00 UTC [42] FATAL:  requested timeline 3 is not a child of this server's history";
const words = "requested timeline 3 is not a child of this server's history";
const silent = { role: "replica", state: "running", timeline: 3 };

function replica(more: Partial<InstanceFixture> = {}, restarts = 0, uid = "pod-2"): Instance {
  const [, found] = instances(1, { number: 1, patroni: leading }, { number: 2, patroni: silent, runs: true, ...more });
  const { pod } = found!;
  const containerStatuses = pod!.status?.containerStatuses?.map((status) => ({ ...status, restartCount: restarts }));
  return {
    ...found!,
    pod: {
      ...pod!,
      metadata: { ...pod!.metadata, uid },
      status: { ...pod!.status, ...(containerStatuses && { containerStatuses }) },
    },
  };
}

const [primary] = instances(1, { number: 1, patroni: leading }) as [Instance];

/** A log, and how often it was read. */
function reader(log: string | undefined) {
  const read: string[] = [];
  return { read, readLog: async () => (read.push("read"), log) };
}

test("a replica that does not follow is given time before its log is read, and more before it is given up", async () => {
  const replicas = new UnusableReplicas();
  const { read, readLog } = reader(lost);
  expect(await replicas.look(replica(), primary, 0, readLog)).toEqual({ againMs: 15_000 });
  expect(await replicas.look(replica(), primary, 14_999, readLog)).toEqual({ againMs: 1 });
  expect(read).toEqual([]);
  expect(await replicas.look(replica(), primary, 15_000, readLog)).toEqual({ words, againMs: 45_000 });
  expect(replicas.givenUp([primary, replica()], 59_999)).toEqual(new Map());
  expect(await replicas.look(replica(), primary, 40_000, readLog)).toEqual({ words, againMs: 20_000 });
  expect(replicas.givenUp([primary, replica()], 60_000)).toEqual(new Map([["orders-2", words]]));
  expect(read).toHaveLength(1);
});

test("while its log says nothing it is read again now and then, and it is never given up", async () => {
  const replicas = new UnusableReplicas();
  const { read, readLog } = reader("");
  for (let nowMs = 0; nowMs < 600_000; nowMs += 5_000) await replicas.look(replica(), primary, nowMs, readLog);
  expect(read).toHaveLength(20);
  expect(replicas.givenUp([primary, replica()], 600_000)).toEqual(new Map());
});

test("a log that cannot be read says nothing", async () => {
  const replicas = new UnusableReplicas({ beforeLookMs: 0, beforeActMs: 0 });
  expect(await replicas.look(replica(), primary, 0, reader(undefined).readLog)).toEqual({ againMs: 30_000 });
});

describe("nothing is held against it, and what was is forgotten:", () => {
  test.each<{ because: string; now: Instance }>([
    { because: "it follows", now: replica({ patroni: streaming }) },
    { because: "it is being filled", now: replica({ patroni: { role: "replica", state: "creating replica" } }) },
    { because: "it is being deleted", now: replica({ podDeleting: true }) },
    { because: "it is to go", now: replica({ volume: { retired: "Retain" } }) },
    { because: "its container does not run", now: replica({ waiting: "CrashLoopBackOff" }) },
    { because: "it leads", now: instances(2, { number: 2, patroni: leading, runs: true })[0]! },
  ])("$because", async ({ now }) => {
    const replicas = new UnusableReplicas({ beforeLookMs: 0, beforeActMs: 0 });
    const { read, readLog } = reader(lost);
    const same = { ...now, pod: { ...now.pod!, metadata: { ...now.pod!.metadata, uid: "pod-2" } } };
    await replicas.look(replica(), primary, 0, readLog);
    expect(replicas.givenUp([primary, same], 1)).toEqual(new Map());
    expect(await replicas.look(same, primary, 1, readLog)).toEqual({});
    expect(read).toHaveLength(1);
    expect(replicas.givenUp([primary, replica()], 2)).toEqual(new Map());
  });

  test.each([
    { because: "its container is another one", now: replica({}, 1) },
    { because: "its Pod is another one", now: replica({}, 0, "pod-3") },
  ])("$because", async ({ now }) => {
    const replicas = new UnusableReplicas();
    const { readLog } = reader(lost);
    await replicas.look(replica(), primary, 0, readLog);
    await replicas.look(replica(), primary, 15_000, readLog);
    expect(await replicas.look(now, primary, 60_000, readLog)).toEqual({ againMs: 15_000 });
    expect(replicas.givenUp([primary, now], 60_000)).toEqual(new Map());
  });

  test("another instance leads by now, which it may be able to follow", async () => {
    const replicas = new UnusableReplicas();
    const { readLog } = reader(lost);
    const [next] = instances(3, { number: 3, patroni: { ...leading, timeline: 4 } }) as [Instance];
    await replicas.look(replica(), primary, 0, readLog);
    await replicas.look(replica(), primary, 15_000, readLog);
    expect(replicas.givenUp([primary, replica()], 60_000).size).toBe(1);
    expect(replicas.givenUp([next, replica()], 60_000).size).toBe(0);
    expect(replicas.givenUp([replica()], 60_000).size).toBe(0);
    expect(await replicas.look(replica(), next, 60_000, readLog)).toEqual({ againMs: 15_000 });
  });
});
