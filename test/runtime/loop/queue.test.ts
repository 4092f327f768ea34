import { array, assert, asyncProperty, constantFrom, integer, oneof, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultBackoff } from "../../../src/runtime/backoff.ts";
import { maxTimerMs } from "../../../src/runtime/clock.ts";
import { priorities, WorkQueue, type Next, type Turn } from "../../../src/runtime/loop/queue.ts";
import { settle, VirtualClock } from "../../../testing/virtual-clock.ts";

const backoff = { initialMs: 1_000, maxMs: 300_000, factor: 2, jitter: 0 };
const low = { priority: priorities.low };

function setUp() {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ clock, backoff, random: () => 0.5 });
  /** The keys that are ready now, in order, each ended with `next`. */
  const runAll = async (next: Next = { type: "idle" }): Promise<string[]> => {
    const keys: string[] = [];
    const stop = new AbortController();
    for (;;) {
      const turn = queue.take(stop.signal);
      await settle();
      const taken = await Promise.race([turn, Promise.resolve(undefined)]);
      if (taken === undefined) break;
      keys.push(taken.key);
      queue.done(taken.key, next);
    }
    stop.abort();
    return keys;
  };
  const take = async (): Promise<Turn> => {
    const turn = await queue.take();
    if (turn === undefined) throw new Error("the queue is closed");
    return turn;
  };
  return { clock, queue, runAll, take };
}

describe("reasons", () => {
  test("of all that woke a key since its last turn go with it, each once", async () => {
    const { queue, take } = setUp();
    for (const reason of ["Secret updated", "ConfigMap added", "Secret updated"]) queue.add("a", { reason });
    expect((await take()).reason).toBe("Secret updated, ConfigMap added");
    queue.add("a", { reason: "Pod deleted" });
    queue.done("a", { type: "after", afterMs: 1_000 });
    expect((await take()).reason).toBe("Pod deleted");
  });

  test("of a deadline give way to what comes before it", async () => {
    const { queue, take, clock } = setUp();
    queue.add("a");
    await take();
    queue.done("a", { type: "after", afterMs: 1_000 });
    await clock.advance(500);
    queue.add("a", { reason: "Secret updated" });
    expect((await take()).reason).toBe("Secret updated");
  });

  test("never grow beyond a line, however much wakes a key that cannot run", async () => {
    const { queue, take } = setUp();
    queue.add("a");
    await take();
    for (let i = 0; i < 1_000; i++) queue.add("a", { reason: `Kind${i} updated` });
    queue.done("a", { type: "idle" });
    expect((await take()).reason.length).toBeLessThan(200);
  });
});

describe("deduplication", () => {
  test("rule 2: any number of adds of a waiting key are one run", async () => {
    const { queue, runAll } = setUp();
    for (let i = 0; i < 5; i++) queue.add("a");
    expect(await runAll()).toEqual(["a"]);
  });

  test("rule 2: added again, a key takes the highest priority and the earliest time: now beats a wait", async () => {
    const { queue, take, runAll } = setUp();
    queue.add("a");
    await take();
    queue.add("a", low);
    queue.add("b", low);
    queue.done("a", { type: "after", afterMs: 60_000 });
    expect(await runAll()).toEqual(["a", "b"]);
  });

  test("rule 1: an add during the run makes one more run after it, and none beside it", async () => {
    const { queue, take, runAll } = setUp();
    queue.add("a");
    await take();
    queue.add("a");
    queue.add("a");
    expect(await runAll()).toEqual([]);
    queue.done("a", { type: "idle" });
    expect(await runAll()).toEqual(["a"]);
  });

  test("a key that succeeded leaves nothing behind (rule 11)", async () => {
    const { clock, queue, runAll } = setUp();
    queue.add("a");
    await runAll({ type: "backoff" });
    expect(queue.size).toBe(1);
    await clock.advance(1_000);
    await runAll();
    expect(queue.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("done without take is a mistake that is told", () => {
    const { queue } = setUp();
    expect(() => queue.done("a", { type: "idle" })).toThrow("without take");
  });
});

describe("order", () => {
  test("first in, first out", async () => {
    const { queue, runAll } = setUp();
    for (const key of ["c", "a", "b", "a"]) queue.add(key);
    expect(await runAll()).toEqual(["c", "a", "b"]);
  });

  test("rule 16: a fresh change overtakes the initial list, and raises a key that is in it", async () => {
    const { queue, runAll } = setUp();
    for (const key of ["a", "b", "c"]) queue.add(key, low);
    queue.add("d");
    queue.add("c");
    queue.add("d", low);
    expect(await runAll()).toEqual(["c", "d", "a", "b"]);
  });

  test("a retry keeps the priority of what it retries", async () => {
    const { clock, queue, take, runAll } = setUp();
    queue.add("a", low);
    await take();
    queue.done("a", { type: "backoff" });
    await clock.advance(1_000);
    queue.add("b");
    expect(await runAll()).toEqual(["b", "a"]);
  });

  test("keys that fall due come in the order of their times", async () => {
    const { clock, queue, take, runAll } = setUp();
    const delays = { a: 30, b: 10, c: 20 };
    for (const key of Object.keys(delays)) queue.add(key);
    for (let i = 0; i < 3; i++) {
      const { key } = await take();
      queue.done(key, { type: "after", afterMs: delays[key as keyof typeof delays] });
    }
    clock.stall(100);
    await clock.advance(0);
    expect(await runAll()).toEqual(["b", "c", "a"]);
  });
});

describe("requeue", () => {
  test("rule 6: an event runs the key earlier, and the wait is then over", async () => {
    const { clock, queue, runAll } = setUp();
    queue.add("a");
    await runAll({ type: "after", afterMs: 60_000 });
    await clock.advance(30_000);
    queue.add("a");
    expect(await runAll()).toEqual(["a"]);
    await clock.advance(600_000);
    expect(await runAll()).toEqual([]);
  });

  test("an event during the run makes the wait that it asks for needless", async () => {
    const { clock, queue, take, runAll } = setUp();
    queue.add("a");
    await take();
    queue.add("a");
    queue.done("a", { type: "after", afterMs: 60_000 });
    expect(await runAll()).toEqual(["a"]);
    await clock.advance(600_000);
    expect(await runAll()).toEqual([]);
  });

  test("again is at once the first time, then waits longer and longer until a run is content", async () => {
    const { clock, queue, runAll, take } = setUp();
    const waits: number[] = [];
    queue.add("a");
    for (let i = 0; i < 5; i++) {
      const since = clock.now();
      const turn = take();
      while (clock.now() - since < 20_000 && queue.state().runningMs.length === 0) await clock.advance(500);
      await turn;
      waits.push(clock.now() - since);
      queue.done("a", { type: "again" });
    }
    expect(waits).toEqual([0, 0, 1_000, 2_000, 4_000].map((ms) => expect.closeTo(ms, -3)));
    await clock.advance(8_000);
    await runAll();
    queue.add("a");
    expect((await take()).failures).toBe(0);
  });

  test("again is at once also within the backoff of failures, which it forgets", async () => {
    const { clock, queue, runAll, take } = setUp();
    queue.add("a");
    for (let i = 0; i < 9; i++) {
      await runAll({ type: "backoff" });
      if (i < 8) await clock.advance(delayOf(i));
    }
    queue.add("a");
    await take();
    queue.done("a", { type: "again" });
    expect(queue.state().ready.size).toBe(1);
    expect((await take()).failures).toBe(0);
    queue.done("a", { type: "backoff" });
    expect(queue.state().dueInMs).toBeCloseTo(delayOf(0), -3);
  });

  test("rule 10: a wait longer than a timer can hold does not fire at once", async () => {
    const { clock, queue, runAll } = setUp();
    queue.add("a");
    await runAll({ type: "after", afterMs: maxTimerMs * 3 });
    await clock.advance(maxTimerMs * 2);
    expect(await runAll()).toEqual([]);
    await clock.advance(maxTimerMs);
    expect(await runAll()).toEqual(["a"]);
  });

  test("a resync waits at low priority", async () => {
    const { clock, queue, runAll } = setUp();
    queue.add("a");
    await runAll({ type: "resync", afterMs: 1_000 });
    await clock.advance(1_000);
    queue.add("b");
    expect(await runAll()).toEqual(["b", "a"]);
  });
});

describe("failures", () => {
  test("each waits longer than the one before; success forgets them (rule 5)", async () => {
    const { clock, queue, runAll, take } = setUp();
    queue.add("a");
    for (const waitMs of [1_000, 2_000, 4_000]) {
      await runAll({ type: "backoff" });
      await clock.advance(waitMs - 1);
      expect(await runAll()).toEqual([]);
      await clock.advance(1);
    }
    expect((await take()).failures).toBe(3);
    queue.done("a", { type: "after", afterMs: 5 });
    await clock.advance(5);
    expect((await take()).failures).toBe(0);
  });

  test("rule 8: failures of runs that events caused move neither the deadline nor the count", async () => {
    const { clock, queue, runAll, take } = setUp();
    queue.add("a");
    await runAll({ type: "backoff" });
    await clock.advance(1_000);
    await runAll({ type: "backoff" });
    for (let i = 0; i < 19; i++) {
      await clock.advance(100);
      queue.add("a");
      expect(await runAll({ type: "backoff" })).toEqual(["a"]);
    }
    expect(await runAll()).toEqual([]);
    await clock.advance(100);
    expect((await take()).failures).toBe(2);
  });

  test("rule 9: keys that failed together are not tried again together", async () => {
    const clock = new VirtualClock();
    const drawn = [0, 0.5, 0.999];
    const queue = new WorkQueue({ clock, backoff: defaultBackoff, random: () => drawn.shift() ?? 0.5 });
    for (const key of ["a", "b", "c"]) queue.add(key);
    for (const key of ["a", "b", "c"]) {
      await queue.take();
      queue.done(key, { type: "backoff" });
    }
    const retries: (readonly [string | undefined, number])[] = [];
    for (let i = 0; i < 3; i++)
      void queue.take().then((turn) => retries.push([turn?.key, Math.round(clock.now())] as const));
    await clock.advance(2_000);
    expect(retries).toEqual([
      ["a", 800],
      ["b", 1_000],
      ["c", 1_200],
    ]);
  });

  test("who asks for a longer wait gets it, and a shorter one does not shorten the backoff", async () => {
    const { clock, queue, runAll } = setUp();
    queue.add("a");
    await runAll({ type: "backoff", atLeastMs: 10_000 });
    await clock.advance(9_999);
    expect(await runAll()).toEqual([]);
    await clock.advance(1);
    expect(await runAll({ type: "backoff", atLeastMs: 1 })).toEqual(["a"]);
    await clock.advance(1_999);
    expect(await runAll()).toEqual([]);
    await clock.advance(1);
    expect(await runAll()).toEqual(["a"]);
  });

  test("a wait that is the consequence of a failure keeps the count", async () => {
    const { clock, queue, runAll, take } = setUp();
    queue.add("a");
    await runAll({ type: "backoff" });
    await clock.advance(1_000);
    await runAll({ type: "after", afterMs: 50, failed: true });
    await clock.advance(50);
    expect((await take()).failures).toBe(1);
  });

  test("rule 13: forget drops the deadline and the count, since the object is another one now", async () => {
    const { clock, queue, runAll, take } = setUp();
    queue.add("a");
    await runAll({ type: "backoff" });
    queue.forget("a");
    expect(queue.size).toBe(0);
    expect(clock.pending).toBe(0);
    await clock.advance(10_000);
    expect(await runAll()).toEqual([]);
    queue.add("a");
    expect((await take()).failures).toBe(0);
  });

  test("rule 13: nor does a run count that began before forget and ends after it", async () => {
    const { clock, queue, take, runAll } = setUp();
    queue.add("a");
    await take();
    queue.forget("a");
    queue.done("a", { type: "backoff" });
    expect(queue.size).toBe(0);
    queue.add("a");
    await take();
    queue.forget("a");
    queue.add("a");
    queue.done("a", { type: "after", afterMs: 5 });
    expect((await take()).failures).toBe(0);
    queue.done("a", { type: "idle" });
    await clock.advance(10);
    expect(await runAll()).toEqual([]);
  });
});

describe("closing", () => {
  test("whoever waits for a turn goes home, and what was added again during its run is dropped", async () => {
    const { queue, take } = setUp();
    queue.add("a");
    await take();
    queue.add("a");
    const waiting = queue.take();
    const closing = queue.close();
    expect(await waiting).toBeUndefined();
    queue.done("a", { type: "idle" });
    await closing;
    expect(queue.size).toBe(0);
  });

  test("nothing starts any more, takers go home, and it resolves when the last run has ended", async () => {
    const { clock, queue, take } = setUp();
    queue.add("a");
    await take();
    queue.add("b");
    const other = new WorkQueue({ clock, backoff }).take(AbortSignal.abort());
    expect(await other).toBeUndefined();
    let closed = false;
    const closing = queue.close().then(() => (closed = true));
    expect(await queue.take()).toBeUndefined();
    await settle();
    expect(closed).toBe(false);
    queue.add("c");
    queue.done("a", { type: "backoff" });
    await closing;
    expect(queue.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("a taker whose signal aborts gets nothing, and takes nothing from the others", async () => {
    const { queue } = setUp();
    const leaving = new AbortController();
    const first = queue.take(leaving.signal);
    const second = queue.take();
    leaving.abort();
    queue.add("a");
    expect(await first).toBeUndefined();
    expect((await second)?.key).toBe("a");
  });
});

test("what is ready, what runs, and when the next is due can be read at any time", async () => {
  const { clock, queue, take } = setUp();
  queue.add("later");
  queue.done((await take()).key, { type: "after", afterMs: 1_000 });
  queue.add("a");
  await take();
  queue.add("b");
  queue.add("c", low);
  await clock.advance(250);
  expect(queue.state()).toEqual({
    ready: new Map([
      [0, 1],
      [-100, 1],
    ]),
    runningMs: [250],
    dueInMs: 750,
    turns: 2,
  });
});

test("a hundred thousand keys, all in backoff and woken by events, are handed out once each and leave nothing", async () => {
  const { clock, queue, take } = setUp();
  const keys = Array.from({ length: 100_000 }, (_, i) => `shop/orders-${i}`);
  for (const key of keys) queue.add(key, low);
  for (let i = 0; i < keys.length; i++) queue.done((await take()).key, { type: "backoff" });
  for (const key of keys) queue.add(key);
  for (let i = 0; i < keys.length; i++) queue.done((await take()).key, { type: "idle" });
  expect(queue.size).toBe(0);
  expect(clock.pending).toBe(0);
});

const delayOf = (attempt: number): number => Math.min(backoff.maxMs, backoff.initialMs * 2 ** attempt);

describe("against a simple model", () => {
  const keys = constantFrom("a", "a", "b", "c");
  const nexts = oneof(
    constantFrom<Next>({ type: "idle" }, { type: "again" }, { type: "backoff" }),
    record({ type: constantFrom<"after" | "resync">("after", "resync"), afterMs: integer({ min: 0, max: 5_000 }) }),
  );
  const steps = array(
    oneof(
      record({ do: constantFrom<"add">("add"), key: keys, priority: constantFrom(0, -100) }),
      record({ do: constantFrom<"advance">("advance"), ms: integer({ min: 0, max: 3_000 }) }),
      record({ do: constantFrom<"take">("take") }),
      record({ do: constantFrom<"forget">("forget"), key: keys }),
      record({ do: constantFrom<"done">("done"), pick: integer({ min: 0, max: 9 }), next: nexts }),
    ),
    { maxLength: 60, size: "max" },
  );

  test("never two runs of a key at once; every add is followed by a run that starts after it; nothing is lost", async () => {
    await assert(
      asyncProperty(steps, async (steps) => {
        const { clock, queue } = setUp();
        const running: string[] = [];
        /** Keys that are owed a run, and from when at the latest they must be ready. */
        const owed = new Map<string, { readyAt: number; priority: number; since: number }>();
        let order = 0;
        const owe = (key: string, readyAt: number, priority: number): void => {
          const known = owed.get(key);
          owed.set(key, {
            readyAt: Math.min(known?.readyAt ?? Infinity, readyAt),
            priority: Math.max(known?.priority ?? -Infinity, priority),
            since: known?.since ?? order++,
          });
        };
        interface Streak {
          readonly count: number;
          readonly until: number;
        }
        const failures = new Map<string, Streak>();
        const agains = new Map<string, Streak>();
        const lastPriority = new Map<string, number>();
        /** Keys that were forgotten while they ran. */
        const outdated = new Set<string>();
        const takeNow = async (): Promise<void> => {
          const stop = new AbortController();
          const turn = queue.take(stop.signal);
          stop.abort();
          const taken = await turn;
          const ready = [...owed].filter(([key, due]) => due.readyAt <= clock.now() && !running.includes(key));
          if (taken === undefined) return expect(ready).toEqual([]);
          expect(running).not.toContain(taken.key);
          const highest = Math.max(...ready.map(([, due]) => due.priority));
          expect(taken.priority).toBe(highest);
          expect(ready.map(([key]) => key)).toContain(taken.key);
          lastPriority.set(taken.key, taken.priority);
          owed.delete(taken.key);
          running.push(taken.key);
        };
        const finish = (key: string, next: Next): void => {
          running.splice(running.indexOf(key), 1);
          queue.done(key, next);
          if (outdated.delete(key)) return;
          const priority = lastPriority.get(key) ?? 0;
          const now = clock.now();
          const longer = (streaks: Map<string, Streak>, delay: (count: number) => number): number => {
            const { count, until } = streaks.get(key) ?? { count: 0, until: 0 };
            if (now < until) return until;
            streaks.set(key, { count: count + 1, until: now + delay(count) });
            return now + delay(count);
          };
          if (next.type !== "backoff") failures.delete(key);
          if (next.type !== "backoff" && next.type !== "again") agains.delete(key);
          if (next.type === "backoff") owe(key, longer(failures, delayOf), priority);
          if (next.type === "again") {
            const delay = (count: number): number => (count === 0 ? 0 : delayOf(count - 1));
            owe(key, longer(agains, delay), priority);
          }
          if (next.type === "after") owe(key, now + next.afterMs, priority);
          if (next.type === "resync") owe(key, now + next.afterMs, -100);
        };
        for (const step of steps) {
          if (step.do === "add") {
            queue.add(step.key, { priority: step.priority });
            owe(step.key, clock.now(), step.priority);
          } else if (step.do === "forget") {
            queue.forget(step.key);
            failures.delete(step.key);
            agains.delete(step.key);
            if (running.includes(step.key)) outdated.add(step.key);
            else if ((owed.get(step.key)?.readyAt ?? 0) > clock.now()) owed.delete(step.key);
          } else if (step.do === "advance") await clock.advance(step.ms);
          else if (step.do === "take") await takeNow();
          else if (running.length > 0) finish(running[step.pick % running.length] ?? "", step.next);
        }
        for (const key of running.slice()) finish(key, { type: "idle" });
        await clock.advance(maxTimerMs);
        while (owed.size > 0) {
          const before = owed.size;
          await takeNow();
          expect(owed.size).toBe(before - 1);
          for (const key of running.slice()) finish(key, { type: "idle" });
        }
        expect(queue.size).toBe(0);
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });
});
