// Which request and which frame a plan hits.
import { describe, expect, test } from "vitest";
import type { RequestMatch } from "../../testing/fault-plan.ts";
import { apiRequestOf } from "../../testing/fault-request.ts";
import { FaultRules, type SeenFrame } from "../../testing/fault-rules.ts";

const asked = (what: string) => {
  const [method = "", name = ""] = what.split(" ");
  const request = apiRequestOf(method, `/api/v1/namespaces/shop/secrets/${name}`, undefined, undefined);
  if (request === undefined) throw new Error(what);
  return request;
};

/** Which of these are hit, by their place. */
const hit = (when: RequestMatch, requests: readonly string[], seed = 1): readonly number[] => {
  const rules = new FaultRules({ seed, requests: [{ when, fault: { type: "reset" } }] });
  return requests.flatMap((what, index) => (rules.forRequest(asked(what)) === undefined ? [] : [index]));
};

describe("of requests", () => {
  const requests = ["GET a", "DELETE a", "DELETE b", "DELETE a", "DELETE b", "DELETE b"];
  test.for<{ when: RequestMatch; hits: readonly number[]; because: string }>([
    { when: {}, hits: [0], because: "without anything it is the first one" },
    { when: { times: 0 }, hits: [0, 1, 2, 3, 4, 5], because: "0 times is always" },
    { when: { verb: "delete" }, hits: [1], because: "others are not counted" },
    { when: { verb: ["get", "delete"], occurrence: 3, times: 2 }, hits: [2, 3], because: "from the third on, two" },
    { when: { verb: "delete", per: "each" }, hits: [1, 2], because: "each object is counted apart" },
    { when: { verb: "delete", per: "each", occurrence: 2 }, hits: [3, 4], because: "each object's second one" },
    { when: { name: "b", times: 0 }, hits: [2, 4, 5], because: "only this name" },
    { when: { resource: "secrets", name: "b" }, hits: [2], because: "both must fit" },
    { when: { resource: "pods", times: 0 }, hits: [], because: "another resource" },
    { when: { resource: ["!pods", "!events"], times: 0 }, hits: [0, 1, 2, 3, 4, 5], because: "any but these" },
    { when: { resource: ["!secrets", "!events"], times: 0 }, hits: [], because: "any but these" },
  ])("$when hits $hits: $because", ({ when, hits }) => {
    expect(hit(when, requests)).toEqual(hits);
  });

  test("a share is the same again with the same seed, whatever comes in between", () => {
    const many = Array.from({ length: 400 }, (_, index) => `DELETE object-${index % 40}`);
    const first = hit({ times: 0, share: 0.25 }, many);
    expect(hit({ times: 0, share: 0.25 }, many)).toEqual(first);
    expect(hit({ times: 0, share: 0.25 }, many, 2)).not.toEqual(first);
    expect(first.length).toBeGreaterThan(50);
    expect(first.length).toBeLessThan(150);
    // Of each object the same of its requests, in whatever order the objects come.
    const turned = many.toReversed();
    const byText = (a = "", b = ""): number => a.localeCompare(b);
    expect(
      hit({ times: 0, share: 0.25 }, turned)
        .map((place) => turned[place])
        .toSorted(byText),
    ).toEqual(first.map((place) => many[place]).toSorted(byText));
  });

  test("the first rule that is due acts, and all count", () => {
    const rules = new FaultRules({
      requests: [
        { when: { occurrence: 2 }, fault: { type: "reset" } },
        { when: { times: 2 }, fault: { type: "hang" } },
      ],
    });
    const types = requests.slice(0, 3).map((what) => rules.forRequest(asked(what))?.type);
    expect(types).toEqual(["hang", "reset", undefined]);
  });
});

test("of frames those of the first collection and bookmarks count only where a rule asks for them", () => {
  const frame = (more: Partial<SeenFrame> = {}): SeenFrame => ({
    resource: "pods",
    name: "a",
    type: "ADDED",
    initial: false,
    collection: "pods shop",
    connection: 1,
    ...more,
  });
  const frames = [frame({ initial: true }), frame({ type: "BOOKMARK" }), frame(), frame({ type: "DELETED" })];
  const hits = (when: object): readonly number[] => {
    const rules = new FaultRules({ frames: [{ when: { times: 0, ...when }, fault: { type: "cut" } }] });
    return frames.flatMap((each, index) => (rules.forFrame(each) === undefined ? [] : [index]));
  };
  expect(hits({})).toEqual([2, 3]);
  expect(hits({ initial: true })).toEqual([0]);
  expect(hits({ type: "BOOKMARK" })).toEqual([1]);
  expect(hits({ type: "DELETED", name: "a", resource: "pods" })).toEqual([3]);
});

test("frames are counted together, for each collection, or for each time that it is watched", () => {
  const seen = ["pods 1", "pods 1", "secrets 2", "pods 3", "pods 3"];
  const hits = (per: "each" | "connection" | undefined): readonly number[] => {
    const when = per === undefined ? {} : { per };
    const rules = new FaultRules({ frames: [{ when, fault: { type: "cut" } }] });
    return seen.flatMap((what, index) => {
      const [collection = "", connection] = what.split(" ");
      const frame = { resource: collection, name: "a", type: "ADDED", initial: false, collection } as const;
      return rules.forFrame({ ...frame, connection: Number(connection) }) === undefined ? [] : [index];
    });
  };
  expect([hits(undefined), hits("each"), hits("connection")]).toEqual([[0], [0, 2], [0, 2, 3]]);
});
