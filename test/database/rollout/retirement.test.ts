import { expect, test } from "vitest";
import type { DatabaseSpec } from "../../../src/database/api.ts";
import { planRetirement } from "../../../src/database/rollout/retirement.ts";
import { instances, leading, orders, streaming, type InstanceFixture } from "../../support/orders.ts";

const primary: InstanceFixture = { number: 2, patroni: leading };
const retired = { retired: "Retain" } as const;
const underDelete = { retired: "Delete" } as const;
const going = { deleting: true } as const;
const stopped = { pod: false, statefulSet: false } as const;
const deaf = { ...streaming, replication_state: undefined };

const cases: {
  act: string;
  because: string;
  existing: InstanceFixture[];
  leader?: number | null;
  replicas?: number;
  deletionPolicy?: DatabaseSpec["deletionPolicy"];
}[] = [
  { existing: [primary], act: "nothing", because: "there are as many as declared" },
  { existing: [{ number: 1 }, primary, { number: 3 }], act: "retire 3", because: "the highest number goes" },
  {
    existing: [{ number: 1, patroni: deaf }, primary, { number: 3 }],
    act: "retire 1",
    because: "one that does not stream goes before that",
  },
  { existing: [{ number: 1 }, { ...primary, number: 3 }], leader: 3, act: "retire 1", because: "never the primary" },
  { existing: [{ number: 1 }, primary], leader: null, act: "nothing", because: "nobody leads: it may be this one" },
  { existing: [primary, { number: 3, volume: retired }], act: "stop 3", because: "it is marked" },
  {
    existing: [{ number: 1 }, primary, { number: 3, volume: retired }],
    act: "stop 3",
    because: "one that is marked goes before another is",
  },
  {
    existing: [primary, { number: 3, volume: retired }],
    leader: null,
    act: "nothing",
    because: "it is marked, and might be the one that takes over",
  },
  {
    existing: [{ number: 1 }, { ...primary, volume: retired }],
    act: "keep 2",
    because: "it is marked, and has become the primary",
  },
  {
    existing: [{ number: 1 }, primary, { number: 3, volume: retired, podDeleting: true }],
    act: "stop 3",
    because: "a Pod that somebody deletes, and that may never go, would come back",
  },
  {
    existing: [{ number: 1 }, primary, { number: 3, volume: retired, statefulSet: false, podDeleting: true }],
    act: "retire 1",
    because: "a Pod that may never go is in nobody's way",
  },
  {
    existing: [{ number: 1 }, primary, { number: 3, volume: retired, statefulSet: false }],
    act: "nothing",
    because: "its Pod is about to be collected",
  },
  {
    existing: [{ number: 1 }, primary, { number: 3, volume: retired, statefulSet: false, orphaned: true }],
    act: "deletePod 3",
    because: "its Pod was orphaned: nobody else stops it",
  },
  {
    existing: [primary, { number: 3, volume: false, statefulSet: false }],
    act: "nothing",
    because: "of what is a Pod alone there is nothing to mark",
  },
  {
    existing: [{ number: 1, volume: going }, primary, { number: 3 }],
    replicas: 2,
    act: "retire 1",
    because: "one whose volume goes anyway is before others, also while it streams",
  },
  ...[going, { phase: "Lost" } as const, false as const].flatMap((volume) => [
    {
      existing: [{ ...primary, volume }, { number: 3 }],
      act: "nothing",
      because: `it has the only copy that lasts: the primary's volume is ${JSON.stringify(volume)}`,
    },
    {
      existing: [
        { ...primary, volume },
        { number: 3, volume: retired },
      ],
      act: "nothing",
      because: `it is marked, and has the only copy that lasts: the primary's volume is ${JSON.stringify(volume)}`,
    },
    {
      existing: [
        { ...primary, volume },
        { number: 3, volume: underDelete, ...stopped },
      ],
      deletionPolicy: "Delete" as const,
      act: "nothing",
      because: `its volume is older, and lasts: the primary's volume is ${JSON.stringify(volume)}`,
    },
  ]),
  {
    existing: [primary, { number: 3, volume: retired, ...stopped }],
    act: "nothing",
    because: "its volume is kept",
  },
  {
    existing: [primary, { number: 3, volume: underDelete, ...stopped }],
    deletionPolicy: "Delete",
    act: "removeVolume 3",
    because: "its volume is not kept",
  },
  {
    existing: [primary, { number: 3, volume: retired, ...stopped }],
    deletionPolicy: "Delete",
    act: "nothing",
    because: "it was retired to be kept, and an edit does not take that back",
  },
  {
    existing: [primary, { number: 3, volume: { retired: true }, ...stopped }],
    deletionPolicy: "Delete",
    act: "nothing",
    because: "under which policy it was retired is not known",
  },
  {
    existing: [primary, { number: 3, volume: underDelete, ...stopped }],
    act: "nothing",
    because: "the policy is to keep it by now",
  },
  {
    existing: [primary, { number: 3, volume: { ...underDelete, ...going }, ...stopped }],
    deletionPolicy: "Delete",
    act: "nothing",
    because: "its volume goes already",
  },
  {
    existing: [primary, { number: 3, volume: underDelete, ...stopped }],
    deletionPolicy: "Delete",
    leader: null,
    act: "nothing",
    because: "nobody leads, and its volume might hold what no other does",
  },
  {
    existing: [primary, { number: 3, volume: { ...underDelete, ownerUid: "another" }, ...stopped }],
    deletionPolicy: "Delete",
    act: "nothing",
    because: "its volume is of an earlier Database of that name",
  },
];

test.each(cases)("$act: $because", ({ act, ...given }) => {
  const { existing, leader = 2, replicas = 1, deletionPolicy = "Retain" } = given;
  const planned = planRetirement(orders({ replicas, deletionPolicy }), instances(leader ?? undefined, ...existing));
  expect(planned === undefined ? "nothing" : `${planned.type} ${planned.instance.number}`).toBe(act);
});
