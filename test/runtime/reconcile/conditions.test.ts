import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Condition,
  findCondition,
  isTrue,
  maxMessageLength,
  type NewCondition,
  setCondition,
  summarise,
} from "../../../src/runtime/reconcile/conditions.ts";

const noon = new Date("2026-02-10T12:00:00.123Z");
const later = new Date("2026-02-10T12:05:00Z");
const ready: NewCondition = { type: "Ready", status: "True", reason: "AsDeclared", message: "", observedGeneration: 1 };

const newCondition = fc.record<NewCondition>({
  type: fc.constantFrom("Ready", "Available", "Degraded"),
  status: fc.constantFrom("True", "False", "Unknown"),
  reason: fc.constantFrom("A", "B"),
  message: fc.oneof(fc.string(), fc.string({ unit: "grapheme", minLength: 1000, maxLength: 1400 })),
  observedGeneration: fc.nat(3),
});
const history = fc.array(newCondition, { maxLength: 20 });
const instant = fc.date({ min: new Date("2020-01-01"), max: new Date("2030-01-01"), noInvalidDate: true });

function play(conditions: readonly NewCondition[]): readonly Condition[] {
  return conditions.reduce<readonly Condition[]>((list, condition) => setCondition(list, condition, noon), []);
}

describe("setCondition", () => {
  test("writes the time in whole seconds, as the API server does", () => {
    expect(setCondition(undefined, ready, noon)).toEqual([{ ...ready, lastTransitionTime: "2026-02-10T12:00:00Z" }]);
  });

  test("rule 48: moves the time only when the status changes", () => {
    fc.assert(
      fc.property(history, newCondition, instant, (past, next, now) => {
        const before = play(past);
        const old = findCondition(before, next.type);
        const time = findCondition(setCondition(before, next, now), next.type)!.lastTransitionTime;
        if (old?.status === next.status) expect(time).toBe(old.lastTransitionTime);
        else expect(time).toBe(`${now.toISOString().slice(0, 19)}Z`);
      }),
    );
  });

  test("keeps the order, one of each type, and everything else as it was", () => {
    fc.assert(
      fc.property(history, newCondition, (past, next) => {
        const before = play(past);
        const after = setCondition(before, next, later);
        const types = before.map(({ type }) => type);
        expect(after.map(({ type }) => type)).toEqual(types.includes(next.type) ? types : [...types, next.type]);
        for (const other of before) if (other.type !== next.type) expect(after).toContain(other);
      }),
    );
  });

  test("said twice, changes nothing: the same list comes back", () => {
    fc.assert(
      fc.property(history, newCondition, (past, next) => {
        const once = setCondition(play(past), next, noon);
        expect(setCondition(once, next, later)).toBe(once);
      }),
    );
  });

  test("cuts long messages without breaking a character", () => {
    fc.assert(
      fc.property(newCondition, (next) => {
        const { message } = setCondition([], next, noon)[0]!;
        expect(message.length).toBeLessThanOrEqual(maxMessageLength);
        if (next.message.isWellFormed()) expect(message.isWellFormed()).toBe(true);
        if (next.message.length <= maxMessageLength) expect(message).toBe(next.message);
      }),
    );
  });
});

describe("isTrue", () => {
  const list = setCondition(undefined, { ...ready, observedGeneration: 3 }, noon);
  test.for([
    ["Ready", undefined, true, "it says so"],
    ["Ready", 3, true, "it speaks of this generation"],
    ["Ready", 4, false, "it speaks of an older spec"],
    ["Available", undefined, false, "nobody says so"],
  ] as const)("%s at generation %s is %s, because %s", ([type, generation, expected]) => {
    expect(isTrue(list, type, generation)).toBe(expected);
  });

  test("is not without an observed generation, where one is asked for", () => {
    const { observedGeneration: _, ...timeless } = ready;
    expect(isTrue(setCondition([], timeless, noon), "Ready", 1)).toBe(false);
  });
});

function part(type: string, status: Condition["status"]): NewCondition {
  return { type, status, reason: `${type}Reason`, message: `why ${type}` };
}

describe("summarise", () => {
  const options = {
    type: "Ready",
    healthy: { Available: "True", Degraded: "False", Progressing: "False" },
    otherwise: { reason: "AsDeclared", message: "Everything is as declared" },
    observedGeneration: 2,
  } as const;
  const allWell = [part("Progressing", "False"), part("Available", "True"), part("Degraded", "False")];

  test("is True when every part is healthy", () => {
    expect(summarise(allWell, options)).toEqual({
      type: "Ready",
      status: "True",
      reason: "AsDeclared",
      message: "Everything is as declared",
      observedGeneration: 2,
    });
  });

  test.for([
    [
      [part("Available", "False"), part("Degraded", "True"), part("Progressing", "False")],
      "False",
      "AvailableReason",
      "the weightiest culprit speaks",
    ],
    [
      [part("Available", "True"), part("Degraded", "True"), part("Progressing", "True")],
      "False",
      "DegradedReason",
      "True is bad for Degraded",
    ],
    [
      [part("Available", "Unknown"), part("Degraded", "True"), part("Progressing", "False")],
      "False",
      "DegradedReason",
      "what is wrong outweighs what is unknown",
    ],
    [
      [part("Available", "True"), part("Degraded", "False"), part("Progressing", "Unknown")],
      "Unknown",
      "ProgressingReason",
      "unknown is not well",
    ],
    [
      [part("Available", "True"), part("Degraded", "False")],
      "Unknown",
      "ProgressingUnknown",
      "what is missing is unknown",
    ],
  ] as const)("%# is %s %s, because %s", ([parts, status, reason]) => {
    expect(summarise(parts, options)).toMatchObject({ type: "Ready", status, reason, observedGeneration: 2 });
  });
});
