import { expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { planRetirement } from "../../src/database/retirement.ts";
import { instances, leading, orders, streaming, type InstanceFixture } from "../support/orders.ts";

const primary: InstanceFixture = { number: 2, patroni: leading };
const retired = { retired: true } as const;
const stopped = { pod: false, statefulSet: false } as const;
const deaf = { ...streaming, replication_state: undefined };

const cases: {
  act: string;
  because: string;
  existing: InstanceFixture[];
  leader?: number | null;
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
    act: "nothing",
    because: "one after another",
  },
  {
    existing: [primary, { number: 3, volume: retired, ...stopped }],
    act: "nothing",
    because: "its volume is kept",
  },
  {
    existing: [primary, { number: 3, volume: retired, ...stopped }],
    deletionPolicy: "Delete",
    act: "removeVolume 3",
    because: "its volume is not kept",
  },
  {
    existing: [primary, { number: 3, volume: retired, ...stopped }],
    deletionPolicy: "Delete",
    leader: null,
    act: "nothing",
    because: "nobody leads, and its volume might hold what no other does",
  },
  {
    existing: [primary, { number: 3, volume: { ...retired, ownerUid: "another" }, ...stopped }],
    deletionPolicy: "Delete",
    act: "nothing",
    because: "its volume is of an earlier Database of that name",
  },
];

test.each(cases)("$act of more than one: $because", ({ existing, leader = 2, deletionPolicy = "Retain", act }) => {
  const planned = planRetirement(orders({ deletionPolicy }), instances(leader ?? undefined, ...existing));
  expect(planned === undefined ? "nothing" : `${planned.type} ${planned.instance.number}`).toBe(act);
});
