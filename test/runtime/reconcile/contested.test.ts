import { expect, test } from "vitest";
import { ContestedPaths } from "../../../src/runtime/reconcile/contested.ts";

const image = "spec.image";

function world(): { contested: ContestedPaths; pass: (ms: number) => void; take: (path?: string) => string } {
  let now = 0;
  const contested = new ContestedPaths({ clock: { now: () => now } });
  return {
    contested,
    pass: (ms) => void (now += ms),
    /** A pass that finds the path taken: what it is told, and the take if it is free. */
    take: (path = image) => {
      const verdict = contested.judge("uid-1", [path]);
      if (verdict.type === "free") contested.taken("uid-1", [path]);
      return verdict.type;
    },
  };
}

test("a path taken back five times in a minute is contested, and said to be so once", () => {
  const { contested, pass, take } = world();
  for (let i = 0; i < 5; i++, pass(1000)) expect(take()).toBe("free");
  expect(contested.judge("uid-1", [image])).toEqual({ type: "started", path: image, afterMs: 60_000 });
  pass(20_000);
  expect(contested.judge("uid-1", ["spec.other"])).toEqual({ type: "held", path: image, afterMs: 40_000 });
});

test("five takes spread over more than a minute are not", () => {
  const { pass, take } = world();
  for (let i = 0; i < 20; i++, pass(13_000)) expect(take()).toBe("free");
});

test("five different paths are not", () => {
  const { take } = world();
  for (const path of ["a", "b", "c", "d", "e", "f"]) expect(take(path)).toBe("free");
});

test("after a hold one take shows whether it goes on, and the next hold is twice as long, up to an hour", () => {
  const { contested, pass, take } = world();
  for (let i = 0; i < 5; i++) take();
  let expected = 60_000;
  for (let i = 0; i < 10; i++) {
    expect(contested.judge("uid-1", [image])).toEqual({ type: "started", path: image, afterMs: expected });
    pass(expected);
    expect(take()).toBe("free");
    pass(1000);
    expected = Math.min(expected * 2, 3_600_000);
  }
});

test("a quarrel that has ended is forgotten", () => {
  const { contested, pass, take } = world();
  for (let i = 0; i < 5; i++) take();
  expect(take()).toBe("started");
  pass(60_000);
  expect(take()).toBe("free");
  pass(300_000);
  for (let i = 0; i < 5; i++) expect(take()).toBe("free");
  expect(contested.judge("uid-1", [image])).toMatchObject({ type: "started", afterMs: 60_000 });
});

test("another object of the same name starts afresh", () => {
  const { contested, take } = world();
  for (let i = 0; i < 5; i++) take();
  expect(contested.judge("uid-2", [image])).toEqual({ type: "free" });
});
