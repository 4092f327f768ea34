import { expect, test } from "vitest";
import { planRollout } from "../../../src/database/rollout/rollout.ts";
import { instances, leading, orders, type InstanceFixture } from "../../support/orders.ts";

const primary: InstanceFixture = { number: 1, patroni: leading };
/** Never bound, and not of the size that is declared. */
const mistaken: InstanceFixture = {
  number: 3,
  ready: false,
  patroni: null,
  unscheduled: true,
  volume: { phase: "Pending", size: "2Gi" },
};
const retired: InstanceFixture = { number: 4, volume: { retired: "Retain" } };

/** `useless`: the data of orders-3 have been of no use for a while. */
const cases: { act: string; existing: InstanceFixture[]; because: string; useless?: true }[] = [
  { act: "discardVolume 3", existing: [primary, { number: 2 }, mistaken], because: "nothing else is to be done" },
  {
    act: "deletePod 2",
    existing: [primary, { number: 2, volume: { deleting: true } }, { ...mistaken, statefulSet: false, pod: false }],
    because: "what is lost is filled again before",
  },
  { act: "stop 4", existing: [primary, { number: 2 }, mistaken, retired], because: "what is too many goes before" },
  {
    act: "deletePod 3",
    existing: [primary, { number: 2 }, { ...mistaken, revision: "old" }],
    because: "what was taken back comes before: a volume may wait for its Pod",
  },
  {
    act: "switchover 1",
    existing: [{ ...primary, volume: { deleting: true } }, { number: 2 }, mistaken, retired],
    because: "the primary's data come before everything else",
  },
  {
    act: "reinitialize 3",
    existing: [primary, { number: 2 }, { number: 3, patroni: { role: "replica", state: "starting" } }],
    useless: true,
    because: "what it holds is of no use any more, and nothing else is to be done",
  },
  {
    act: "discardVolume 2",
    existing: [primary, { ...mistaken, number: 2 }, { number: 3, patroni: { role: "replica", state: "starting" } }],
    useless: true,
    because: "a volume that holds nothing is made anew at once, whoever is filled",
  },
  {
    act: "deletePod 3",
    existing: [primary, { number: 2 }, { number: 3, revision: "old", patroni: { role: "replica", state: "starting" } }],
    useless: true,
    because: "what is declared may be the remedy",
  },
  {
    act: "abandonVolume 2",
    existing: [
      primary,
      { number: 2, volume: { phase: "Lost" }, ready: false },
      { number: 3, patroni: { role: "replica", state: "starting" } },
    ],
    useless: true,
    because: "one is filled at a time, and the other has nothing at all",
  },
];

test.each(cases)("$act: $because", ({ act, existing, useless = false }) => {
  const planned = planRollout(orders({ replicas: 3 }), instances(1, ...existing), {
    takingUp: false,
    configured: true,
    givenUp: new Map(useless ? [["orders-3", { words: "no such WAL", cause: { type: "copyCutOff" } }]] : []),
  });
  expect(`${planned?.type} ${planned?.instance.number}`).toBe(act);
});
