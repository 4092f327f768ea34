// Every metric that the operator exports, with its labels: those of the runtime, of the Databases and of the process.
import { LastReconciles } from "../../src/database/metrics/last-reconciles.ts";
import { measureDatabases } from "../../src/database/metrics/metrics.ts";
import { createMetrics } from "../../src/runtime/index.ts";
import { TestWorld } from "./controller-world.ts";

export interface Exported {
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

interface Described {
  readonly name: string;
  readonly help: string;
  /** prom-client does not tell it in its types. */
  readonly labelNames?: readonly string[];
}

/** By the names that a query uses: a histogram stands there three times. */
export async function exportedMetrics(): Promise<ReadonlyMap<string, Exported>> {
  const metrics = createMetrics();
  const { cache, subscribe } = new TestWorld();
  metrics.controller("database", 1, () => undefined);
  metrics.leader("holdfast", () => true);
  measureDatabases({ cache, subscribe, metrics }, new LastReconciles());
  const { registry } = metrics;
  const exported = new Map<string, Exported>();
  for (const each of registry.getMetricsAsArray()) {
    const { name, help, labelNames = [] } = each as unknown as Described;
    const type = String((await registry.getSingleMetric(name)?.get())?.type);
    if (type === "histogram") {
      exported.set(`${name}_bucket`, { help, type, labels: [...labelNames, "le"] });
      for (const part of ["sum", "count"]) exported.set(`${name}_${part}`, { help, type, labels: labelNames });
    } else {
      exported.set(name, { help, type, labels: labelNames });
    }
  }
  return exported;
}
