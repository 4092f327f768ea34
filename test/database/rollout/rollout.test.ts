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

const cases: { act: string; existing: InstanceFixture[]; because: string }[] = [
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
];

test.each(cases)("$act: $because", ({ act, existing }) => {
  const planned = planRollout(orders({ replicas: 3 }), instances(1, ...existing), {
    takingUp: false,
    configured: true,
  });
  expect(`${planned?.type} ${planned?.instance.number}`).toBe(act);
});
