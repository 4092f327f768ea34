import { describe, expect, test } from "vitest";
import type { DatabaseSpec } from "../../../src/database/api.ts";
import { planDiscard, planReplacement } from "../../../src/database/rollout/replacement.ts";
import { volumeLoss } from "../../../src/database/volume-loss.ts";
import {
  instances,
  leading,
  orders,
  streaming,
  type InstanceFixture,
  type VolumeFixture,
} from "../../support/orders.ts";

const lost: VolumeFixture = { phase: "Lost" };
const going: VolumeFixture = { deleting: true };
const primary = (volume: VolumeFixture = {}): InstanceFixture => ({ number: 1, patroni: leading, volume });
const replica = (number: number, volume: VolumeFixture = {}, rest: Partial<InstanceFixture> = {}): InstanceFixture => ({
  number,
  patroni: streaming,
  volume,
  ...rest,
});
const older = { scheduledAt: "2026-11-21T09:00:00Z" };
const newer: VolumeFixture = { createdAt: "2026-11-21T09:00:01Z" };
/** Its Pod waits for its volume. */
const waiting = { ready: false, patroni: null, unscheduled: true } as const;

function act(spec: Partial<DatabaseSpec>, leader: number | undefined, ...existing: InstanceFixture[]) {
  const [database, found] = [orders(spec), instances(leader, ...existing)];
  const planned = planReplacement(database, found) ?? planDiscard(database, found);
  if (planned === undefined) return undefined;
  const to = planned.type === "switchover" ? ` to ${planned.candidate.name}` : "";
  return `${planned.type} ${planned.instance.name}${to}`;
}

describe("of three instances", () => {
  test.each<{ because: string; leader?: number; existing: InstanceFixture[]; expected: string | undefined }>([
    { because: "all volumes are there", existing: [primary(), replica(2), replica(3)], expected: undefined },
    {
      because: "the claim of a lost volume goes first: its Pod must not come back on it",
      existing: [primary(), replica(2, lost), replica(3)],
      expected: "abandonVolume orders-2",
    },
    {
      because: "a claim that is being deleted goes with its Pod",
      existing: [primary(), replica(2, { ...lost, ...going }), replica(3)],
      expected: "deletePod orders-2",
    },
    {
      because: "somebody deletes a claim in use",
      existing: [primary(), replica(2), replica(3, going)],
      expected: "deletePod orders-3",
    },
    {
      because: "its Pod is going already",
      existing: [primary(), replica(2), replica(3, going, { podDeleting: true })],
      expected: undefined,
    },
    {
      because: "its next Pod waits, and holds nothing",
      existing: [primary(), replica(2), replica(3, going, waiting)],
      expected: undefined,
    },
    {
      because: "another replica does not serve",
      existing: [primary(), replica(2, going), replica(3, {}, { ready: false })],
      expected: undefined,
    },
    {
      because: "what does not serve can be no worse, whatever the others do",
      existing: [primary(), replica(2, lost, waiting), replica(3, {}, { ready: false })],
      expected: "abandonVolume orders-2",
    },
    {
      because: "of two the one that does not serve is first",
      existing: [primary(), replica(2, going), replica(3, lost, waiting)],
      expected: "abandonVolume orders-3",
    },
    {
      because: "the primary's data are handed over before they go",
      existing: [primary(going), replica(2), replica(3)],
      expected: "switchover orders-1 to orders-2",
    },
    {
      because: "not to one that loses its own: that is filled again before",
      existing: [primary(lost), replica(2, going), replica(3)],
      expected: "deletePod orders-2",
    },
    {
      because: "whatever becomes of another replica",
      existing: [primary(going), replica(2, {}, { ready: false }), replica(3)],
      expected: "switchover orders-1 to orders-3",
    },
    {
      because: "while no replica has all of it the primary stays what it is",
      existing: [primary(going), replica(2), replica(3, {}, { ready: false })].map((instance) =>
        instance.number === 2 ? { ...instance, patroni: { ...streaming, timeline: 2 } } : instance,
      ),
      expected: undefined,
    },
    {
      because: "its claim is gone, and that of an empty volume would not make it safe",
      existing: [{ ...primary(), volume: false }, replica(2), replica(3)],
      expected: "switchover orders-1 to orders-2",
    },
    {
      because: "its claim was made after the Pod: it has another volume",
      existing: [{ ...primary(newer), ...older }, replica(2), replica(3)],
      expected: "switchover orders-1 to orders-2",
    },
    {
      because: "its Pod has a volume without a claim",
      existing: [primary(), replica(2, newer, older), replica(3)],
      expected: "deletePod orders-2",
    },
    {
      because: "what has no StatefulSet does not last either",
      existing: [primary(going), replica(2, {}, { statefulSet: false }), replica(3)],
      expected: "switchover orders-1 to orders-3",
    },
    {
      because: "its Pod was scheduled when the claim was there",
      existing: [primary(), replica(2, { createdAt: older.scheduledAt }, older), replica(3)],
      expected: undefined,
    },
    {
      because: "after the switchover it is a replica like others",
      leader: 2,
      existing: [replica(1, going), { ...primary(), number: 2 }, replica(3)],
      expected: "deletePod orders-1",
    },
    {
      because: "nobody leads: it may be all that there is",
      leader: 0,
      existing: [replica(1, lost), replica(2), replica(3)],
      expected: undefined,
    },
    {
      because: "what was removed is not filled again",
      existing: [primary(), replica(2), replica(3), replica(4, { ...lost, retired: true })],
      expected: undefined,
    },
    {
      because: "one that is too many goes first, perhaps this one",
      existing: [primary(), replica(2), replica(3, lost), replica(4)],
      expected: undefined,
    },
    {
      because: "nothing goes before the primary is one that keeps what it has",
      existing: [primary(going), replica(2, lost), replica(3), replica(4)],
      expected: "switchover orders-1 to orders-3",
    },
    {
      because: "one that was to go stays when it leads, and has what no other has",
      existing: [primary(going), replica(2, { retired: true }), replica(3, lost), replica(4, lost), replica(5, lost)],
      expected: "switchover orders-1 to orders-2",
    },
    {
      because: "before one that was to go",
      existing: [primary(going), replica(2, { retired: true }), replica(3), replica(4)],
      expected: "switchover orders-1 to orders-3",
    },
  ])("$expected: $because", ({ leader = 1, existing, expected }) => {
    expect(act({ replicas: 3 }, leader, ...existing)).toBe(expected);
  });
});

test("the only instance is left alone, whatever becomes of its volume", () => {
  for (const volume of [lost, going]) expect(act({}, 1, primary(volume))).toBeUndefined();
});

describe("a volume that was never bound", () => {
  const pending = (volume: VolumeFixture = {}): InstanceFixture =>
    replica(1, { phase: "Pending", ...volume }, { ready: false, patroni: null });
  test.each<{
    because: string;
    storage: DatabaseSpec["storage"];
    volume?: VolumeFixture;
    expected: string | undefined;
  }>([
    { because: "as declared, it is waited for", storage: { size: "1Gi" }, expected: undefined },
    { because: "the same in other words", storage: { size: "1024Mi" }, expected: undefined },
    { because: "an absurd size was corrected", storage: { size: "512Mi" }, expected: "discardVolume orders-1" },
    { because: "it could not grow before it is bound", storage: { size: "2Gi" }, expected: "discardVolume orders-1" },
    {
      because: "a typo of the class was corrected",
      storage: { size: "1Gi", storageClass: "fast" },
      volume: { ownClass: true },
      expected: "discardVolume orders-1",
    },
    {
      because: "the default class will do, after all",
      storage: { size: "1Gi" },
      volume: { ownClass: true },
      expected: "discardVolume orders-1",
    },
    {
      because: "it has the class that is asked for, by default",
      storage: { size: "1Gi", storageClass: "standard" },
      expected: undefined,
    },
    { because: "it goes already", storage: { size: "2Gi" }, volume: { deleting: true }, expected: undefined },
    { because: "somebody else made it", storage: { size: "2Gi" }, volume: { ofOthers: true }, expected: undefined },
    ...[
      { dataSource: { kind: "PersistentVolumeClaim", name: "old" } },
      { dataSourceRef: { kind: "PersistentVolumeClaim", name: "old" } },
      { selector: { matchLabels: { disk: "old" } } },
    ].map((spec) => ({
      because: `somebody wants it to be ${JSON.stringify(spec)}`,
      storage: { size: "2Gi" },
      volume: { spec },
      expected: undefined,
    })),
    {
      because: "it was bound, so it may hold data: it stays and grows",
      storage: { size: "2Gi", storageClass: "fast" },
      volume: { phase: "Bound" },
      expected: undefined,
    },
    {
      because: "it was bound once, and is lost",
      storage: { size: "2Gi", storageClass: "fast" },
      volume: { phase: "Lost" },
      expected: undefined,
    },
  ])("$expected, nobody leading: $because", ({ storage, volume, expected }) => {
    expect(act({ storage }, undefined, pending(volume))).toBe(expected);
  });
});

test.each<{ existing: InstanceFixture[]; leader?: number; number?: number; says: string | undefined }>([
  { existing: [primary()], says: undefined },
  {
    existing: [primary(), replica(2, lost)],
    number: 2,
    says: "its PersistentVolume pv-2 is gone, with the data on it; the instance is filled again from orders-1-0",
  },
  {
    existing: [primary(going), replica(2)],
    says: "it is being deleted, and goes with its Pod; another instance takes over, then this one is filled again",
  },
  {
    existing: [primary(going)],
    says:
      "it is being deleted, and goes with its Pod; no other instance has a copy: keep orders-1-0 running and raise " +
      "spec.replicas, then it is replaced",
  },
  {
    leader: 0,
    existing: [{ number: 1, volume: false, ready: false, patroni: null }],
    says: "it is gone, with the data on it; it is not made anew before another instance leads, which may have the data",
  },
  { existing: [primary(), { number: 2, volume: false }], number: 2, says: undefined },
  {
    existing: [{ ...primary(), volume: false }],
    says:
      "it was taken away, and the data on it go with the Pod; no other instance has a copy: keep orders-1-0 running " +
      "and raise spec.replicas, then it is replaced",
  },
  // No node has its Pod yet: it waits for the claim.
  { existing: [primary(), replica(2, newer, { ...older, ...waiting })], number: 2, says: undefined },
  {
    existing: [primary(), replica(2, newer, older)],
    number: 2,
    says:
      "it is newer than the Pod, whose own was taken away and goes with it; the instance is filled again from " +
      "orders-1-0",
  },
])("what is said of a volume, and what becomes of it: $says", ({ existing, leader = 1, number = 1, says }) => {
  const found = instances(leader, ...existing);
  expect(volumeLoss(found[number - 1]!, found)).toBe(says);
});
