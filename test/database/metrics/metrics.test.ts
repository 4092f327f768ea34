import { describe, expect, test } from "vitest";
import { Database, InvalidSpec, type Condition, type DatabaseStatus } from "../../../src/database/api.ts";
import { LastReconciles } from "../../../src/database/metrics/last-reconciles.ts";
import { measureDatabases } from "../../../src/database/metrics/metrics.ts";
import { labels } from "../../../src/database/names.ts";
import { PortError } from "../../../src/database/outside/port-error.ts";
import { ApiError, Endpoints, PersistentVolumeClaim, Pod, StatefulSet } from "../../../src/runtime/index.ts";
import { TestWorld } from "../../support/controller-world.ts";
import { leading, orders, podOf, statefulSetOf, volumeOf, type InstanceFixture } from "../../support/orders.ts";

/** A cache, and what is served of it. */
function openWorld() {
  const world = new TestWorld();
  const last = new LastReconciles();
  measureDatabases({ cache: world.cache, subscribe: world.subscribe, metrics: world.registry }, last);
  return {
    world,
    last,
    /** The lines of one metric, or of all that are the Databases', without comments. */
    lines: async (name = "holdfast_database_") =>
      (await world.registry.registry.metrics()).split("\n").filter((line) => line.startsWith(name)),
  };
}

function condition(type: string, status: Condition["status"], reason: string, second: number): Condition {
  const lastTransitionTime = new Date(1_800_000_000_000 + second * 1000).toISOString();
  return { type, status, reason, message: "", lastTransitionTime, observedGeneration: 1 };
}

const ready: DatabaseStatus = {
  observedGeneration: 1,
  phase: "Ready",
  conditions: [
    condition("Ready", "True", "AsDeclared", 7),
    condition("Available", "True", "PrimaryAvailable", 3),
    condition("Progressing", "False", "Settled", 5),
    condition("Degraded", "False", "NotDegraded", 0),
  ],
};

function putInstances(world: TestWorld, leader: string | undefined, ...fixtures: readonly InstanceFixture[]): void {
  for (const fixture of fixtures) {
    if (fixture.pod !== false) world.put(Pod, podOf(fixture));
    if (fixture.volume !== false) world.put(PersistentVolumeClaim, volumeOf(fixture));
    if (fixture.statefulSet !== false) world.put(StatefulSet, statefulSetOf(fixture));
  }
  lead(world, leader);
}

/** Patroni's Endpoints: who leads, and in others whom somebody asked to yield. */
function lead(world: TestWorld, leader: string | undefined, name = "orders"): void {
  const annotations: Record<string, string> = leader === undefined ? {} : { leader };
  const metadata = { name, namespace: "shop", labels: { [labels.database]: "orders" }, annotations };
  world.put(Endpoints, { apiVersion: "v1", kind: "Endpoints", metadata });
}

const of = 'namespace="shop",name="orders"';

describe("a Database", () => {
  test("is served whole, and nothing else is", async () => {
    const { world, lines } = openWorld();
    world.put(Database, orders({ replicas: 3 }, { status: ready }));
    putInstances(world, "orders-1-0", { number: 1, patroni: leading }, { number: 2 }, { number: 3, ready: false });
    expect(await lines()).toEqual([
      `holdfast_database_ready{${of}} 1`,
      `holdfast_database_condition{${of},type="Ready",status="True",reason="AsDeclared"} 1`,
      `holdfast_database_condition{${of},type="Available",status="True",reason="PrimaryAvailable"} 1`,
      `holdfast_database_condition{${of},type="Progressing",status="False",reason="Settled"} 1`,
      `holdfast_database_condition{${of},type="Degraded",status="False",reason="NotDegraded"} 1`,
      `holdfast_database_phase{${of},phase="Ready"} 1`,
      `holdfast_database_phase_start_time_seconds{${of}} 1800000007`,
      `holdfast_database_instances_desired{${of}} 3`,
      `holdfast_database_instances{${of},role="primary",state="serving"} 1`,
      `holdfast_database_instances{${of},role="replica",state="serving"} 1`,
      `holdfast_database_instances{${of},role="replica",state="not_ready"} 1`,
      `holdfast_database_failovers_total{${of}} 0`,
      `holdfast_database_switchovers_total{${of}} 0`,
    ]);
  });

  test("that nobody has looked at yet waits since it was made", async () => {
    const { world, lines } = openWorld();
    const fresh = orders();
    const metadata = { ...fresh.metadata, creationTimestamp: new Date(1_800_000_000_000).toISOString() };
    world.put(Database, { ...fresh, metadata });
    expect(await lines("holdfast_database_ready")).toEqual([`holdfast_database_ready{${of}} 0`]);
    expect(await lines("holdfast_database_phase")).toEqual([
      `holdfast_database_phase{${of},phase="Pending"} 1`,
      `holdfast_database_phase_start_time_seconds{${of}} 1800000000`,
    ]);
    expect(await lines("holdfast_database_condition")).toEqual([]);
  });

  test("takes all of its series along when it goes", async () => {
    const { world, lines } = openWorld();
    const database = world.put(Database, orders({}, { status: ready }));
    putInstances(world, "orders-1-0", { number: 1, patroni: leading });
    expect(await lines()).not.toEqual([]);
    world.remove(Database, database);
    expect(await lines()).toEqual([]);
  });

  test("is not ready for a generation that nobody has looked at", async () => {
    const { world, lines } = openWorld();
    const edited = orders({}, { status: ready });
    world.put(Database, { ...edited, metadata: { ...edited.metadata, generation: 2 } });
    expect(await lines("holdfast_database_ready")).toEqual([`holdfast_database_ready{${of}} 0`]);
  });

  test("is being deleted since somebody asked for it", async () => {
    const { world, lines } = openWorld();
    const deleting = orders({}, { status: { ...ready, phase: "Deleting" } });
    const metadata = { ...deleting.metadata, deletionTimestamp: new Date(1_800_000_060_000).toISOString() };
    world.put(Database, { ...deleting, metadata });
    expect(await lines("holdfast_database_phase_start")).toEqual([
      `holdfast_database_phase_start_time_seconds{${of}} 1800000060`,
    ]);
  });
});

describe("the last reconcile", () => {
  const name = "holdfast_database_last_reconcile";

  test.each<{ failure: unknown; told: string; because: string }>([
    { failure: undefined, told: 'outcome="success",reason=""', because: "the pass came to its end" },
    {
      failure: new InvalidSpec("ParameterRefused", "port"),
      told: 'outcome="waits",reason="ParameterRefused"',
      because: "an edit has to mend it",
    },
    {
      failure: new ApiError("no", { status: 403, reason: "Forbidden" }),
      told: 'outcome="error",reason="Forbidden"',
      because: "the right may come",
    },
    {
      failure: new TypeError("bug"),
      told: 'outcome="error",reason="ReconcileFailed"',
      because: "whatever it was is tried again",
    },
  ])("is told as $told: $because", async ({ failure, told }) => {
    const { world, last, lines } = openWorld();
    const database = world.put(Database, orders());
    expect(await lines(name)).toEqual([]);
    last.tell(database, new PortError("refused", { reason: "Unreachable" }));
    last.tell(database, failure);
    expect(await lines(name)).toEqual([`${name}{${of},${told}} 1`]);
  });

  test("is forgotten with the Database: nobody has looked at its namesake yet", async () => {
    const { world, last, lines } = openWorld();
    const database = world.put(Database, orders());
    last.tell(database);
    world.remove(Database, database);
    expect(last.size).toBe(0);
    last.tell(database);
    world.put(Database, { ...database, metadata: { ...database.metadata, uid: "uid-of-a-namesake" } });
    expect(await lines(name)).toEqual([]);
  });
});

describe("instances", () => {
  const replica = { number: 2 };
  test.each<{ fixture: InstanceFixture; counted: string | undefined; because: string }>([
    { fixture: replica, counted: 'role="replica",state="serving"', because: "it streams" },
    {
      fixture: { ...replica, patroni: { role: "replica", state: "running", timeline: 3 } },
      counted: 'role="replica",state="not_streaming"',
      because: "a Pod that is ready is no replica that streams",
    },
    {
      fixture: {
        ...replica,
        patroni: { role: "replica", state: "running", timeline: 2, replication_state: "streaming" },
      },
      counted: 'role="replica",state="not_streaming"',
      because: "it follows an old timeline",
    },
    {
      fixture: { ...replica, ready: false, patroni: { role: "replica", state: "starting" } },
      counted: 'role="replica",state="not_ready"',
      because: "PostgreSQL is on its way",
    },
    {
      fixture: { ...replica, ready: false, patroni: null, waiting: "CrashLoopBackOff" },
      counted: 'role="none",state="not_ready"',
      because: "nobody has said anything of it yet",
    },
    { fixture: { ...replica, pod: false }, counted: 'role="none",state="pending"', because: "its Pod is not made yet" },
    {
      fixture: { ...replica, podDeleting: true },
      counted: 'role="replica",state="stopping"',
      because: "its Pod is being deleted",
    },
    {
      fixture: { ...replica, volume: { retired: true } },
      counted: 'role="replica",state="stopping"',
      because: "it streams still, but does not count any more",
    },
    {
      fixture: { ...replica, pod: false, statefulSet: false },
      counted: undefined,
      because: "a volume alone is no instance",
    },
  ])("count as $counted: $because", async ({ fixture, counted }) => {
    const { world, lines } = openWorld();
    world.put(Database, orders({ replicas: 2 }, { status: ready }));
    putInstances(world, "orders-1-0", { number: 1, patroni: leading }, fixture);
    const present = (await lines("holdfast_database_instances{")).filter((line) => !line.endsWith(" 0"));
    expect(present).toEqual([
      `holdfast_database_instances{${of},role="primary",state="serving"} 1`,
      ...(counted === undefined ? [] : [`holdfast_database_instances{${of},${counted}} 1`]),
    ]);
  });

  test("that serve are there as a 0 where there are none", async () => {
    const { world, lines } = openWorld();
    world.put(Database, orders({}));
    expect(await lines("holdfast_database_instances{")).toEqual([
      `holdfast_database_instances{${of},role="primary",state="serving"} 0`,
      `holdfast_database_instances{${of},role="replica",state="serving"} 0`,
    ]);
  });
});

describe("changes of the primary", () => {
  /** Failovers and switchovers. */
  async function counts({ lines }: ReturnType<typeof openWorld>): Promise<readonly number[]> {
    const found = [...(await lines("holdfast_database_failovers")), ...(await lines("holdfast_database_switchovers"))];
    return found.map((line) => Number(line.split(" ").at(-1)));
  }
  const askToYield = (world: TestWorld, leader: string | undefined): void => lead(world, leader, "orders-failover");

  test.each<{ story: (world: TestWorld) => void; expected: readonly number[]; because: string }>([
    { story: (world) => lead(world, "orders-1-0"), expected: [0, 0], because: "the same one still leads" },
    { story: (world) => lead(world, "orders-2-0"), expected: [1, 0], because: "nobody asked for it" },
    {
      story: (world) => {
        lead(world, undefined);
        lead(world, "orders-2-0");
      },
      expected: [1, 0],
      because: "the key was free for a while",
    },
    {
      story: (world) => {
        lead(world, undefined);
        lead(world, "orders-1-0");
      },
      expected: [0, 0],
      because: "a restart that nobody took advantage of changes nothing",
    },
    {
      story: (world) => {
        askToYield(world, "orders-1-0");
        lead(world, undefined);
        lead(world, "orders-2-0");
        askToYield(world, undefined);
      },
      expected: [0, 1],
      because: "the primary was asked to yield",
    },
    {
      story: (world) => {
        askToYield(world, "orders-1-0");
        lead(world, "orders-2-0");
        askToYield(world, undefined);
        lead(world, "orders-1-0");
      },
      expected: [1, 1],
      because: "one request is for one change",
    },
    {
      story: (world) => {
        askToYield(world, "orders-3-0");
        lead(world, "orders-2-0");
      },
      expected: [1, 0],
      because: "another one was asked, so this request had no effect",
    },
  ])("are $expected: $because", async ({ story, expected }) => {
    const opened = openWorld();
    const { world } = opened;
    world.put(Database, orders({ replicas: 3 }));
    lead(world, "orders-1-0");
    story(world);
    expect(await counts(opened)).toEqual(expected);
  });

  test("are counted from what the cache holds at the start", async () => {
    const world = new TestWorld();
    world.put(Database, orders());
    lead(world, "orders-1-0");
    const measured = { cache: world.cache, subscribe: world.subscribe, metrics: world.registry };
    measureDatabases(measured, new LastReconciles());
    lead(world, "orders-2-0");
    expect(await world.metric("holdfast_database_failovers_total", { name: "orders" })).toBe(1);
  });

  test("are forgotten with the Database: the primary of its namesake is no change", async () => {
    const opened = openWorld();
    const { world } = opened;
    const database = world.put(Database, orders());
    lead(world, "orders-1-0");
    lead(world, "orders-2-0");
    world.remove(Database, database);
    world.put(Database, orders());
    lead(world, "orders-1-0");
    expect(await counts(opened)).toEqual([0, 0]);
  });
});
