import { describe, expect, test } from "vitest";
import { primaryOf } from "../../../src/database/instances.ts";
import { strandedOf } from "../../../src/database/rollout/stranded.ts";
import { instances, leading, streaming, type InstanceFixture } from "../../support/orders.ts";

const old = { revision: "old" } as const;
const primary: InstanceFixture = { number: 1, patroni: leading, runs: true };
const replica = (number: number, more: Partial<InstanceFixture> = {}): InstanceFixture => ({
  number,
  runs: true,
  ...more,
});
const at = (number: number, state: string, more: Partial<InstanceFixture> = {}): InstanceFixture =>
  replica(number, { ready: false, patroni: { role: "replica", state }, ...more });
const pending = (number: number, more: Partial<InstanceFixture> = {}): InstanceFixture => ({
  number,
  ready: false,
  patroni: null,
  unscheduled: true,
  ...more,
});
/** A node has it. */
const creating = { unscheduled: undefined, pending: true } as const;
const crashing = (number: number, more: Partial<InstanceFixture> = {}): InstanceFixture => ({
  number,
  ready: false,
  waiting: "CrashLoopBackOff",
  ...more,
});
const deaf = { patroni: { ...streaming, replication_state: undefined } } as const;

type Case = { existing: InstanceFixture[]; found: number | undefined; because: string };

const found = (leader: number | undefined, existing: readonly InstanceFixture[]): number | undefined => {
  const all = instances(leader, ...existing);
  return strandedOf(all, primaryOf(all))?.number;
};

describe("beside a primary the stranded instance", () => {
  const cases: Case[] = [
    { existing: [primary, replica(2), replica(3, old)], found: undefined, because: "all serve" },
    { existing: [primary, replica(2), pending(3)], found: undefined, because: "it is as declared, and on its way" },
    { existing: [primary, replica(2), pending(3, old)], found: 3, because: "a placement was taken back" },
    {
      existing: [primary, replica(2), pending(3, { ...old, ...creating, waiting: "ErrImagePull" })],
      found: 3,
      because: "an image was taken back",
    },
    {
      existing: [primary, replica(2), pending(3, { ...old, ...creating })],
      found: undefined,
      because: "it is about to start, and would not hear that it is to go",
    },
    {
      existing: [primary, replica(2), pending(3, { ...old, ...creating, waiting: "ContainerCreating" })],
      found: undefined,
      because: "it is being made",
    },
    { existing: [primary, crashing(2), pending(3, old)], found: 3, because: "whatever becomes of another" },
    { existing: [primary, replica(2), crashing(3, old)], found: 3, because: "it fails again and again" },
    {
      existing: [primary, replica(2), at(3, "start failed", old)],
      found: 3,
      because: "PostgreSQL does not start in it",
    },
    {
      existing: [primary, replica(2), replica(3, { ...old, ...deaf })],
      found: 3,
      because: "it does not stream anyway",
    },
    { existing: [primary, replica(2), at(3, "starting", old)], found: 3, because: "it only replays" },
    {
      existing: [primary, pending(2), replica(3, { ...old, ...deaf })],
      found: undefined,
      because: "what is declared has not served elsewhere",
    },
    {
      existing: [primary, crashing(2), crashing(3, old)],
      found: undefined,
      because: "what is declared does not serve elsewhere, and it may recover",
    },
    {
      existing: [primary, replica(2), at(3, "creating replica", old)],
      found: undefined,
      because: "half a copy is none",
    },
    ...["restart failed (start failed)", "custom bootstrap failed"].map((state) => ({
      existing: [primary, replica(2), at(3, state, old)],
      found: 3,
      because: `nothing is under way in it: ${state}`,
    })),
    {
      existing: [primary, replica(2), at(3, "start failed", { ...old, volume: { deleting: true } })],
      found: 3,
      because: "its volume goes with it, and the primary has the data",
    },
    { existing: [primary, replica(2), at(3, "stopped", old)], found: undefined, because: "it may be rewinding" },
    {
      existing: [primary, replica(2), replica(3, { ...old, ready: false, patroni: null })],
      found: undefined,
      because: "nobody knows what it is doing",
    },
    { existing: [{ ...primary, ...old }, replica(2)], found: undefined, because: "a primary that serves is none" },
    {
      existing: [{ ...primary, ...old, patroni: { ...leading, state: "starting" } }, replica(2)],
      found: undefined,
      because: "a primary is none",
    },
  ];
  test.each(cases)("is $found: $because", ({ existing, found: expected }) => {
    expect(found(1, existing)).toBe(expected);
  });
});

describe("while nobody leads the stranded instance", () => {
  const cases: Case[] = [
    { existing: [1, 2, 3].map((number) => pending(number, old)), found: 1, because: "nothing runs anywhere" },
    {
      existing: [replica(1, old), replica(2, old), replica(3, old)],
      found: undefined,
      because: "a failover is under way",
    },
    {
      existing: [replica(1, old), replica(2, old), crashing(3)],
      found: undefined,
      because: "a failover is under way, and what is declared does not start",
    },
    {
      existing: [crashing(1, old), replica(2, old), crashing(3)],
      found: undefined,
      because: "it could get what does not start elsewhere, and it may recover",
    },
    {
      existing: [crashing(1, old), replica(2, old), replica(3)],
      found: 1,
      because: "nobody takes over, and the remedy is for it",
    },
    { existing: [crashing(1, old), crashing(2, old), crashing(3, old)], found: 1, because: "all are down" },
    {
      existing: [crashing(1), crashing(2, old), crashing(3, old)],
      found: 2,
      because: "all are down, also the first that has the remedy",
    },
    {
      existing: [at(1, "starting", old), at(2, "starting", old)],
      found: undefined,
      because: "all were down and are coming back",
    },
    { existing: [at(1, "starting", old)], found: 1, because: "alone it can only get better" },
    { existing: [at(1, "initializing new cluster", old)], found: undefined, because: "half a cluster is none" },
    ...[{ deleting: true } as const, { phase: "Lost" } as const].flatMap((volume) => [
      {
        existing: [at(1, "start failed", { ...old, volume })],
        found: undefined,
        because: `its data would go with its Pod: the volume is ${JSON.stringify(volume)}`,
      },
      {
        existing: [crashing(1, { ...old, volume }), crashing(2, old), crashing(3, old)],
        found: 2,
        because: `the first may have led last, and would lose its data: the volume is ${JSON.stringify(volume)}`,
      },
    ]),
  ];
  test.each(cases)("is $found: $because", ({ existing, found: expected }) => {
    expect(found(undefined, existing)).toBe(expected);
    // Whoever held the key last.
    expect(found(1, existing)).toBe(expected);
  });
});
