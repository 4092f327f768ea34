import { array, assert, asyncProperty, integer, option, constantFrom, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { type Leadership, LeaseLost, lead } from "../../../src/runtime/loop/leader.ts";
import { microTime } from "../../../src/runtime/kube/micro-time.ts";
import { silent } from "../../support/controller-world.ts";
import { clientOf, LeaseStore, type Trip } from "../../support/lease-store.ts";
import { settle, VirtualClock } from "../../../testing/virtual-clock.ts";

const ref = { namespace: "shop", name: "holdfast" };
const prompt: Trip = { thereMs: 1, backMs: 1 };

function setUp() {
  const clock = new VirtualClock();
  const store = new LeaseStore();
  /** Runs for the lease; `trip` says how its requests fare. */
  const candidate = (identity: string, trip: () => Trip = () => prompt) => {
    const stop = new AbortController();
    const state: { leadership?: Leadership; stop: AbortController; ended?: boolean } = { stop };
    const world = { client: clientOf(store, clock, trip), clock, log: silent, random: () => 0.5 };
    void lead({ ...ref, identity }, world, stop.signal).then((leadership) => {
      state.ended = true;
      if (leadership !== undefined) state.leadership = leadership;
    });
    return state;
  };
  const holder = (): string | undefined => store.writes.at(-1)?.holder;
  return { clock, store, candidate, holder };
}

const holds = (leadership: Leadership | undefined): boolean => {
  try {
    leadership?.assertHeld();
    return leadership !== undefined;
  } catch {
    return false;
  }
};

describe("taking and keeping", () => {
  test("the first to come leads and goes on renewing; the second waits for as long as it does", async () => {
    const { clock, candidate, holder, store } = setUp();
    const a = candidate("a");
    await clock.advance(10);
    const b = candidate("b");
    await clock.advance(120_000);
    expect(holds(a.leadership)).toBe(true);
    expect(b.leadership).toBeUndefined();
    expect(holder()).toBe("a");
    expect(store.writes.length).toBeGreaterThan(50);
    expect(store.writes.at(-1)?.spec).toMatchObject({ leaseDurationSeconds: 15, leaseTransitions: 0 });
  });

  test("rule 52: a released lease is taken at the next try, and the transition is counted", async () => {
    const { clock, candidate, store } = setUp();
    const a = candidate("a");
    await clock.advance(10);
    const b = candidate("b");
    await clock.advance(60_000);
    void a.leadership?.release();
    await clock.advance(3_000);
    expect(holds(b.leadership)).toBe(true);
    expect(() => a.leadership?.assertHeld()).toThrow("released");
    expect(store.writes.at(-1)?.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  });

  test("rule 49: a holder that vanished is followed when its lease did not change for 15 s, whatever times stand in it", async () => {
    const { clock, candidate, store } = setUp();
    const distant = microTime(new Date("2099-01-01T00:00:00Z"));
    store.create({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { ...ref },
      spec: { holderIdentity: "gone", leaseDurationSeconds: 15, renewTime: distant, acquireTime: distant },
    } as never);
    const a = candidate("a");
    await clock.advance(15_000);
    expect(a.leadership).toBeUndefined();
    await clock.advance(3_000);
    expect(holds(a.leadership)).toBe(true);
  });

  test("rule 49: a lease is left alone for as long as its holder asks for, not as long as we would", async () => {
    const { clock, candidate, store } = setUp();
    const metadata = { ...ref };
    const spec = { holderIdentity: "gone", leaseDurationSeconds: 60 };
    store.create({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec } as never);
    const a = candidate("a");
    await clock.advance(59_000);
    expect(a.leadership).toBeUndefined();
    await clock.advance(4_000);
    expect(holds(a.leadership)).toBe(true);
  });

  test("a renewal is one write and no read", async () => {
    const { clock, candidate, store } = setUp();
    let requests = 0;
    candidate("a", () => {
      requests += 1;
      return prompt;
    });
    await clock.advance(10);
    const before = requests - store.writes.length;
    await clock.advance(60_000);
    expect(store.writes.length).toBeGreaterThan(25);
    expect(requests - store.writes.length).toBe(before);
  });

  test("a candidate whose signal aborts gives up, and leaves no timer", async () => {
    const { clock, candidate } = setUp();
    const a = candidate("a");
    await clock.advance(10);
    const b = candidate("b");
    await clock.advance(5_000);
    b.stop.abort();
    await settle();
    expect(b.ended).toBe(true);
    void a.leadership?.release();
    await clock.advance(10);
    expect(clock.pending).toBe(0);
  });

  test("times have six digits behind the point", () => {
    expect(microTime(new Date("2026-01-01T00:00:00.042Z"))).toBe("2026-01-01T00:00:00.042000Z");
  });

  test("rule 50: periods that cannot work are refused", async () => {
    const { clock, store } = setUp();
    const world = { client: clientOf(store, clock, () => prompt), clock, log: silent };
    const signal = new AbortController().signal;
    await expect(lead({ ...ref, identity: "a", renewDeadlineMs: 15_000 }, world, signal)).rejects.toThrow(RangeError);
    await expect(lead({ ...ref, identity: "a", retryPeriodMs: 9_000 }, world, signal)).rejects.toThrow(RangeError);
  });

  test("rule 50: a request that hangs is given up after half the deadline, in time for another try", async () => {
    const { clock, candidate } = setUp();
    let hanging = 0;
    const a = candidate("a", () => (hanging-- > 0 ? { thereMs: 1e9, backMs: 0 } : prompt));
    await clock.advance(10);
    hanging = 1;
    await clock.advance(60_000);
    expect(hanging).toBeLessThan(0);
    expect(holds(a.leadership)).toBe(true);
  });
});

describe("losing", () => {
  test("rule 51: whoever cannot renew for 10 s has lost, before anybody else may take the lease", async () => {
    const { clock, candidate } = setUp();
    let cut = false;
    const a = candidate("a", () => (cut ? { ...prompt, lost: "request" } : prompt));
    await clock.advance(10);
    const b = candidate("b");
    await clock.advance(30_000);
    cut = true;
    await clock.advance(10_000);
    expect(a.leadership?.lost.reason).toBeInstanceOf(LeaseLost);
    expect(b.leadership).toBeUndefined();
    await clock.advance(10_000);
    expect(holds(b.leadership)).toBe(true);
  });

  test("rule 53: the deadline counts from when the renewal was sent, not from when it was answered", async () => {
    const { clock, candidate } = setUp();
    let trip = prompt;
    const a = candidate("a", () => trip);
    await clock.advance(100);
    trip = { thereMs: 1, backMs: 4_000 };
    await clock.advance(6_500);
    expect(a.leadership?.renewedAt()).toBeGreaterThan(2_000);
    expect(a.leadership?.renewedAt()).toBeLessThan(2_100);
  });

  test("a request that never ends does not keep the loss from being noticed", async () => {
    const { clock, candidate } = setUp();
    let hang = false;
    const a = candidate("a", () => (hang ? { thereMs: 1e9, backMs: 0 } : prompt));
    await clock.advance(5_000);
    hang = true;
    await clock.advance(10_000);
    expect(a.leadership?.lost.aborted).toBe(true);
  });

  test("rule 53: after a stalled event loop nothing may be written, though no timer has fired yet", async () => {
    const { clock, candidate } = setUp();
    const a = candidate("a");
    await clock.advance(5_000);
    clock.stall(30_000);
    expect(a.leadership?.lost.aborted).toBe(false);
    expect(() => a.leadership?.assertHeld()).toThrow(LeaseLost);
    expect(a.leadership?.lost.aborted).toBe(true);
  });

  test("a lease that somebody else took is lost as soon as that is seen", async () => {
    const { clock, candidate, store } = setUp();
    const a = candidate("a");
    await clock.advance(5_000);
    const taken = store.get(ref)?.metadata.resourceVersion ?? "";
    store.patch(ref, [
      { op: "test", path: "/metadata/resourceVersion", value: taken },
      { op: "add", path: "/spec", value: { holderIdentity: "thief", leaseDurationSeconds: 15 } },
    ]);
    await clock.advance(2_500);
    expect(a.leadership?.lost.aborted).toBe(true);
  });
});

describe("releasing", () => {
  test("rule 52: a renewal that lands late is met by another try, and the lease ends up free", async () => {
    const { clock, candidate, store } = setUp();
    let trip = prompt;
    const a = candidate("a", () => trip);
    await clock.advance(100);
    trip = { thereMs: 30, backMs: 1_000 };
    await clock.advance(2_000);
    trip = { thereMs: 50, backMs: 1 };
    let released = false;
    void a.leadership?.release().then(() => (released = true));
    await clock.advance(1_000);
    expect(released).toBe(true);
    expect(store.writes.at(-1)?.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
    expect(clock.pending).toBe(0);
  });

  test("a lease that was lost is not released: it is somebody else's", async () => {
    const { clock, candidate, holder } = setUp();
    let cut = false;
    const a = candidate("a", () => (cut ? { ...prompt, lost: "request" } : prompt));
    await clock.advance(10);
    candidate("b");
    await clock.advance(5_000);
    cut = true;
    await clock.advance(30_000);
    cut = false;
    void a.leadership?.release();
    await clock.advance(1_000);
    expect(holder()).toBe("b");
  });

  test("it ends also when the API server does not answer", async () => {
    const { clock, candidate } = setUp();
    let hang = false;
    const a = candidate("a", () => (hang ? { thereMs: 1e9, backMs: 0 } : prompt));
    await clock.advance(100);
    hang = true;
    let released = false;
    void a.leadership?.release().then(() => (released = true));
    await clock.advance(10_000);
    expect(released).toBe(true);
  });
});

test("two candidates never hold the lease at the same time, however slow, lossy or late their network", async () => {
  const trips = array(
    record({
      thereMs: integer({ min: 0, max: 12_000 }),
      backMs: integer({ min: 0, max: 12_000 }),
      lost: option(constantFrom<"request" | "answer">("request", "answer"), { nil: undefined, freq: 4 }),
    }),
    { minLength: 5, maxLength: 30 },
  );
  let terms = 0;
  await assert(
    asyncProperty(
      trips,
      trips,
      array(integer({ min: 100, max: 25_000 }), { maxLength: 8 }),
      async (of, ofOther, stalls) => {
        const { clock, candidate } = setUp();
        const cycle = (list: typeof of): (() => Trip) => {
          let next = 0;
          // Every other trip is a prompt one, so that terms begin and last.
          return () => (next++ % 2 === 0 ? prompt : (list[(next >> 1) % list.length] ?? prompt));
        };
        const runs = [candidate("a", cycle(of)), candidate("b", cycle(ofOther))];
        const check = (): void => {
          expect(runs.filter((run) => holds(run.leadership)).length).toBeLessThan(2);
        };
        for (const stallMs of [...stalls, 0]) {
          await clock.advance(40_000, check);
          clock.stall(stallMs);
          check();
        }
        terms += runs.filter((run) => run.leadership !== undefined).length;
        for (const run of runs) run.stop.abort();
      },
    ),
    { numRuns: 60 },
  );
  expect(terms).toBeGreaterThan(30);
}, 60_000);
