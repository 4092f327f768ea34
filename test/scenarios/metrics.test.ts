// What the running operator serves about its Databases: from their creation to their end, changes of the primary included.
import { expect, test } from "vitest";
import { Database } from "../../src/database/api.ts";
import { labels } from "../../src/database/names.ts";
import { Endpoints } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { promote } from "../support/failover.ts";
import { notReady } from "../support/observations.ts";
import { eventually, gone, openScenario, type RunningOperator, type Scenario } from "../support/scenario.ts";

/** The Databases' series by name and labels; what is 0 is left out, and so are times. */
async function served(operator: RunningOperator): Promise<Readonly<Record<string, number>>> {
  const lines = (await operator.metrics()).split("\n").filter((line) => line.startsWith("holdfast_database_"));
  const series = lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice("holdfast_database_".length, at), Number(line.slice(at + 1))] as const;
  });
  return Object.fromEntries(series.filter(([name, value]) => value !== 0 && !name.startsWith("phase_start")));
}

/** Waits until the series are these: the watch tells the operator what the scenario knows already. */
function serves(operator: RunningOperator, expected: Readonly<Record<string, number>>): Promise<boolean> {
  return eventually("the series are as expected", async () => {
    expect(await served(operator)).toEqual(expected);
    return true;
  });
}

/** As Patroni's REST API notes a switchover, before it carries it out. */
async function askToYield({ admin, namespace }: Scenario, leader: string | null): Promise<void> {
  const ref = { name: "orders-failover", namespace };
  const existing = await admin.get(Endpoints, ref);
  if (existing !== undefined) {
    await admin.patch(Endpoints, ref, [
      { op: "replace", path: "/metadata/annotations", value: leader ? { leader } : {} },
    ]);
    return;
  }
  const metadata = { ...ref, labels: { [labels.database]: "orders" }, ...(leader ? { annotations: { leader } } : {}) };
  await admin.create(Endpoints, { apiVersion: "v1", kind: "Endpoints", metadata });
}

test.concurrent("a Database is served from its creation to its end, with every change of its primary", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "metrics");
  const { admin, namespace } = scenario;
  const operator = await scenario.start();
  scenario.standIn.preferLeader("orders-1-0");
  const of = `namespace="${namespace}",name="orders"`;
  const settled = {
    [`ready{${of}}`]: 1,
    [`condition{${of},type="Ready",status="True",reason="AsDeclared"}`]: 1,
    [`condition{${of},type="Available",status="True",reason="PrimaryAvailable"}`]: 1,
    [`condition{${of},type="Progressing",status="False",reason="Settled"}`]: 1,
    [`condition{${of},type="Degraded",status="False",reason="NotDegraded"}`]: 1,
    [`phase{${of},phase="Ready"}`]: 1,
    [`last_reconcile{${of},outcome="success",reason=""}`]: 1,
    [`instances_desired{${of}}`]: 2,
    [`instances{${of},role="primary",state="serving"}`]: 1,
    [`instances{${of},role="replica",state="serving"}`]: 1,
  };
  expect(await served(operator)).toEqual({});
  await scenario.apply({ replicas: 2 });
  await scenario.ready();
  await serves(operator, settled);

  await promote(scenario, "orders-2-0");
  await serves(operator, { ...settled, [`failovers_total{${of}}`]: 1 });

  await askToYield(scenario, "orders-2-0");
  await promote(scenario, "orders-1-0");
  await askToYield(scenario, null);
  await serves(operator, { ...settled, [`failovers_total{${of}}`]: 1, [`switchovers_total{${of}}`]: 1 });

  await scenario.apply({ replicas: 2, parameters: { port: "5433" } });
  const { reason, lastTransitionTime } = await notReady(scenario, "ParameterRefused");
  await eventually("the series say so", async () => {
    expect(await served(operator)).toMatchObject({
      [`condition{${of},type="Ready",status="False",reason="${reason}"}`]: 1,
      [`phase{${of},phase="Failed"}`]: 1,
      [`last_reconcile{${of},outcome="waits",reason="${reason}"}`]: 1,
    });
    const since = `holdfast_database_phase_start_time_seconds{${of}} ${Date.parse(lastTransitionTime) / 1000}`;
    expect((await operator.metrics()).split("\n")).toContain(since);
    return true;
  });

  await scenario.remove();
  await gone(admin, Database, { namespace, name: "orders" });
  await serves(operator, {});
});

test.concurrent("of two operators the one that leads serves them", async () => {
  await using scenario = await openScenario(await sharedControlPlane(), "metrics-two");
  const leaseTimes = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 200 };
  const first = await scenario.start({ lease: "holdfast", identity: "first", leaseTimes });
  await scenario.apply();
  await scenario.ready();
  const second = await scenario.start({ lease: "holdfast", identity: "second", account: "second", leaseTimes });
  await eventually("the second one follows", async () =>
    (await second.metrics()).includes('holdfast_watch_age_seconds{resource="pods"}') ? true : undefined,
  );
  expect(Object.keys(await served(first))).toContain(`ready{namespace="${scenario.namespace}",name="orders"}`);
  expect(await served(second)).toEqual({});

  await first.stop();
  await eventually("the second one serves them", async () => {
    expect(Object.keys(await served(second))).toContain(`ready{namespace="${scenario.namespace}",name="orders"}`);
    return true;
  });
});
