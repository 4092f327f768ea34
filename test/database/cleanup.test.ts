import { expect, test } from "vitest";
import { lastLeader } from "../../src/database/cleanup.ts";
import { instances, leading, streaming, type InstanceFixture } from "../support/orders.ts";

const on = (timeline: number) => ({ leading: { ...leading, timeline }, streaming: { ...streaming, timeline } });
const marked = { lastPrimary: "true" } as const;

test.each<{ because: string; holder?: string; existing: InstanceFixture[]; last: string | undefined }>([
  {
    because: "it holds the leader key, whatever the volumes say",
    holder: "orders-2-0",
    existing: [{ number: 1, volume: marked, patroni: leading }, { number: 2 }],
    last: "orders-2-0",
  },
  {
    because: "the key went with its Service: who took over says so itself",
    existing: [
      { number: 1, volume: marked, pod: false },
      { number: 2, patroni: on(4).leading },
      { number: 3, patroni: on(3).streaming },
    ],
    last: "orders-2-0",
  },
  {
    because: "who led before may not have noticed yet",
    existing: [
      { number: 1, volume: marked, patroni: on(3).leading, podDeleting: true },
      { number: 2, patroni: on(4).leading },
    ],
    last: "orders-2-0",
  },
  {
    because: "what was said on a timeline that others have left behind does not count",
    existing: [
      { number: 1, patroni: on(3).leading, ready: false },
      { number: 2, volume: marked, patroni: on(4).streaming },
    ],
    last: "orders-2-0",
  },
  {
    because: "nothing runs: the volume knows",
    existing: [
      { number: 1, pod: false },
      { number: 2, pod: false, volume: marked },
    ],
    last: "orders-2-0",
  },
  {
    because: "two volumes say so, for a person to decide",
    existing: [1, 2].map((number) => ({ number, pod: false, volume: marked })),
    last: undefined,
  },
  { because: "nobody has ever led", existing: [{ number: 1, patroni: null, ready: false }], last: undefined },
])("$last led last: $because", ({ holder, existing, last }) => {
  expect(lastLeader(holder, instances(undefined, ...existing))).toBe(last);
});
