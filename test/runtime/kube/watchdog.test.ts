import { expect, test } from "vitest";
import { watchdog } from "../../../src/runtime/kube/watchdog.ts";
import { VirtualClock } from "../../../testing/virtual-clock.ts";

const never = new AbortController().signal;

test("ends what lasts longer than the whole time, however much is heard", async () => {
  const clock = new VirtualClock();
  const dog = watchdog(clock, never, 1_000);
  for (let passed = 0; passed < 900; passed += 100) {
    await clock.advance(100);
    dog.hears();
  }
  expect(dog.signal.aborted).toBe(false);
  await clock.advance(100);
  expect(dog.signal.aborted).toBe(true);
});

test("ends a silence that is longer than was expected, counted from what was heard last", async () => {
  const clock = new VirtualClock();
  const dog = watchdog(clock, never, 10_000);
  dog.expect(500);
  await clock.advance(400);
  dog.hears();
  await clock.advance(400);
  expect(dog.signal.aborted).toBe(false);
  await clock.advance(100);
  expect(dog.signal.aborted).toBe(true);
});

test("waits for the whole time again when nothing is expected any more", async () => {
  const clock = new VirtualClock();
  const dog = watchdog(clock, never, 10_000);
  dog.expect(500);
  dog.expect(undefined);
  await clock.advance(9_000);
  expect(dog.signal.aborted).toBe(false);
});

test("ends with its parent, for the parent's reason", () => {
  const parent = new AbortController();
  const dog = watchdog(new VirtualClock(), parent.signal, 1_000);
  parent.abort("shutdown");
  expect(dog.signal.reason).toBe("shutdown");
});

test("leaves no timer behind when it is stopped", () => {
  const clock = new VirtualClock();
  const dog = watchdog(clock, never, 1_000);
  dog.expect(10);
  dog.stop();
  expect(clock.pending).toBe(0);
});
