import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instancesOf, leaderOf, primaryOf } from "../../src/database/instances.ts";
import {
  instances,
  leaderEndpoints,
  leading,
  podOf,
  statefulSetOf,
  streaming,
  volumeOf,
  type InstanceFixture,
} from "../support/orders.ts";

test("a healthy primary is everything that its objects say", () => {
  const fixture = { number: 1, patroni: leading, volume: { lastPrimary: "true" } } as const;
  expect(instances(1, fixture)).toEqual([
    {
      number: 1,
      name: "orders-1",
      podName: "orders-1-0",
      statefulSet: statefulSetOf(fixture),
      pod: podOf(fixture),
      volume: volumeOf(fixture),
      role: "primary",
      state: "running",
      timeline: 3,
      ready: true,
      streaming: false,
      holdsKey: true,
      runsCurrentTemplate: true,
      runsOldTemplate: false,
      pendingRestart: false,
      pendingChanges: [],
      diskFull: false,
      node: "node-1",
      ip: "10.0.0.1",
      retired: false,
      lastPrimary: true,
      neverLed: false,
      deleting: false,
    },
  ]);
});

test("whether the volume has room is what the watch in the Pod says, whatever Patroni says", () => {
  const [full, empty] = instances(1, { number: 1, patroni: leading, diskFull: true }, { number: 2 });
  expect([full?.diskFull, empty?.diskFull]).toEqual([true, false]);
  expect(full).toMatchObject({ role: "primary", ready: true });
});

test("an instance is what bears its number, whichever objects there are, in the order of numbers", () => {
  const found = instances(
    undefined,
    { number: 10, pod: false, volume: false },
    { number: 2, pod: false, statefulSet: false },
    { number: 3, volume: false, statefulSet: false },
  );
  expect(found.map(({ number, statefulSet, volume, pod }) => [number, !!statefulSet, !!volume, !!pod])).toEqual([
    [2, false, true, false],
    [3, false, false, true],
    [10, true, false, false],
  ]);
});

test("objects without a number of this Database are ignored", () => {
  const volume = volumeOf({ number: 1 });
  const other = { ...volume, metadata: { ...volume.metadata, name: "orders-scratch" } };
  expect(instancesOf("orders", { pods: [], volumes: [other], statefulSets: [] })).toEqual([]);
});

describe("the primary", () => {
  const replica: InstanceFixture = { number: 2 };
  test.each([
    { leader: 1, primary: { number: 1, patroni: leading }, found: 1, because: "it holds the key and says so" },
    { leader: undefined, primary: { number: 1, patroni: leading }, found: undefined, because: "nobody holds the key" },
    { leader: 1, primary: { number: 1 }, found: undefined, because: "it holds the key and is not promoted yet" },
    {
      leader: 2,
      primary: { number: 1, patroni: leading },
      found: undefined,
      because: "a replica holds the key, the old primary has not noticed",
    },
    {
      leader: 1,
      primary: { number: 1, patroni: leading, ready: false },
      found: undefined,
      because: "its Pod is not ready",
    },
    {
      leader: 1,
      primary: { number: 1, patroni: leading, podDeleting: true },
      found: undefined,
      because: "its Pod is going",
    },
    { leader: 3, primary: { number: 1, patroni: leading }, found: undefined, because: "the holder is gone" },
    {
      leader: 1,
      primary: { number: 1, patroni: { ...leading, role: "master" } },
      found: 1,
      because: "an older Patroni says master",
    },
  ])("is $found: $because", ({ leader, primary, found }) => {
    expect(primaryOf(instances(leader, primary, replica))?.number).toBe(found);
  });

  test("is one at most, whatever the Pods claim", () => {
    const both = instances(1, { number: 1, patroni: leading }, { number: 2, patroni: leading });
    expect(both.map(({ role }) => role)).toEqual(["primary", undefined]);
  });
});

describe("a replica streams", () => {
  const primary: InstanceFixture = { number: 1, patroni: leading };
  test.each([
    { replica: {}, expected: true, because: "it says so, on the primary's timeline" },
    { replica: { ready: false }, expected: false, because: "its Pod is not ready" },
    { replica: { podDeleting: true }, expected: false, because: "its Pod is going" },
    { replica: { patroni: { ...streaming, timeline: 2 } }, expected: false, because: "it is on an old timeline" },
    {
      replica: { patroni: { ...streaming, timeline: undefined } },
      expected: false,
      because: "its timeline is not known",
    },
    {
      replica: { patroni: { ...streaming, replication_state: undefined } },
      expected: false,
      because: "it runs without streaming",
    },
    {
      replica: { patroni: { ...streaming, replication_state: "in archive recovery" } },
      expected: false,
      because: "it reads an archive",
    },
    { replica: { patroni: { ...streaming, state: "starting" } }, expected: false, because: "it starts" },
    { replica: { patroni: null }, expected: false, because: "Patroni has said nothing yet" },
  ])("$expected: $because", ({ replica, expected }) => {
    expect(instances(1, primary, { number: 2, ...replica })[1]?.streaming).toBe(expected);
  });

  test("false for all while there is no primary to stream from", () => {
    expect(instances(undefined, { number: 1 }, { number: 2 }).map(({ streaming: it }) => it)).toEqual([false, false]);
  });
});

describe("the template that is run", () => {
  test.each([
    { fixture: {}, change: {}, is: "current", because: "the Pod has the revision that the StatefulSet wants" },
    { fixture: { revision: "old" }, change: {}, is: "old", because: "the Pod was made before" },
    {
      fixture: { revision: "old" },
      change: { observedGeneration: 1 },
      is: "not known",
      because: "the controller manager has not seen the newest yet",
    },
    { fixture: {}, change: { observedGeneration: 1 }, is: "not known", because: "it may be one template behind" },
    { fixture: {}, change: { updateRevision: undefined }, is: "not known", because: "nobody knows the revision yet" },
    { fixture: { pod: false }, change: {}, is: "not known", because: "there is no Pod" },
  ] as const)("is $is: $because", ({ fixture, change, is }) => {
    const statefulSet = statefulSetOf({ number: 1 });
    const [instance] = instancesOf("orders", {
      pods: "pod" in fixture ? [] : [podOf({ number: 1, ...fixture })],
      volumes: [],
      statefulSets: [{ ...statefulSet, status: { replicas: 1, ...statefulSet.status, ...change } }],
    });
    expect([instance?.runsCurrentTemplate, instance?.runsOldTemplate]).toEqual([is === "current", is === "old"]);
  });
});

test.each([
  {
    reason: { work_mem: { old_value: "4MB", new_value: "8MB" }, jit: { old_value: "on", new_value: "" } },
    changes: [
      { name: "jit", from: "on", to: "" },
      { name: "work_mem", from: "4MB", to: "8MB" },
    ],
    because: "in the order of names, whatever Patroni's is",
  },
  { reason: undefined, changes: [], because: "an older Patroni does not say" },
  { reason: "work_mem", changes: [], because: "it has another form" },
  { reason: { work_mem: null }, changes: [{ name: "work_mem", from: "", to: "" }], because: "it has no values" },
])("what waits for a restart: $because", ({ reason, changes }) => {
  const patroni = { ...streaming, pending_restart: true, pending_restart_reason: reason };
  const [instance] = instances(undefined, { number: 1, patroni });
  expect([instance?.pendingRestart, instance?.pendingChanges]).toEqual([true, changes]);
});

test("whoever the leader key names holds it, whether it runs or not", () => {
  const found = instances(2, { number: 1 }, { number: 2, ready: false }, { number: 3, pod: false });
  expect(found.map(({ holdsKey }) => holdsKey)).toEqual([false, true, false]);
});

test.each([
  { status: "", because: "empty" },
  { status: "{", because: "cut off" },
  { status: "null", because: "not an object" },
  { status: '"running"', because: "not an object" },
  { status: '{"role":7,"state":[],"timeline":"3"}', because: "of other types" },
])("a status of Patroni's that cannot be read counts as none: $because", ({ status }) => {
  const pod = podOf({ number: 1, patroni: null });
  const annotated = { ...pod, metadata: { ...pod.metadata, annotations: { status } } };
  const [instance] = instancesOf("orders", { pods: [annotated], volumes: [], statefulSets: [] });
  expect([instance?.role, instance?.state, instance?.timeline, instance?.streaming]).toEqual([
    undefined,
    undefined,
    undefined,
    false,
  ]);
});

test("whatever stands in the annotation, reading it does not fail", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (status) => {
      const pod = podOf({ number: 1, patroni: null });
      const annotated = { ...pod, metadata: { ...pod.metadata, annotations: { status } } };
      const found = instancesOf("orders", {
        pods: [annotated],
        volumes: [],
        statefulSets: [],
        leaderEndpoints: leaderEndpoints("orders-1-0"),
      });
      expect(found).toHaveLength(1);
    }),
  );
});

test.each([
  { endpoints: leaderEndpoints("orders-2-0"), leader: "orders-2-0", because: "it is written on them" },
  { endpoints: leaderEndpoints(undefined), leader: undefined, because: "the key was given up" },
  { endpoints: leaderEndpoints(""), leader: undefined, because: "an empty name is none" },
  { endpoints: undefined, leader: undefined, because: "there are none" },
])("the leader by the Endpoints is $leader: $because", ({ endpoints, leader }) => {
  expect(leaderOf(endpoints)).toBe(leader);
});

test("a volume tells whether its instance was primary last and whether it was removed", () => {
  const [first, second] = instances(
    undefined,
    { number: 1, volume: { lastPrimary: "true" } },
    { number: 2, volume: { lastPrimary: "false", retired: true } },
  );
  expect([first?.lastPrimary, first?.retired, second?.lastPrimary, second?.retired]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});
