import { describe, expect, test } from "vitest";
import type { Instance } from "../../../src/database/instances.ts";
import { UnusableReplicas } from "../../../src/database/troubles/unusable-replicas.ts";
import { instances, leading, streaming, type InstanceFixture } from "../../support/orders.ts";

const lost = "2026-11-21 10:00:00 UTC [42] FATAL:  requested timeline 3 is not a child of this server's history";
const words = "requested timeline 3 is not a child of this server's history";
const unusable = { words, cause: { type: "other" } } as const;
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
  return {
    read,
    readLog: async () => {
      read.push("read");
      return log === undefined ? undefined : { text: log, whole: true };
    },
  };
}

test("a replica that does not follow is given time before its log is read, and more before it is given up", async () => {
  const replicas = new UnusableReplicas();
  const { read, readLog } = reader(lost);
  expect(await replicas.look(replica(), primary, 0, readLog)).toEqual({ againMs: 15_000 });
  expect(await replicas.look(replica(), primary, 14_999, readLog)).toEqual({ againMs: 1 });
  expect(read).toEqual([]);
  expect(await replicas.look(replica(), primary, 15_000, readLog)).toEqual({ unusable, againMs: 45_000 });
  expect(replicas.givenUp([primary, replica()], 59_999)).toEqual(new Map());
  expect(await replicas.look(replica(), primary, 40_000, readLog)).toEqual({ unusable, againMs: 20_000 });
  expect(replicas.givenUp([primary, replica()], 60_000)).toEqual(new Map([["orders-2", unusable]]));
  expect(read).toHaveLength(1);
});

test("while its log says nothing it is read again now and then, and it is never given up", async () => {
  const replicas = new UnusableReplicas();
  const { read, readLog } = reader("");
  for (let nowMs = 0; nowMs < 600_000; nowMs += 5_000) await replicas.look(replica(), primary, nowMs, readLog);
  expect(read).toHaveLength(20);
  expect(replicas.givenUp([primary, replica()], 600_000)).toEqual(new Map());
});

test("a log that cannot be read says nothing, and is asked for less and less often: each may take its time", async () => {
  const replicas = new UnusableReplicas({ beforeLookMs: 0, beforeActMs: 0 });
  const { read, readLog } = reader(undefined);
  const waits: (number | undefined)[] = [];
  for (let nowMs = 0; waits.length < 5; nowMs += waits.at(-1) ?? 0) {
    waits.push((await replicas.look(replica(), primary, nowMs, readLog)).againMs);
  }
  expect(waits).toEqual([60_000, 120_000, 240_000, 300_000, 300_000]);
  expect(read).toHaveLength(5);
  expect(await replicas.look(replica(), primary, 1_200_000, reader("").readLog)).toEqual({ againMs: 30_000 });
});

describe("how long it has been so counts anew:", () => {
  const known = async () => {
    const replicas = new UnusableReplicas({ beforeLookMs: 0, beforeActMs: 45_000 });
    const { read, readLog } = reader(lost);
    const look = (nowMs: number, now = replica()) => replicas.look(now, primary, nowMs, readLog);
    const isGivenUp = (nowMs: number, now = replica()) => replicas.givenUp([primary, now], nowMs).size === 1;
    await look(0);
    return { replicas, look, isGivenUp, read };
  };

  test.each([
    { because: "its state is another one", now: replica({ patroni: { ...silent, state: "starting" } }) },
    { because: "its timeline is another one", now: replica({ patroni: { ...silent, timeline: 2 } }) },
  ])("$because", async ({ now }) => {
    const { look, isGivenUp, read } = await known();
    // What the cache says now counts, also before it was looked at.
    expect([isGivenUp(45_000), isGivenUp(45_000, now)]).toEqual([true, false]);
    expect(await look(40_000, now)).toEqual({ unusable, againMs: 45_000 });
    expect([isGivenUp(84_999, now), isGivenUp(85_000, now)]).toEqual([false, true]);
    expect(read).toHaveLength(1);
  });

  test("nothing may be done, or nobody leads, for a while", async () => {
    const { replicas, look, isGivenUp } = await known();
    replicas.suspend([primary, replica()]);
    expect(isGivenUp(3_600_000)).toBe(false);
    expect(await look(3_600_000)).toEqual({ unusable, againMs: 45_000 });
    expect([isGivenUp(3_644_999), isGivenUp(3_645_000)]).toEqual([false, true]);
  });

  test("something was done to it: also its log is read again", async () => {
    const { replicas, look, isGivenUp, read } = await known();
    replicas.forget(replica());
    expect(isGivenUp(3_600_000)).toBe(false);
    await look(3_600_000);
    expect(await look(3_600_001)).toEqual({ unusable, againMs: 44_999 });
    expect(read).toHaveLength(2);
    expect(isGivenUp(3_600_002)).toBe(false);
  });
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
