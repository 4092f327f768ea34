import { expect, test } from "vitest";
import { planReinitialization } from "../../../src/database/rollout/reinitialization.ts";
import type { Unusable, UnusableCause } from "../../../src/database/troubles/unusable-data.ts";
import { instances, leading, type InstanceFixture } from "../../support/orders.ts";

const primary: InstanceFixture = { number: 1, patroni: leading };
const useless = (number: number, more: Partial<InstanceFixture> = {}): InstanceFixture => ({
  number,
  patroni: { role: "replica", state: "running", timeline: 3 },
  ...more,
});
const walRemoved: UnusableCause = { type: "walRemoved", timeline: 3 };
const copyCutOff: UnusableCause = { type: "copyCutOff" };
const told = (cause: UnusableCause): ReadonlyMap<string, Unusable> =>
  new Map([2, 3].map((number) => [`orders-${number}`, { words: `words of ${number}`, cause }]));
const givenUp = told(walRemoved);

interface Case {
  readonly existing: readonly InstanceFixture[];
  readonly leader?: number;
  readonly takingUp?: boolean;
  readonly known?: ReadonlyMap<string, Unusable>;
  readonly act: string;
  readonly because: string;
}

const cases: readonly Case[] = [
  { existing: [primary, { number: 2 }], act: "nothing", because: "it follows after all" },
  {
    existing: [primary, useless(2)],
    act: "orders-2: words of 2",
    because: "another instance leads and keeps what it has",
  },
  {
    existing: [primary, useless(2)],
    known: new Map(),
    act: "nothing",
    because: "nothing is known against it, or not for long enough",
  },
  { existing: [primary, useless(2), useless(3)], act: "orders-2: words of 2", because: "one at a time" },
  {
    existing: [primary, useless(2), useless(3, { patroni: { role: "replica", state: "creating replica" } })],
    act: "nothing",
    because: "another one is being filled",
  },
  {
    existing: [primary, useless(2), useless(4, { podDeleting: true })],
    act: "nothing",
    because: "another one is on its way",
  },
  {
    existing: [useless(1), useless(2)],
    leader: 0,
    act: "nothing",
    because: "nobody leads: it may be all that there is",
  },
  {
    existing: [useless(1, { patroni: leading }), useless(2)],
    leader: 2,
    act: "nothing",
    because: "it holds the key itself",
  },
  {
    existing: [{ ...primary, patroni: { ...leading, state: "starting" } }, useless(2)],
    act: "nothing",
    because: "the primary does not serve",
  },
  {
    existing: [{ ...primary, volume: { deleting: true } }, useless(2)],
    act: "nothing",
    because: "the primary's own data go",
  },
  {
    existing: [{ ...primary, volume: { retired: "Retain" } }, useless(2)],
    act: "nothing",
    because: "the primary is to go",
  },
  {
    existing: [{ ...primary, diskFull: true }, useless(2)],
    act: "nothing",
    because: "the primary has no room for the WAL meanwhile",
  },
  {
    existing: [primary, useless(2, { diskFull: true })],
    act: "nothing",
    because: "it has no room itself: that is to be mended first",
  },
  {
    existing: [primary, useless(2, { volume: { deleting: true } })],
    act: "nothing",
    because: "its volume is made anew anyway",
  },
  { existing: [primary, useless(2, { volume: { retired: "Retain" } })], act: "nothing", because: "it is to go" },
  { existing: [primary, useless(2, { statefulSet: false })], act: "nothing", because: "it is nobody's instance" },
  {
    existing: [primary, useless(2)],
    known: told({ type: "walRemoved", timeline: 2 }),
    act: "nothing",
    because: "it asks for WAL of a timeline that the primary has left",
  },
  {
    existing: [primary, useless(2, { patroni: { role: "replica", state: "running", timeline: 2 } })],
    act: "nothing",
    because: "it is on another timeline than the primary, and may hold what that lacks",
  },
  {
    existing: [primary, useless(2, { patroni: { role: "replica", state: "running" } })],
    act: "nothing",
    because: "its timeline is not known",
  },
  {
    existing: [{ ...primary, patroni: { role: "primary", state: "running" } }, useless(2)],
    act: "nothing",
    because: "the primary's timeline is not known",
  },
  {
    existing: [primary, useless(2, { patroni: { role: "replica", state: "stopped" } })],
    known: told(copyCutOff),
    act: "orders-2: words of 2",
    because: "its first copy was cut off, and its volume was never a primary's",
  },
  ...(["true", "false"] as const).map((lastPrimary) => ({
    existing: [primary, useless(2, { volume: { lastPrimary } })],
    known: told(copyCutOff),
    act: "nothing",
    because: `its volume was a primary's once, and bears ${lastPrimary}`,
  })),
  {
    existing: [primary, useless(2, { volume: false })],
    known: told(copyCutOff),
    act: "nothing",
    because: "nothing is known of its volume",
  },
  {
    existing: [primary, useless(2)],
    known: told({ type: "other" }),
    act: "nothing",
    because: "it may hold what the primary lacks",
  },
  {
    existing: [primary, useless(2, { volume: { lastPrimary: "true" } }), useless(3)],
    known: told(copyCutOff),
    act: "orders-3: words of 3",
    because: "one that needs a hand does not keep back the next",
  },
  { existing: [primary, useless(2)], takingUp: true, act: "nothing", because: "volumes are being taken up" },
];

test.each(cases)("$act: $because", ({ existing, leader = 1, takingUp = false, known = givenUp, act }) => {
  const planned = planReinitialization(instances(leader, ...existing), { takingUp, givenUp: known });
  const said = planned?.type === "reinitialize" ? `${planned.instance.name}: ${planned.unusable.words}` : "nothing";
  expect(said).toBe(act);
});
