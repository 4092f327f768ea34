import { property, assert, double, integer, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs, defaultBackoff, spread } from "../../src/runtime/backoff.ts";

describe("backoffMs", () => {
  test.each([
    { attempt: 0, delay: 1_000, because: "the first retry waits the initial delay" },
    { attempt: 1, delay: 2_000, because: "each further one twice as long" },
    { attempt: 8, delay: 256_000, because: "the last one below the cap" },
    { attempt: 9, delay: 300_000, because: "five minutes is the cap" },
    { attempt: 100_000, delay: 300_000, because: "2 to this power is Infinity, and must not become NaN (rule 10)" },
  ])("attempt $attempt waits $delay ms: $because", ({ attempt, delay }) => {
    expect(backoffMs(attempt, defaultBackoff, 0.5)).toBe(delay);
  });

  test("rule 10: no initial delay means none ever", () => {
    expect(backoffMs(5_000, { ...defaultBackoff, initialMs: 0 }, 0.9)).toBe(0);
  });

  test("a delay lies within the jitter of its cap, whatever the attempt, and never falls from one attempt to the next", () => {
    const backoffs = record({
      initialMs: integer({ min: 1, max: 10_000 }),
      maxMs: integer({ min: 10_000, max: 1_000_000 }),
      factor: double({ min: 1, max: 10, noNaN: true }),
      jitter: double({ min: 0, max: 1, noNaN: true }),
    });
    assert(
      property(
        backoffs,
        integer({ min: 0, max: 5_000 }),
        double({ min: 0, max: 0.999, noNaN: true }),
        (of, n, random) => {
          const delay = backoffMs(n, of, random);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(of.maxMs * (1 + of.jitter));
          expect(backoffMs(n + 1, of, random)).toBeGreaterThanOrEqual(delay);
        },
      ),
    );
  });
});

test("spread reaches both ends of the jitter and never goes below zero", () => {
  expect(spread(100, 0.2, 0)).toBe(80);
  expect(spread(100, 0.2, 1)).toBe(120);
  expect(spread(100, 2, 0)).toBe(0);
});
