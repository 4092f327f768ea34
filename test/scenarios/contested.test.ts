// Another field manager keeps changing what is ours: neither gives in, so one has to say so and step back.
import { test } from "vitest";
import { Database } from "../../src/database/api.ts";
import { ConfigMap, Service } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { isWrite } from "../support/audit.ts";
import { eventsOf, notReady, untilIdle } from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";

interface Quarrel {
  readonly because: string;
  readonly path: string;
  readonly object: string;
  readonly meddle: (scenario: Scenario) => Promise<unknown>;
  /** Whether what stands there now is theirs. */
  readonly theirs: (scenario: Scenario) => Promise<boolean>;
  /** They give it up. */
  readonly giveUp: (scenario: Scenario) => Promise<unknown>;
}

const fieldManager = "meddler";

const quarrels: readonly Quarrel[] = [
  {
    because: "by apply",
    path: "data[patroni.yml]",
    object: "configmaps orders-patroni",
    meddle: ({ admin, namespace }) => {
      const metadata = { name: "orders-patroni", namespace };
      const body = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "patroni.yml": "scope: theirs" } } as const;
      return admin.apply(ConfigMap, body, { fieldManager });
    },
    theirs: async ({ admin, namespace }) =>
      (await admin.get(ConfigMap, { namespace, name: "orders-patroni" }))?.data?.["patroni.yml"] === "scope: theirs",
    giveUp: async ({ admin, namespace }) => {
      const ref = { namespace, name: "orders-patroni" };
      await admin.delete(ConfigMap, ref, { uid: (await admin.get(ConfigMap, ref))?.metadata.uid ?? "" });
    },
  },
  {
    because: "by an update of what must not be there",
    path: "spec.selector",
    object: "services orders",
    meddle: ({ admin, namespace }) =>
      admin.patch(
        Service,
        { namespace, name: "orders" },
        [{ op: "add", path: "/spec/selector", value: { app: "theirs" } }],
        { fieldManager },
      ),
    theirs: async ({ admin, namespace }) =>
      (await admin.get(Service, { namespace, name: "orders" }))?.spec?.selector?.["app"] === "theirs",
    giveUp: ({ admin, namespace }) =>
      admin.patch(Service, { namespace, name: "orders" }, [{ op: "remove", path: "/spec/selector" }], { fieldManager }),
  },
];

test.concurrent.for(quarrels)(
  "a path that another keeps changing $because is named, with who it is, and left alone",
  async ({ because, path, object, meddle, theirs, giveUp }, { expect }) => {
    await using scenario = await openScenario(await sharedControlPlane(), "contested");
    const operator = await scenario.start();
    await scenario.apply();
    await scenario.ready();

    const told = await timed(async () => {
      const said = await eventually("an Event that says so", async () => {
        if (!(await theirs(scenario))) await meddle(scenario);
        return (await eventsOf(scenario)).find(({ reason }) => reason === "Contested");
      });
      await notReady(scenario, "Contested");
      return said;
    });
    const event = told.value;
    expect(event).toMatchObject({ type: "Warning" });
    expect(event.note).toContain(`${path} of`);
    expect(event.note).toContain(`${fieldManager} keeps changing it`);
    expect((await notReady(scenario, "Contested")).message).toContain(`${path} of`);

    // Whatever wakes it now, it does not write.
    const writes = async (): Promise<number> =>
      (await scenario.calls(scenario.operatorUser)).filter(
        (call) => isWrite(call) && `${call.resource} ${call.name}` === object,
      ).length;
    const before = await writes();
    const passed = await untilIdle(operator);
    const { namespace } = scenario;
    await scenario.admin.patch(Database, { namespace, name: "orders" }, [
      { op: "add", path: "/metadata/annotations", value: { "holdfast.dev/look": "again" } },
    ]);
    await eventually("another pass", async () => ((await untilIdle(operator)) > passed ? true : undefined));
    expect(await theirs(scenario)).toBe(true);
    expect(await writes()).toBe(before);

    const mended = await timed(async () => {
      await giveUp(scenario);
      return scenario.ready();
    });
    printSeconds("Contested", `another takes it back ${because}, five times`, told, mended);
  },
);
