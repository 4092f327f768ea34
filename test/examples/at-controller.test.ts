// The example At on a real API server, with the rights of its manifests. What a kubelet would say of the Pod is said here.
import { describe, expect, onTestFinished, test } from "vitest";
import { At } from "../../examples/at-controller/api.ts";
import { atController } from "../../examples/at-controller/controller.ts";
import { instantOf } from "../../examples/at-controller/schedule.ts";
import { apiCall } from "../../hack/cluster/api-request.ts";
import { KubeEvent, Lease, Pod, TerminalError, type KubeClient } from "../../src/runtime/index.ts";
import { isCreation, isEvent, isWrite } from "../support/audit.ts";
import { ExampleWorld, manifest, poll, type StartOptions } from "../support/example-world.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";

const past = "2020-02-10T20:30:00Z";

/** The world of one At called hello. */
async function open() {
  const world = await ExampleWorld.open("at-controller");
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { admin, namespace } = world;
  const ref = { namespace, name: "hello" };
  const at = (): Promise<At | undefined> => admin.get(At, ref);
  const pod = (): Promise<Pod | undefined> => admin.get(Pod, ref);
  return {
    ...ref,
    world,
    admin,
    at,
    pod,
    start: (options?: StartOptions) => world.start(atController({ image: "busybox" }), options),
    apply: (spec: Partial<At["spec"]> = {}) =>
      admin.apply<At>(
        At,
        {
          apiVersion: "cnat.programming-kubernetes.info/v1alpha1",
          kind: "At",
          metadata: ref,
          spec: { schedule: past, command: "echo hello", ...spec },
        },
        { fieldManager: "user" },
      ),
    phase: async () => (await at())?.status?.phase,
    succeeded: async () => (await at())?.status?.conditions.find(({ type }) => type === "Succeeded"),
    /** What the kubelet writes at the end. */
    end: (exitCode: number) =>
      admin.applyStatus<Pod>(
        Pod,
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: ref,
          status: {
            phase: exitCode === 0 ? "Succeeded" : "Failed",
            containerStatuses: [
              {
                name: "command",
                image: "busybox",
                imageID: "",
                ready: false,
                restartCount: 0,
                state: { terminated: { exitCode, reason: exitCode === 0 ? "Completed" : "Error" } },
              },
            ],
          },
        },
        { fieldManager: "kubelet" },
      ),
    deletePod: async (gracePeriodSeconds?: number) => {
      const { uid } = (await pod())!.metadata;
      await admin.delete(Pod, ref, { uid: uid!, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) });
      return uid;
    },
    /** From now on a deletion waits for its kubelet. */
    bindPod: () =>
      apiCall(world.plane.admin, "POST", `/api/v1/namespaces/${namespace}/pods/hello/binding`, {
        apiVersion: "v1",
        kind: "Binding",
        metadata: ref,
        target: { apiVersion: "v1", kind: "Node", name: "node" },
      }),
    events: async () =>
      (await admin.list(KubeEvent, { namespace })).items
        .filter(({ regarding }) => regarding.kind === "At")
        .map(({ type, reason }) => `${type} ${reason}`),
    /** How often a Pod was made. */
    creations: async () => (await world.calls()).filter((call) => call.resource === "pods" && isCreation(call)).length,
    writes: async () =>
      (await world.calls())
        .filter((call) => isWrite(call) && !isEvent(call))
        .map(({ verb, resource }) => `${verb} ${resource}`),
  };
}

describe("an At whose instant has passed", () => {
  test("has its Pod and is RUNNING after one pass", async () => {
    const { apply, start, pod, at, writes, phase, end, events, admin, namespace } = await open();
    const { passes } = await start();
    const { metadata } = await apply();
    await poll(phase).toBe("RUNNING");
    expect(await writes()).toEqual(["create pods", "patch ats.cnat.programming-kubernetes.info/status"]);
    const made = await pod();
    expect(made?.spec).toMatchObject({
      restartPolicy: "Never",
      containers: [{ image: "busybox", command: ["sh", "-c", "echo hello"] }],
    });
    expect(made?.metadata.ownerReferences).toMatchObject([
      { kind: "At", name: "hello", uid: metadata.uid, controller: true },
    ]);

    // Of its own Pod it may hear before it has the answer: then there is a second pass, which finds nothing to do.
    expect(await passes()).toBeLessThanOrEqual(2);
    await end(0);
    await poll(phase).toBe("DONE");
    expect((await writes()).slice(2)).toEqual(["patch ats.cnat.programming-kubernetes.info/status"]);
    expect((await at())?.status?.conditions).toMatchObject([
      { type: "Succeeded", status: "True", reason: "PodSucceeded", message: "Pod hello: Completed, exit code 0" },
    ]);
    await poll(events).toEqual(expect.arrayContaining(["Normal Created", "Normal PodSucceeded"]));
    expect((await admin.list(Pod, { namespace })).items).toHaveLength(1);
  });

  test("is DONE when the Pod failed, and the condition says that", async () => {
    const { apply, start, pod, end, phase, succeeded, events } = await open();
    await start();
    await apply({ command: "exit 3" });
    await poll(pod).toBeDefined();
    await end(3);
    await poll(phase).toBe("DONE");
    expect(await succeeded()).toMatchObject({
      status: "False",
      reason: "PodFailed",
      message: "Pod hello: Error, exit code 3",
    });
    await poll(events).toContain("Warning PodFailed");
  });
});

describe("an At whose instant is to come", () => {
  test("is PENDING, its own status wakes nobody, and nothing is asked until then, however far it is", async () => {
    const { apply, start, pod, phase, succeeded, world } = await open();
    const clock = new VirtualClock(Date.parse("2026-01-01T00:00:00Z"));
    const { passes } = await start({ clock });
    await apply({ schedule: "2026-03-01T12:00:00+01:00" });
    await poll(phase).toBe("PENDING");
    expect(await succeeded()).toMatchObject({
      status: "Unknown",
      reason: "Scheduled",
      message: "starts at 2026-03-01T11:00:00.000Z",
    });

    // Further than a timer of Node reaches, 2^31 ms.
    const days = 24 * 3_600_000;
    for (const ms of [30 * days, 29 * days, 11 * 3_600_000 - 1_000]) {
      const before = (await world.calls()).filter(({ verb }) => verb !== "watch");
      clock.stall(ms);
      await clock.advance(0);
      expect(await passes()).toBe(1);
      expect((await world.calls()).filter(({ verb }) => verb !== "watch")).toEqual(before);
    }
    expect(await pod()).toBeUndefined();
    await clock.advance(1_000);
    await poll(phase).toBe("RUNNING");
    expect(await passes()).toBe(2);
  });

  test("follows an edit of its schedule and command until it has been started, and none after", async () => {
    const { apply, start, pod, phase, end } = await open();
    const { passes } = await start();
    await apply({ schedule: "2999-01-01T00:00:00Z" });
    await poll(phase).toBe("PENDING");
    await apply({ command: "echo bye" });
    await poll(phase).toBe("RUNNING");
    expect((await pod())?.spec?.containers[0]?.command).toEqual(["sh", "-c", "echo bye"]);

    const passesBefore = await passes();
    const { uid } = (await pod())!.metadata;
    await apply({ schedule: "2999-01-01T00:00:00Z", command: "echo late" });
    await poll(passes).toBeGreaterThan(passesBefore);
    expect(await phase()).toBe("RUNNING");
    expect((await pod())?.metadata.uid).toBe(uid);
    await end(0);
    await poll(phase).toBe("DONE");
  });
});

describe("a schedule that is no instant", () => {
  test("is told by a condition and an Event, and waits for an edit", async () => {
    const { apply, start, pod, phase, succeeded, events } = await open();
    await start();
    await apply({ schedule: "tomorrow" });
    await poll(succeeded).toMatchObject({ status: "False", reason: "InvalidSchedule" });
    expect((await succeeded())?.message).toContain('"tomorrow"');
    await poll(events).toEqual(["Warning InvalidSchedule"]);
    expect([await phase(), await pod()]).toEqual(["PENDING", undefined]);

    await apply();
    await poll(phase).toBe("RUNNING");
    expect(await succeeded()).toMatchObject({ status: "Unknown", reason: "Running", observedGeneration: 2 });
  });

  test.for([
    ["2026-02-10T20:30:00Z", "2026-02-10T20:30:00.000Z", "UTC"],
    ["2026-02-10T20:30:00+01:00", "2026-02-10T19:30:00.000Z", "an offset"],
    ["2026-02-10T20:30:00.123456Z", "2026-02-10T20:30:00.123Z", "parts of a second"],
    ["2026-02-10t20:30:00z", "2026-02-10T20:30:00.000Z", "RFC 3339 takes small letters"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z", "a leap day"],
    ["2026-02-30T00:00:00Z", undefined, "no such day"],
    ["2026-13-01T00:00:00Z", undefined, "no such month"],
    ["2026-02-10T20:30:00", undefined, "whose time of day?"],
    ["2026-02-10", undefined, "no time of day"],
    ["2026-02-10T25:00:00Z", undefined, "no such hour"],
    ["2026-02-10T24:00:00Z", undefined, "ISO 8601 has this hour, RFC 3339 has not"],
    ["2026-02-10T20:30:00+24:00", undefined, "no such offset"],
    ["Tue, 10 Feb 2026 20:30:00 GMT", undefined, "another format"],
    ["", undefined, "nothing"],
  ] as const)("%s is %s: %s", ([schedule, instant]) => {
    if (instant === undefined) expect(() => instantOf(schedule)).toThrow(TerminalError);
    else expect(new Date(instantOf(schedule)).toJSON()).toBe(instant);
  });
});

describe("the command", () => {
  test("does not run again once it is DONE, though its Pod is deleted and the controller starts anew", async () => {
    const { apply, start, pod, end, phase, deletePod, creations } = await open();
    const first = await start();
    await apply();
    await poll(phase).toBe("RUNNING");
    await end(0);
    await poll(phase).toBe("DONE");
    const before = await first.passes();
    await deletePod();
    await poll(first.passes).toBeGreaterThan(before);
    expect(await pod()).toBeUndefined();
    await first.stop();

    const second = await start();
    await poll(second.passes).toBe(1);
    await apply({ command: "echo again" });
    await poll(second.passes).toBe(2);
    expect([await pod(), await phase(), await creations()]).toEqual([undefined, "DONE", 1]);
  });

  test("does not run again on the word of a cache that is behind", async () => {
    const { apply, start, at, pod, end, phase, deletePod } = await open();
    const first = await start();
    await apply();
    await poll(phase).toBe("RUNNING");
    const stale = (await at())!;
    await end(0);
    await poll(phase).toBe("DONE");
    await first.stop();
    await deletePod();

    const fromThePast = (client: KubeClient): KubeClient => ({
      ...client,
      async *watch(kind, options) {
        for await (const frame of client.watch(kind, options)) {
          yield frame.type === "ADDED" && frame.object.kind === "At" ? { ...frame, object: stale as never } : frame;
        }
      },
    });
    const second = await start({ wrap: fromThePast });
    await poll(second.passes).toBeGreaterThan(1);
    expect([await pod(), await phase()]).toEqual([undefined, "DONE"]);
  });

  test("runs again when its Pod is deleted before its end", async () => {
    const { apply, start, pod, phase, deletePod, events } = await open();
    await start();
    await apply();
    await poll(phase).toBe("RUNNING");
    const uid = await deletePod();
    await poll(async () => (await pod())?.metadata.uid).not.toBe(uid);
    await poll(pod).toBeDefined();
    expect(await phase()).toBe("RUNNING");
    await poll(events).toContain("Normal Created");
  });

  test("runs again also when its Pod was told to end, and failed for that", async () => {
    const { apply, start, pod, phase, bindPod, deletePod, end } = await open();
    const { passes } = await start();
    await apply();
    await poll(phase).toBe("RUNNING");
    await bindPod();
    const uid = await deletePod();
    expect((await pod())?.metadata).toMatchObject({ uid, deletionTimestamp: expect.any(String) });
    const before = await passes();
    await end(143);
    await poll(passes).toBeGreaterThan(before);
    expect(await phase()).toBe("RUNNING");
    await deletePod(0);
    await poll(async () => (await pod())?.metadata.uid ?? uid).not.toBe(uid);
    expect(await phase()).toBe("RUNNING");
  });

  test("runs once though the process is killed between the Pod and the status", async () => {
    const { apply, start, pod, at, end, phase, creations } = await open();
    await start({
      wrap: (client, kill) => ({
        ...client,
        create: async (kind, body, options) => {
          const made = await client.create(kind, body, options);
          if (made.kind === "Pod") kill();
          return made;
        },
      }),
    });
    await apply();
    await poll(pod).toBeDefined();
    await end(0);
    expect((await at())?.status).toBeUndefined();

    await apply({ schedule: "2999-01-01T00:00:00Z" });
    await start();
    await poll(phase).toBe("DONE");
    expect(await creations()).toBe(1);
  });
});

describe("the Pod", () => {
  test("goes with its At, and does not come back while that is deleted in the foreground", async () => {
    const { apply, start, at, pod, phase, admin, namespace, bindPod, deletePod, creations } = await open();
    const { passes } = await start();
    const { metadata } = await apply();
    await poll(phase).toBe("RUNNING");
    await bindPod();
    await admin.delete(At, { namespace, name: "hello" }, { uid: metadata.uid!, propagation: "Foreground" });
    await poll(async () => (await pod())?.metadata.deletionTimestamp).toBeDefined();
    const before = await passes();
    await deletePod(0);
    // The garbage collector learns of a new kind within half a minute.
    await expect.poll(at, { timeout: 110_000 }).toBeUndefined();
    await poll(passes).toBeGreaterThan(before);
    expect([await pod(), await creations()]).toEqual([undefined, 1]);
  });

  test("that a quota refuses is told by the condition, and made when there is room", async () => {
    const { apply, start, phase, succeeded, namespace, world } = await open();
    const quotas = `/api/v1/namespaces/${namespace}/resourcequotas`;
    const call = <T>(...[method, path, body]: [method: "GET" | "POST" | "DELETE", path: string, body?: object]) =>
      apiCall<T>(world.plane.admin, method, path, body);
    const quota = {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "none" },
      spec: { hard: { pods: "0" } },
    };
    await call("POST", quotas, quota);
    await poll(() => call<{ status?: object }>("GET", `${quotas}/none`)).toMatchObject({
      status: { hard: { pods: "0" } },
    });
    await start();
    await apply();
    await poll(succeeded).toMatchObject({ status: "False", reason: "Forbidden" });
    expect((await succeeded())?.message).toContain("exceeded quota");
    expect(await phase()).toBe("PENDING");
    await call("DELETE", `${quotas}/none`);
    await poll(phase).toBe("RUNNING");
    expect(await succeeded()).toMatchObject({ status: "Unknown", reason: "Running" });
  });

  test("of somebody else with that name is left alone, and the condition says so", async () => {
    const { apply, start, succeeded, pod, admin, namespace, creations } = await open();
    await admin.create<Pod>(Pod, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name: "hello" },
      spec: { containers: [{ name: "other", image: "other" }] },
    });
    await start();
    await apply();
    await poll(succeeded).toMatchObject({ status: "False", reason: "NameTaken" });
    expect((await pod())?.spec?.containers).toMatchObject([{ name: "other" }]);
    expect(await creations()).toBe(0);
  });
});

describe("the manifests", () => {
  test("show an At in columns", async () => {
    const { apply, start, phase, namespace, world } = await open();
    await start();
    await apply();
    await poll(phase).toBe("RUNNING");
    const path = `/apis/cnat.programming-kubernetes.info/v1alpha1/namespaces/${namespace}/ats`;
    const table = await apiCall<{ columnDefinitions: { name: string }[]; rows: { cells: string[] }[] }>(
      world.plane.admin,
      "GET",
      path,
      undefined,
      { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    );
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual([
      "Name",
      "Schedule",
      "Phase",
      "Reason",
      "Age",
      "Message",
    ]);
    expect(table.rows[0]?.cells.slice(0, 4)).toEqual(["hello", past, "RUNNING", "Running"]);
  });

  test("have a sample that runs", async () => {
    const { start, admin, namespace, phase } = await open();
    await start();
    const [sample] = await manifest<At>("at-controller/manifests/hello.yaml");
    await admin.create(At, { ...sample!, metadata: { ...sample!.metadata, namespace } });
    await poll(phase).toBe("RUNNING");
  });
});

test("the process of the README runs what is due, ends on SIGTERM without a failure, and gives its lease back", async () => {
  const { world, apply, phase, pod, admin, namespace } = await open();
  const { signal } = await world.startProcess({ IMAGE: "debian" });
  await apply();
  await poll(phase).toBe("RUNNING");
  expect((await pod())?.spec?.containers[0]?.image).toBe("debian");
  const holder = async () => (await admin.get(Lease, { namespace, name: "at-controller" }))?.spec?.holderIdentity;
  expect(await holder()).toBeTruthy();
  expect(await signal("SIGTERM")).toBe(0);
  expect(await holder()).toBe("");
});
