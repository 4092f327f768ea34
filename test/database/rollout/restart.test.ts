import { describe, expect, test } from "vitest";
import type { Act } from "../../../src/database/rollout/acts.ts";
import { planRestart } from "../../../src/database/rollout/restart.ts";
import { instances, leading, orders, streaming, type InstanceFixture } from "../../support/orders.ts";

const now = { takingUp: false, configured: true };

function plan(
  leader: number | undefined,
  existing: readonly InstanceFixture[],
  more: { replicas?: number; conditions?: Partial<typeof now> } = {},
): string {
  const { replicas = existing.length, conditions } = more;
  return worded(planRestart(orders({ replicas }), instances(leader, ...existing), { ...now, ...conditions }));
}

function worded(act: Act | undefined): string {
  if (act === undefined) return "nothing";
  return act.type === "switchover"
    ? `switchover ${act.instance.number} → ${act.candidate.number}`
    : `${act.type} ${act.instance.number}`;
}

const old = { revision: "old" } as const;
const primary: InstanceFixture = { number: 1, patroni: leading };
const replica = (number: number, more: Partial<InstanceFixture> = {}): InstanceFixture => ({ number, ...more });
const deaf = { patroni: { ...streaming, replication_state: undefined }, runs: true } as const;

describe("Pods of an old template", () => {
  const cases: {
    existing: InstanceFixture[];
    leader?: number;
    replicas?: number;
    conditions?: Partial<typeof now>;
    act: string;
    because: string;
  }[] = [
    { existing: [primary, replica(2), replica(3)], act: "nothing", because: "all run what is declared" },
    {
      existing: [{ ...primary, ...old }, replica(2, old), replica(3, old)],
      act: "deletePod 3",
      because: "replicas are first, the highest number before others",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, old), replica(3)],
      act: "deletePod 2",
      because: "the one before streams again",
    },
    {
      existing: [{ ...primary, ...old, diskFull: true }, replica(2, old), replica(3, old)],
      act: "nothing",
      because: "the disk of one is full: it might not start again, and others may be full too",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, old), replica(3, deaf)],
      act: "nothing",
      because: "the one before does not stream yet",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, old), replica(3, { ready: false, waiting: "ErrImagePull" })],
      act: "nothing",
      because: "the one before has the change and does not serve",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, old), replica(3, { pod: false })],
      act: "nothing",
      because: "the one before is not back yet",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, old), replica(3, { podDeleting: true })],
      act: "nothing",
      because: "the one before is still going",
    },
    {
      existing: [{ ...primary, ...old }, replica(2), replica(3)],
      act: "switchover 1 → 2",
      because: "the primary is last, and hands over",
    },
    {
      existing: [replica(1, old), { ...primary, number: 2 }, replica(3)],
      leader: 2,
      act: "deletePod 1",
      because: "the former primary is a replica like others",
    },
    { existing: [{ ...primary, ...old }], act: "deletePod 1", because: "alone it can only stop and come back" },
    {
      existing: [{ ...primary, ...old }],
      replicas: 2,
      act: "nothing",
      because: "another one is being added, which can take over",
    },
    {
      existing: [{ ...primary, ...old }, replica(2)],
      replicas: 1,
      act: "nothing",
      because: "one is to be removed first",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, { volume: { retired: true } })],
      replicas: 1,
      act: "nothing",
      because: "one is being removed",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, { volume: { retired: true }, pod: false, statefulSet: false })],
      replicas: 1,
      act: "deletePod 1",
      because: "the volume of one that was removed is in nobody's way",
    },
    {
      existing: [{ ...primary, ...old }],
      conditions: { takingUp: true },
      act: "nothing",
      because: "volumes are being taken up",
    },
    {
      existing: [{ ...primary, ...old }, replica(2, old)],
      conditions: { configured: false },
      act: "deletePod 2",
      because: "Patroni's configuration is another matter",
    },
    {
      existing: [{ ...primary, ...old, patroni: { ...leading, pending_restart: true } }, replica(2)],
      act: "switchover 1 → 2",
      because: "a new Pod is a restart too",
    },
    ...[{ deleting: true } as const, { phase: "Lost" } as const, false as const].flatMap((volume) => [
      {
        existing: [{ ...primary, ...old, volume }],
        act: "nothing",
        because: `its data would go with its Pod: the volume is ${JSON.stringify(volume)}`,
      },
      {
        existing: [{ ...primary, ...old, volume }, replica(2, old)],
        act: "nothing",
        because: `the replica is all that lasts: the primary's volume is ${JSON.stringify(volume)}`,
      },
    ]),
    {
      existing: [{ ...primary, ...old, patroni: { ...leading, state: "stopping" } }, replica(2)],
      act: "nothing",
      because: "the primary is handing over already",
    },
  ];
  test.each(cases)("$act: $because", ({ leader = 1, existing, act, ...more }) => {
    expect(plan(leader, existing, more)).toBe(act);
  });

  test("are left alone until the StatefulSet controller has seen the newest templates", () => {
    const found = instances(1, { ...primary, ...old }, replica(2, old)).map((instance) => ({
      ...instance,
      runsOldTemplate: instance.number === 1,
    }));
    expect(planRestart(orders({ replicas: 2 }), found, now)).toBeUndefined();
  });
});

describe("a Pod that never started and is of an old template", () => {
  const unborn = (number: number): InstanceFixture => ({
    number,
    ...old,
    ready: false,
    patroni: null,
    unscheduled: true,
  });
  test.each([
    { existing: [primary, replica(2), unborn(3)], replicas: 5, act: "deletePod 3", because: "others are to come" },
    { existing: [unborn(1)], replicas: 3, conditions: { takingUp: true }, act: "deletePod 1", because: "the first is" },
    { existing: [primary, replica(2, { podDeleting: true }), unborn(3)], act: "nothing", because: "one at a time" },
    {
      existing: [primary, { ...unborn(2), volume: { retired: true } }],
      replicas: 1,
      act: "nothing",
      because: "it is on its way out",
    },
  ] as const)("$act: $because", ({ existing, act, ...more }) => {
    expect(plan(1, existing, more)).toBe(act);
  });
});

describe("a parameter that needs a restart", () => {
  const change = (name: string, old_value: string, new_value: string) => ({ [name]: { old_value, new_value } });
  const raise = change("max_connections", "100", "200");
  const lower = change("max_connections", "200", "100");
  const both = { ...raise, ...change("max_worker_processes", "16", "8") };
  const lowerWorkers = change("max_worker_processes", "16", "8");
  const slots = change("max_replication_slots", "20", "10");
  const waits = (number: number, reason: object | undefined, at: object = streaming): InstanceFixture => ({
    number,
    patroni: { ...at, pending_restart: true, pending_restart_reason: reason },
  });
  const one = (reason: object | undefined): InstanceFixture => waits(1, reason, leading);
  const cases: { existing: InstanceFixture[]; conditions?: Partial<typeof now>; act: string; because: string }[] = [
    { existing: [one(raise), waits(2, raise), waits(3, raise)], act: "restart 3", because: "raised: replicas first" },
    {
      existing: [one(raise), waits(2, raise), replica(3)],
      act: "restart 2",
      because: "raised: the other replica has it",
    },
    { existing: [one(raise), replica(2), replica(3)], act: "restart 1", because: "raised: the primary last" },
    {
      existing: [one(lower), waits(2, lower), waits(3, lower)],
      act: "restart 1",
      because: "lowered: the primary first",
    },
    { existing: [primary, waits(2, lower), waits(3, lower)], act: "restart 3", because: "lowered: then the replicas" },
    { existing: [one(both), waits(2, both)], act: "restart 2", because: "raised and lowered: the replicas first" },
    {
      existing: [one(both), waits(2, lowerWorkers)],
      act: "restart 1",
      because: "raised and lowered: then the primary",
    },
    {
      existing: [primary, waits(2, lowerWorkers)],
      act: "restart 2",
      because: "raised and lowered: the replicas once more",
    },
    { existing: [one(slots), waits(2, slots)], act: "restart 2", because: "less of what no replica needs" },
    { existing: [one(undefined), waits(2, undefined)], act: "restart 2", because: "Patroni does not say which" },
    { existing: [one(raise)], act: "restart 1", because: "alone" },
    {
      existing: [{ ...one(raise), volume: { phase: "Lost" } }],
      act: "nothing",
      because: "alone, it might not start again on what is left of its volume",
    },
    {
      existing: [
        one(raise),
        waits(2, raise),
        replica(3, { patroni: { role: "replica", state: "start failed" }, ready: false }),
      ],
      act: "nothing",
      because: "one did not start with it",
    },
    {
      existing: [one(raise), waits(2, raise), replica(3, { ...deaf })],
      act: "nothing",
      because: "one does not stream yet",
    },
    {
      existing: [one(raise), waits(2, raise, { ...streaming, state: "restarting" })],
      act: "nothing",
      because: "one is at it",
    },
    {
      existing: [one(raise), waits(2, raise)],
      conditions: { configured: false },
      act: "nothing",
      because: "not all have said yet whether they need it",
    },
    {
      existing: [one(raise), { ...waits(2, raise), ...old }],
      act: "deletePod 2",
      because: "a new Pod is a restart too",
    },
  ];
  test.each(cases)("$act: $because", ({ existing, act, conditions }) => {
    expect(plan(1, existing, conditions === undefined ? {} : { conditions })).toBe(act);
  });

  test("is named with what it was and will be", () => {
    const act = planRestart(orders({ replicas: 1 }), instances(1, one({ ...both, ...change("jit", "", "off") })), now);
    expect(act).toMatchObject({
      because: "jit from nothing to off, max_connections from 100 to 200, max_worker_processes from 16 to 8",
    });
  });
});
