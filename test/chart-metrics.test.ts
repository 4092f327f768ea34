// The chart's ServiceMonitor, alerts and dashboard, against what the operator exports and the documents explain.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ensureBinaries } from "../hack/cluster/binaries.ts";
import { createProgress } from "../hack/cluster/progress.ts";
import { findRendered, renderChart, type Rendered } from "./support/chart.ts";
import { exportedMetrics, type Exported } from "./support/exported-metrics.ts";

const document = readFileSync(join(import.meta.dirname, "../docs/metrics.md"), "utf8");

let objects: readonly Rendered[];
let exported: ReadonlyMap<string, Exported>;
beforeAll(async () => {
  await ensureBinaries(["helm"], createProgress());
  objects = await renderChart(["serviceMonitor", "rules", "dashboard"].map((part) => `metrics.${part}.create=true`));
  exported = await exportedMetrics();
}, 600_000);

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

function alerts(of = objects): readonly Alert[] {
  const { spec } = findRendered(of, "PrometheusRule", "holdfast");
  return (spec.groups as { rules: Alert[] }[]).flatMap(({ rules }) => rules);
}

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

function dashboard(): Dashboard {
  return JSON.parse(findRendered(objects, "ConfigMap", "holdfast-dashboard")["data"]["holdfast.json"]) as Dashboard;
}

/** What prometheus-operator adds to each series that it scrapes. */
const ofTarget = new Set(["job", "pod", "namespace", "instance"]);
/** A word with an underscore that is none of a metric's. */
const functions = new Set(["histogram_quantile", "label_values", "clamp_min", "rate_interval"]);

/** Metrics, and labels behind a point, that a query uses and nobody exports. Label matchers stand behind the metric they are for. */
function unknownIn(query: string): readonly string[] {
  const unknown: string[] = [];
  const matched = query.replace(/([a-z_]+)\{([^}]*)\}/g, (_, name: string, matchers: string) => {
    for (const [, label = ""] of matchers.matchAll(/([a-z_]+)\s*[=!]/g)) {
      if (exported.get(name)?.labels.includes(label) !== true && !ofTarget.has(label)) unknown.push(`${name}.${label}`);
    }
    return name;
  });
  const names = matched.matchAll(/\b[a-z]+(?:_[a-z0-9]+)+\b/g);
  return [
    ...unknown,
    ...[...names].map(([name]) => name).filter((name) => !exported.has(name) && !functions.has(name)),
  ];
}

test.each([
  {
    query: "max(holdfast_databases_ready)",
    unknown: ["holdfast_databases_ready"],
    because: "a metric that is not there",
  },
  {
    query: 'holdfast_database_ready{state="x"}',
    unknown: ["holdfast_database_ready.state"],
    because: "a label it lacks",
  },
  {
    query: 'sum by (job) (rate(workqueue_depth{job="x",name=~"$name"}[5m])) > 3',
    unknown: [],
    because: "all is there",
  },
])("in $query is unknown: $unknown, $because", ({ query, unknown }) => {
  expect(unknownIn(query)).toEqual(unknown);
});

test("nothing of this is there unless it is asked for: its definitions may be missing", async () => {
  const kinds = (await renderChart()).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  expect(kinds.filter((kind) => /ServiceMonitor|PrometheusRule|dashboard/.test(kind))).toEqual([]);
});

describe("the ServiceMonitor", () => {
  test("has the metrics Service scraped, and lets the labels be those of the Databases", () => {
    const { spec } = findRendered(objects, "ServiceMonitor", "holdfast");
    const { metadata, spec: service } = findRendered(objects, "Service", "holdfast-metrics");
    expect(metadata.labels).toMatchObject(spec.selector.matchLabels);
    expect(spec.namespaceSelector).toEqual({ matchNames: [metadata.namespace] });
    expect(spec.endpoints).toEqual([{ port: service.ports[0].name, interval: "30s", honorLabels: true }]);
  });

  test("is refused without the Service", async () => {
    const values = ["metrics.serviceMonitor.create=true", "metrics.service.create=false"];
    await expect(renderChart(values)).rejects.toThrow("metrics.serviceMonitor.create needs metrics.service.create");
  });
});

describe("the alerts", () => {
  test("ask for what the operator exports", () => {
    expect(alerts().length).toBeGreaterThan(5);
    for (const { alert, expr, annotations } of alerts()) {
      expect({ alert, unknown: unknownIn(expr) }).toEqual({ alert, unknown: [] });
      expect({ alert, unknown: unknownIn(annotations["description"] ?? "") }).toEqual({ alert, unknown: [] });
    }
  });

  test("take those metrics that other controllers have too from this operator alone", () => {
    const service = findRendered(objects, "Service", "holdfast-metrics").metadata.name;
    for (const { alert, expr } of alerts()) {
      const foreign = [...expr.matchAll(/([a-z_]+)\{([^}]*)\}/g)].filter(
        ([, name]) => name?.startsWith("holdfast_") !== true,
      );
      expect({ alert, jobs: foreign.filter(([, , matchers]) => !matchers?.includes(`job="${service}"`)) }).toEqual({
        alert,
        jobs: [],
      });
    }
  });

  test("say what is wrong, how bad it is and where to read on, and are explained there", async () => {
    const linking = await renderChart(["metrics.rules.create=true", "metrics.rules.docsUrl=https://docs.example/pg"]);
    for (const [index, { alert, labels, annotations }] of alerts().entries()) {
      expect(labels["severity"]).toMatch(/^(critical|warning)$/);
      expect(annotations).toEqual({
        summary: expect.stringMatching(/\w/),
        description: expect.stringMatching(/\w/),
        runbook: expect.stringMatching(/^docs\/(conditions|metrics)\.md$/),
      });
      const link = annotations["runbook"]?.replace("docs/", "https://docs.example/pg/");
      expect(alerts(linking)[index]?.annotations["runbook_url"]).toBe(link);
      expect(document).toContain(`| \`${alert}\` |`);
    }
    expect(JSON.stringify([alerts(), alerts(linking)])).not.toContain("${");
  });

  test("bear the labels by which a Prometheus selects them", async () => {
    const labelled = await renderChart(["metrics.rules.create=true", "metrics.rules.labels.release=prometheus"]);
    expect(findRendered(labelled, "PrometheusRule", "holdfast").metadata.labels).toMatchObject({
      release: "prometheus",
    });
  });
});

describe("the dashboard", () => {
  test("asks for what the operator exports", () => {
    const { panels, templating } = dashboard();
    const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
    expect(queries.length).toBeGreaterThan(10);
    for (const { title, expr } of queries) expect({ title, unknown: unknownIn(expr) }).toEqual({ title, unknown: [] });
    for (const { name, query } of templating.list) {
      expect({ name, unknown: unknownIn((query as { query?: string }).query ?? "") }).toEqual({
        name,
        unknown: [],
      });
    }
  });

  test("is found by Grafana's sidecar", () => {
    const { metadata } = findRendered(objects, "ConfigMap", "holdfast-dashboard");
    expect(metadata.labels).toMatchObject({ grafana_dashboard: "1" });
  });
});

describe("docs/metrics.md", () => {
  /** Those of the process are prom-client's. */
  const isOurs = (name: string): boolean => !/^(process|nodejs)_/.test(name);

  test("names every metric that the operator exports, and no other", () => {
    const names = [...exported.keys()]
      .filter(isOurs)
      .map((name) => name.replace(/_seconds_(bucket|sum|count)$/, "_seconds"));
    const described = [...document.matchAll(/^\| `([a-z_]+)(?:\{([a-z, ]*)\})?` \|/gm)];
    expect(described.map(([, name]) => String(name)).toSorted()).toEqual([...new Set(names)].toSorted());
    for (const [, name = "", labels = ""] of described) {
      const known = exported.get(name) ?? exported.get(`${name}_sum`);
      expect({ name, labels: labels.split(/, */).filter((label) => label !== "") }).toEqual({
        name,
        labels: known?.labels,
      });
    }
  });

  test("asks in its examples for what the operator exports", () => {
    const blocks = [...document.matchAll(/^```promql\n([\s\S]*?)^```/gm)].map(([, query = ""]) => query);
    const cells = [...document.matchAll(/`([^`\n]*holdfast_database_[^`\n]*)` \|$/gm)].map(([, query = ""]) => query);
    expect(cells.length).toBeGreaterThan(7);
    expect([...blocks, ...cells].flatMap(unknownIn)).toEqual([]);
  });
});
