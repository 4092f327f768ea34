import { describe, expect, test } from "vitest";
import { createMetrics } from "../../../src/runtime/telemetry/metrics.ts";

describe("metrics", () => {
  test("every series of a controller exists, at 0, as soon as it is registered", async () => {
    const metrics = createMetrics({ process: false });
    metrics.controller("database", 4, () => undefined);
    metrics.leader("holdfast", () => false);
    const text = await metrics.registry.metrics();
    const work = 'name="database",controller="database"';
    for (const series of [
      'controller_runtime_reconcile_total{controller="database",result="success"} 0',
      'controller_runtime_reconcile_total{controller="database",result="error"} 0',
      'controller_runtime_reconcile_total{controller="database",result="requeue"} 0',
      'controller_runtime_reconcile_total{controller="database",result="requeue_after"} 0',
      'controller_runtime_reconcile_errors_total{controller="database"} 0',
      'controller_runtime_terminal_reconcile_errors_total{controller="database"} 0',
      'controller_runtime_reconcile_panics_total{controller="database"} 0',
      'controller_runtime_reconcile_timeouts_total{controller="database"} 0',
      'controller_runtime_reconcile_time_seconds_count{controller="database"} 0',
      'controller_runtime_max_concurrent_reconciles{controller="database"} 4',
      'controller_runtime_active_workers{controller="database"} 0',
      `workqueue_depth{${work},priority="0"} 0`,
      `workqueue_adds_total{${work}} 0`,
      `workqueue_queue_duration_seconds_count{${work}} 0`,
      `workqueue_work_duration_seconds_count{${work}} 0`,
      `workqueue_unfinished_work_seconds{${work}} 0`,
      `workqueue_longest_running_processor_seconds{${work}} 0`,
      `workqueue_retries_total{${work}} 0`,
      'leader_election_master_status{name="holdfast"} 0',
    ]) {
      expect(text.split("\n")).toContain(series);
    }
  });

  test("the buckets are controller-runtime's and client-go's", async () => {
    const metrics = createMetrics({ process: false });
    metrics.controller("database", 1, () => undefined);
    const bounds = async (name: string): Promise<unknown[]> =>
      ((await metrics.registry.getSingleMetric(name)?.get())?.values ?? []).flatMap(({ labels }) =>
        "le" in labels ? [labels.le] : [],
      );
    const powersOfTen = Array.from({ length: 12 }, (_, n) => Number(`1e${n - 8}`));
    expect(await bounds("workqueue_queue_duration_seconds")).toEqual([...powersOfTen, "+Inf"]);
    expect(await bounds("controller_runtime_reconcile_time_seconds")).toHaveLength(41);
  });

  test("gauges are read when they are scraped, and a priority that emptied reads 0", async () => {
    const metrics = createMetrics({ process: false });
    let view = { ready: new Map([[-100, 7]]), runningMs: [250, 1_000] };
    metrics.controller("database", 1, () => view);
    expect(await metrics.registry.metrics()).toContain('priority="-100"} 7');
    view = { ready: new Map(), runningMs: [] };
    const text = await metrics.registry.metrics();
    expect(text).toContain('priority="-100"} 0');
    expect(text).toContain('workqueue_longest_running_processor_seconds{name="database",controller="database"} 0');
  });

  test("the age of a watch shows from when it is synced", async () => {
    const metrics = createMetrics({ process: false });
    let age: number | undefined;
    metrics.watch("secrets", () => age);
    expect(await metrics.registry.metrics()).not.toContain('resource="secrets"');
    age = 1_500;
    expect(await metrics.registry.metrics()).toContain('holdfast_watch_age_seconds{resource="secrets"} 1.5');
  });

  test.each(["gauge", "counter"] as const)("the series of a %s of one's own are those of now", async (type) => {
    const metrics = createMetrics({ process: false });
    let shops: readonly string[] = ["orders", "billing"];
    metrics.series({ name: "shop_things", help: "Things", type, labels: ["shop"] }, () =>
      shops.map((shop, number) => [{ shop }, number] as const),
    );
    const lines = async () =>
      (await metrics.registry.metrics()).split("\n").filter((line) => line.includes("shop_things"));
    const head = ["# HELP shop_things Things", `# TYPE shop_things ${type}`];
    expect(await lines()).toEqual([...head, 'shop_things{shop="orders"} 0', 'shop_things{shop="billing"} 1']);
    expect(await lines()).toEqual([...head, 'shop_things{shop="orders"} 0', 'shop_things{shop="billing"} 1']);
    shops = ["billing"];
    expect(await lines()).toEqual([...head, 'shop_things{shop="billing"} 0']);
  });
});
