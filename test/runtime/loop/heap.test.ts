import { array, assert, constantFrom, integer, property, tuple } from "fast-check";
import { expect, test } from "vitest";
import { Heap } from "../../../src/runtime/loop/heap.ts";

test("pops in order whatever was pushed, moved and removed before", () => {
  const steps = array(tuple(constantFrom("push", "move", "remove", "pop"), integer(), integer({ min: 0, max: 1_000 })));
  assert(
    property(steps, (steps) => {
      const heap = new Heap<{ place: number; value: number }>((a, b) => a.value < b.value);
      const model: { place: number; value: number }[] = [];
      for (const [step, value, pick] of steps) {
        const chosen = model[pick % Math.max(1, model.length)];
        if (step === "push") {
          const item = { place: -1, value };
          heap.push(item);
          model.push(item);
        } else if (step === "pop") {
          const popped = heap.pop();
          expect(popped?.value).toBe(model.length === 0 ? undefined : Math.min(...model.map((each) => each.value)));
          if (popped !== undefined) model.splice(model.indexOf(popped), 1);
        } else if (chosen !== undefined && step === "move") {
          chosen.value = value;
          heap.moved(chosen);
        } else if (chosen !== undefined) {
          heap.remove(chosen);
          expect(heap.has(chosen)).toBe(false);
          model.splice(model.indexOf(chosen), 1);
        }
        expect(heap.size).toBe(model.length);
      }
      const rest: (number | undefined)[] = [];
      while (heap.size > 0) rest.push(heap.pop()?.value);
      expect(rest).toEqual(model.map((each) => each.value).toSorted((a, b) => a - b));
    }),
  );
});
