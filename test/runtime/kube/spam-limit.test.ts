import { expect, test } from "vitest";
import { createSpamLimit } from "../../../src/runtime/kube/spam-limit.ts";
import { VirtualClock } from "../../../testing/virtual-clock.ts";

function limitOf(clock: VirtualClock, maxKeys = 10) {
  return createSpamLimit({ clock, burst: 3, refillEveryMs: 1_000, maxKeys });
}
const count = (limit: ReturnType<typeof limitOf>, key: string, tries: number): number =>
  Array.from({ length: tries }, () => limit.allows(key)).filter(Boolean).length;

test("a burst is allowed, then one each interval, never more than a burst at once", () => {
  const clock = new VirtualClock();
  const limit = limitOf(clock);
  expect(count(limit, "a", 10)).toBe(3);
  clock.stall(999);
  expect(count(limit, "a", 10)).toBe(0);
  clock.stall(1);
  expect(count(limit, "a", 10)).toBe(1);
  clock.stall(1_000_000);
  expect(count(limit, "a", 10)).toBe(3);
});

test("keys do not share", () => {
  const limit = limitOf(new VirtualClock());
  expect(count(limit, "a", 10)).toBe(3);
  expect(count(limit, "b", 10)).toBe(3);
});

test("only so many keys are remembered: the one that was asked for longest ago goes", () => {
  const limit = limitOf(new VirtualClock(), 2);
  count(limit, "a", 3);
  count(limit, "b", 3);
  count(limit, "a", 1);
  count(limit, "c", 1);
  expect(count(limit, "a", 1)).toBe(0);
  expect(count(limit, "b", 3)).toBe(3);
});
