import { describe, expect, test } from "vitest";
import type { QueueState } from "../../src/runtime/index.ts";
import { settled } from "../../testing/index.ts";

const idle: QueueState = { ready: new Map(), runningMs: [], dueInMs: undefined, turns: 0 };

/** A manager that goes through these states, one a look, and stays in the last. */
function manager(states: readonly (Partial<QueueState> | undefined)[], behind: readonly (readonly string[])[] = [[]]) {
  const [queues, caches] = [[...states], [...behind]];
  const next = <T>(all: T[]): T => (all.length > 1 ? all.shift()! : all[0]!);
  let looks = 0;
  return {
    queues: () => {
      looks++;
      const state = next(queues);
      return { shop: state === undefined ? undefined : { ...idle, ...state } };
    },
    behind: async () => next(caches),
    looks: () => looks,
  };
}

describe("a manager is not settled", () => {
  test.each([
    { states: [undefined], says: "shop does not run yet", because: "its caches are not synced, or another one leads" },
    { states: [{ ready: new Map([[0, 2]]) }], says: "shop has 2 ready", because: "a worker will take them" },
    { states: [{ runningMs: [5] }], says: "shop has 1 running", because: "it may still write" },
    { states: [{ dueInMs: 900 }], says: "shop has one due in 900 ms", because: "it is about to be retried" },
  ])("while $says: $because", async ({ states, says }) => {
    await expect(settled(manager(states), { timeoutMs: 50 })).rejects.toThrow(`not settled after 50 ms: ${says}`);
  });

  test("while its cache has not been told what is there: that may wake a key", async () => {
    const lagging = manager([{}], [["secrets", "pods"]]);
    await expect(settled(lagging, { timeoutMs: 50 })).rejects.toThrow("the cache is behind: secrets, pods");
  });

  test("when a pass began and ended while the caches were looked at: what it wrote was not seen", async () => {
    const busy = manager([{ turns: 1 }, { turns: 1 }, { turns: 2 }, { turns: 2 }, { turns: 2 }]);
    await settled(busy);
    expect(busy.looks()).toBeGreaterThan(4);
  });
});

test("a deadline further away is none of the work, and how far is for the test to say", async () => {
  await settled(manager([{ dueInMs: 2_000 }]));
  await expect(settled(manager([{ dueInMs: 2_000 }]), { dueWithinMs: 5_000, timeoutMs: 50 })).rejects.toThrow("due in");
});

test("an API server that does not answer is told as it is", async () => {
  const deaf = { ...manager([{}]), behind: () => Promise.reject(new Error("connection refused")) };
  await expect(settled(deaf)).rejects.toThrow("connection refused");
});
