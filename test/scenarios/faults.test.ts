// What lies between operator and API server fails: connections, the API server itself, the lease, the version that was read.
import { describe, expect, test } from "vitest";
import { Database } from "../../src/database/api.ts";
import { finalizer } from "../../src/database/names.ts";
import {
  ApiError,
  ConfigMap,
  Lease,
  LeaseLost,
  PersistentVolumeClaim,
  StatefulSet,
  type Connection,
  type Kind,
  type KubeClient,
  type KubeObject,
} from "../../src/runtime/index.ts";
import { startFaultProxy, type FaultProxy } from "../../testing/fault-proxy.ts";
import { sharedControlPlane, startOwnControlPlane } from "../support/api-server.ts";
import { isCreation, isEvent, isLease, isWrite, type Call } from "../support/audit.ts";
import { untilIdle } from "../support/observations.ts";
import { eventually, gone, openScenario, type Scenario } from "../support/scenario.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const backoff = { initialMs: 50, maxMs: 1_000, factor: 2, jitter: 0.2 };

/** What came into being more than once. */
async function madeTwice(scenario: Scenario): Promise<readonly string[]> {
  const made = (await scenario.calls(scenario.operatorUser)).filter((call) => isCreation(call) && !isEvent(call));
  const names = made.map(({ resource, name }) => `${resource} ${name}`);
  return names.filter((name, index) => names.indexOf(name) < index);
}

const names = (objects: readonly KubeObject[]): readonly string[] =>
  objects.map(({ metadata }) => metadata.name).toSorted();

async function instancesOf({ admin, namespace }: Scenario) {
  const statefulSets = (await admin.list(StatefulSet, { namespace })).items;
  const volumes = (await admin.list(PersistentVolumeClaim, { namespace })).items;
  return { statefulSets: names(statefulSets), volumes: names(volumes) };
}

describe.concurrent("when the connections to the API server", () => {
  interface Fault {
    readonly name: string;
    readonly what: string;
    readonly cut: (proxy: TcpProxy) => void;
    readonly mend: (proxy: TcpProxy) => void | Promise<void>;
    readonly because: string;
  }
  const faults: readonly Fault[] = [
    {
      name: "cut-reset",
      what: "are reset and refused for a while",
      cut: (proxy) => (proxy.refuse(), proxy.reset()),
      mend: async (proxy) => {
        await eventually("the operator is refused", async () => (proxy.refusals > 0 ? true : undefined));
        proxy.open();
      },
      because: "watches go on from the version that they had come to",
    },
    {
      name: "cut-freeze",
      what: "freeze and go on later",
      cut: (proxy) => proxy.freeze(),
      mend: (proxy) => proxy.open(),
      because: "silence alone is no failure",
    },
    {
      name: "cut-half-open",
      what: "freeze and are then reset",
      cut: (proxy) => proxy.freeze(),
      mend: (proxy) => (proxy.reset(), proxy.open()),
      because: "what was sent into a dead connection is asked for again",
    },
  ];

  test.for(faults)("$what, the operator carries on and sees what changed meanwhile", async ({ name, cut, mend }) => {
    await using scenario = await openScenario(await sharedControlPlane(), name);
    await using proxy = await startTcpProxy(scenario.controlPlane.url);
    await scenario.start({ server: proxy.url, backoff });
    await scenario.apply({ replicas: 1 });
    await scenario.ready();
    expect(proxy.connections).toBeGreaterThan(0);

    cut(proxy);
    await scenario.apply({ replicas: 2 });
    await mend(proxy);

    expect((await scenario.ready()).status).toMatchObject({ replicas: 2, readyReplicas: 2 });
    expect(await madeTwice(scenario)).toEqual([]);
    expect(await instancesOf(scenario)).toEqual({
      statefulSets: ["orders-1", "orders-2"],
      volumes: ["orders-1", "orders-2"],
    });
  });
});

describe("when the API server is killed and started again", () => {
  test("the operator goes on with what there was, what was half done and what is new, and makes nothing twice", async () => {
    await using controlPlane = await startOwnControlPlane();
    await using scenario = await openScenario(controlPlane, "restart");
    await scenario.start({ backoff });
    await scenario.apply({ replicas: 1 });
    await scenario.ready();
    const before = await uidsOf(scenario);
    // In the middle of the work: what was written and what was not is for the next pass to find out.
    await scenario.apply({ replicas: 3 }, "parts");
    await eventually(
      "the work on parts has begun",
      async () => (await scenario.database("parts"))?.metadata.finalizers,
    );

    await controlPlane.killApiServer();
    await controlPlane.startApiServer();

    await scenario.apply({ replicas: 1 }, "stock");
    expect((await scenario.ready("stock")).status).toMatchObject({ phase: "Ready", readyReplicas: 1 });
    expect((await scenario.ready("parts")).status).toMatchObject({ phase: "Ready", readyReplicas: 3 });
    await scenario.ready();
    expect(await uidsOf(scenario)).toMatchObject(before);
    expect(await madeTwice(scenario)).toEqual([]);
    const instances = ["orders-1", "parts-1", "parts-2", "parts-3", "stock-1"];
    expect(await instancesOf(scenario)).toEqual({ statefulSets: instances, volumes: instances });
  }, 300_000);

  async function uidsOf({ admin, namespace }: Scenario): Promise<Record<string, string | undefined>> {
    const lists = await Promise.all(
      [Database, StatefulSet, PersistentVolumeClaim].map((kind) => admin.list<KubeObject>(kind as Kind, { namespace })),
    );
    const objects = lists.flatMap(({ items }) => items).filter(({ metadata }) => metadata.name.startsWith("orders"));
    return Object.fromEntries(objects.map(({ kind, metadata }) => [`${kind} ${metadata.name}`, metadata.uid]));
  }
});

describe.concurrent("of two operators with one lease", () => {
  test("only the holder writes; the other takes over when it is dead, and ends when the lease is taken from it", async () => {
    await using scenario = await openScenario(await sharedControlPlane(), "lease");
    const { admin, namespace } = scenario;
    const ref = { namespace, name: "holdfast" };
    const leaseTimes = { leaseDurationMs: 8_000, renewDeadlineMs: 6_000, retryPeriodMs: 500 };
    const startAs = (account: string) =>
      scenario.start({ account, identity: account, lease: ref.name, leaseTimes, backoff });
    const holder = async () => (await admin.get(Lease, ref))?.spec?.holderIdentity;
    const heldBy = (identity: string) =>
      eventually(`${identity} holds the lease`, async () => ((await holder()) === identity ? true : undefined));
    const isWork = (call: Call): boolean => isWrite(call) && !isLease(call);
    const workOf = async (account: string): Promise<readonly Call[]> =>
      (await scenario.calls(`system:serviceaccount:${namespace}:${account}`)).filter(isWork);

    const first = await startAs("holdfast");
    await heldBy("holdfast");
    const second = await startAs("holdfast-2");
    await scenario.apply({ replicas: 1 });
    await scenario.ready();
    expect((await workOf("holdfast")).length).toBeGreaterThan(0);
    expect(await workOf("holdfast-2")).toEqual([]);

    first.kill();
    // Nobody gave it up, so it has to expire.
    expect(await holder()).toBe("holdfast");
    const workOfFirst = await workOf("holdfast");
    await scenario.apply({ replicas: 2 });
    await heldBy("holdfast-2");
    expect((await scenario.ready()).status).toMatchObject({ readyReplicas: 2 });
    expect(await workOf("holdfast")).toEqual(workOfFirst);
    expect((await workOf("holdfast-2")).length).toBeGreaterThan(0);

    const taken = {
      holderIdentity: "somebody-else",
      leaseDurationSeconds: 3_600,
      renewTime: "2026-01-01T00:00:00.000000Z",
    };
    await admin.patch(Lease, ref, [{ op: "add", path: "/spec", value: taken }]);
    await expect(second.ended).rejects.toBeInstanceOf(LeaseLost);
    const workOfSecond = await workOf("holdfast-2");
    await scenario.apply({ replicas: 3 });
    await scenario.start({ account: "holdfast-3", backoff });
    expect((await scenario.ready()).status).toMatchObject({ readyReplicas: 3 });
    expect(await workOf("holdfast-2")).toEqual(workOfSecond);
    expect(await holder()).toBe("somebody-else");
  });
});

test.concurrent("a status that was written, and whose answer was lost, is taken back though the watch tells of it only later", async () => {
  await using proxies = new AsyncDisposableStack();
  await using scenario = await openScenario(await sharedControlPlane(), "status-lost");
  const { admin, namespace } = scenario;
  let proxy!: FaultProxy;
  const through = async (connection: Connection): Promise<Connection> => {
    proxy = proxies.use(await startFaultProxy({ connection }));
    return proxy.connection;
  };
  const operator = await scenario.start({ backoff, through });
  await scenario.apply();
  await scenario.ready();
  await untilIdle(operator);

  const status = { verb: "apply", resource: "databases.holdfast.dev", subresource: "status" } as const;
  proxy.play({
    requests: [
      { when: { verb: "apply", resource: "configmaps" }, fault: { type: "reset" } },
      { when: status, fault: { type: "reset", applied: true } },
    ],
    frames: [{ when: { resource: status.resource }, fault: { type: "hold", ms: 5_000, release: "all" } }],
  });
  const spoilt = { op: "add", path: "/data", value: { "patroni.json": "{}" } } as const;
  await admin.patch(ConfigMap, { namespace, name: "orders-patroni" }, [spoilt]);
  // The pass that mends it fails, and says so. The next one mends it, and believes that nobody was told of a failure.
  await eventually("the status says that it failed", async () =>
    proxy.fired.some((fault) => fault.startsWith("reset applied apply databases")) ? true : undefined,
  );
  await scenario.ready();
});

describe.concurrent("when somebody else changes the finalizers between the read and the patch", () => {
  const theirs = "example.org/backup";

  /** Does something right before the first patch of a Database that matches. */
  function before(inner: KubeClient, matches: (patch: string) => boolean, act: () => Promise<void>) {
    const refused: ApiError[] = [];
    let acted = false;
    const client: KubeClient = {
      ...inner,
      patch: async (kind, ref, patch, options) => {
        if (kind.kind === Database.kind && !acted && matches(JSON.stringify(patch))) {
          acted = true;
          await act();
        }
        return inner.patch(kind, ref, patch, options).catch((error: unknown) => {
          if (error instanceof ApiError) refused.push(error);
          throw error;
        });
      },
    };
    return { client, refused };
  }

  test("adding ours is refused once, and then both are there", async () => {
    await using scenario = await openScenario(await sharedControlPlane(), "conflict-add");
    const { admin, namespace } = scenario;
    let refused: readonly ApiError[] = [];
    const wrap = (inner: KubeClient): KubeClient => {
      const interposed = before(
        inner,
        (patch) => patch.includes(finalizer),
        () => setFinalizers(scenario, [theirs]),
      );
      refused = interposed.refused;
      return interposed.client;
    };
    await scenario.start({ wrap, backoff });
    await scenario.apply();
    await scenario.ready();
    const database = await admin.get(Database, { namespace, name: "orders" });
    expect(database?.metadata.finalizers).toEqual([theirs, finalizer]);
    expect(refused.map(({ status }) => status)).toEqual([422]);
  });

  test("removing ours is refused once, and then the Database goes", async () => {
    await using scenario = await openScenario(await sharedControlPlane(), "conflict-remove");
    const { admin, namespace } = scenario;
    let refused: readonly ApiError[] = [];
    const isRemoval = (patch: string): boolean => patch.includes(finalizer) && patch.includes('"test"') && deleting;
    let deleting = false;
    const wrap = (inner: KubeClient): KubeClient => {
      const interposed = before(inner, isRemoval, () => setFinalizers(scenario, [finalizer]));
      refused = interposed.refused;
      return interposed.client;
    };
    await scenario.start({ wrap, backoff });
    await scenario.apply();
    await scenario.ready();
    await setFinalizers(scenario, [finalizer, theirs]);
    deleting = true;
    await scenario.remove();
    await gone(admin, Database, { namespace, name: "orders" });
    expect(refused.map(({ status }) => status)).toEqual([422]);
    expect((await instancesOf(scenario)).volumes).toEqual(["orders-1"]);
  });

  async function setFinalizers({ admin, namespace }: Scenario, finalizers: readonly string[]): Promise<void> {
    await admin.patch(Database, { namespace, name: "orders" }, [
      { op: "add", path: "/metadata/finalizers", value: finalizers },
    ]);
  }
});
