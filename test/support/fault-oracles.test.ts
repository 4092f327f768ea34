// The oracles of a whole run fire where they must, and only there; and which faults meet which stories.
import { describe, expect, test } from "vitest";
import type { ProxiedCall } from "../../testing/fault-record.ts";
import { apiRequestOf } from "../../testing/fault-request.ts";
import { chosenCells } from "./fault-choice.ts";
import { faultKinds } from "./fault-kinds.ts";
import { promotionsFromCache, readsOfAnyVersion, writesAfterLoss } from "./fault-oracles.ts";
import { faultStories } from "./stories.ts";

/** "PATCH statefulsets/a" at a time; answered half a second later. */
function call(what: string, at: number, status = 200): ProxiedCall {
  const [method = "", path = ""] = what.split(" ");
  const group = path.startsWith("leases") ? "apis/coordination.k8s.io/v1" : "api/v1";
  const request = apiRequestOf(method, `/${group}/namespaces/shop/${path}`, undefined, undefined);
  if (request === undefined) throw new Error(what);
  return { request, receivedAt: at, answeredAt: at + 0.5, status, upstreamStatus: status };
}

const renews = "PATCH leases/holdfast";
const writes = "PATCH secrets/a";

describe("a write after the lease was lost", () => {
  test.for<{ first: readonly ProxiedCall[]; second: readonly ProxiedCall[]; found: number; because: string }>([
    { first: [call(renews, 1), call(writes, 2)], second: [], found: 0, because: "it holds the lease" },
    { first: [call(renews, 1), call(writes, 4)], second: [call(renews, 3)], found: 1, because: "another one holds it" },
    {
      first: [call(renews, 1), call(writes, 3.2)],
      second: [call(renews, 3)],
      found: 0,
      because: "it was not taken yet",
    },
    {
      first: [call(renews, 1), call(writes, 4)],
      second: [call(renews, 3, 409)],
      found: 0,
      because: "it was not taken",
    },
    {
      first: [call(renews, 1), call("GET secrets/a", 4)],
      second: [call(renews, 3)],
      found: 0,
      because: "it only looks",
    },
    { first: [call(renews, 1), call("POST events", 4)], second: [call(renews, 3)], found: 0, because: "it only tells" },
    { first: [call(writes, 4)], second: [], found: 0, because: "there is no lease" },
  ])("$because: $found", ({ first, second, found }) => {
    expect(writesAfterLoss([first, second]).length).toBe(found);
  });
});

test.for<{ before: readonly ProxiedCall[]; found: number; because: string }>([
  { before: [call("GET endpoints/orders", 1)], found: 0, because: "it looked right before" },
  { before: [], found: 1, because: "it never looked" },
  { before: [call("GET endpoints/orders", 1), call(writes, 2)], found: 1, because: "it did something else since" },
  { before: [call("GET endpoints/orders", 1), call(renews, 2)], found: 0, because: "the lease is renewed meanwhile" },
  { before: [call("GET endpoints/orders?resourceVersion=0", 1)], found: 1, because: "that may be old" },
  { before: [call("GET endpoints/orders", 1, 500)], found: 1, because: "it was not told" },
])("a switchover without a live look at who leads: $because", ({ before, found }) => {
  expect(promotionsFromCache([{ leader: "a", candidate: "b", before }]).length).toBe(found);
});

test("whoever asks for any version is found", () => {
  const calls = ["GET pods?resourceVersion=0", "GET pods", "GET pods?watch=1&resourceVersion=7"].map((what) =>
    call(what, 1),
  );
  expect(readsOfAnyVersion(calls)).toEqual(["list pods shop asks for any version"]);
});

describe("the choice of a run", () => {
  const chosen = (asked: string, seed = 1): readonly string[] =>
    chosenCells(asked, seed, faultKinds, faultStories).map(({ fault, story }) => `${fault.name}×${story.name}`);

  test("is all that is asked for by name", () => {
    expect(chosen("all").length).toBe(faultKinds.length * faultStories.length);
    expect(chosen("cut").length).toBe(faultStories.length);
    expect(chosen("roll").length).toBe(faultKinds.length);
    expect(chosen("cut×roll 409*scale")).toEqual(["409×scale", "cut×roll"]);
    expect(() => chosen("cut×nothing")).toThrow("neither a fault nor a story: cut×nothing");
  });

  test("is a sample otherwise: each fault that needs no API server of its own, and the same for the same seed", () => {
    const names = faultKinds.filter(({ endsApiServer }) => endsApiServer !== true).map(({ name }) => name);
    expect(chosen("").map((cell) => cell.split("×")[0])).toEqual(names);
    expect(chosen("", 7)).toEqual(chosen("", 7));
    expect(chosen("", 7)).not.toEqual(chosen("", 8));
    // Each story about as often as the others.
    const told = Map.groupBy(chosen(""), (cell) => cell.split("×")[1]);
    expect(Math.max(...[...told.values()].map((cells) => cells.length))).toBeLessThanOrEqual(
      Math.ceil(names.length / faultStories.length),
    );
  });
});
