// Prometheus metrics under controller-runtime's names, labels and buckets, so that its dashboards and alerts work unchanged.
// Knows nothing of what it measures: gauges are read from functions when they are scraped.
// https://book.kubebuilder.io/reference/metrics-reference
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export type { Registry };

export type ReconcileResult = "success" | "error" | "requeue" | "requeue_after";

/** What one controller tells as it happens. Times are given in ms and exported in seconds. */
export interface ControllerMetrics {
  readonly reconciled: (result: ReconcileResult, tookMs: number) => void;
  readonly terminalError: () => void;
  /** Something threw that is not an Error of the reconciler's own: a predicate, a map function, a bug. */
  readonly panic: () => void;
  readonly timeout: () => void;
  readonly queueAdded: () => void;
  readonly queueTaken: (waitedMs: number) => void;
  readonly queueFinished: (tookMs: number) => void;
  readonly queueRetried: () => void;
}

/** What is read at scrape time. */
export interface QueueView {
  readonly ready: ReadonlyMap<number, number>;
  readonly runningMs: readonly number[];
}

/** A metric whose series are read when it is scraped: exactly those that are there then. */
export interface Series<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly labels: readonly L[];
}

/** One series and its value now. */
export type Sample<L extends string> = readonly [labels: Readonly<Record<L, string>>, value: number];

export interface Metrics {
  readonly registry: Registry;
  /** Registers a metric of the user's own. `read` is called at each scrape, so it must be quick. */
  readonly series: <L extends string>(metric: Series<L>, read: () => Iterable<Sample<L>>) => void;
  /** Registers a controller: every series exists, at 0, from then on. `queue` is undefined until it runs. */
  readonly controller: (name: string, concurrency: number, queue: () => QueueView | undefined) => ControllerMetrics;
  /** 1 while this process leads. */
  readonly leader: (name: string, leads: () => boolean) => void;
  /** One answer of the API server; code "<error>" when there was none. */
  readonly request: (call: { readonly code: string; readonly method: string; readonly host: string }) => void;
  /** Seconds since a watch last said anything, bookmarks included; undefined until it is synced. */
  readonly watch: (resource: string, ageMs: () => number | undefined) => void;
}

const reconcileSeconds = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
const queueSeconds = Array.from({ length: 12 }, (_, power) => Number(`1e${power - 8}`));

/** @param options.process also event loop, heap, CPU and file descriptors of this process; default true. */
export function createMetrics(options: { process?: boolean } = {}): Metrics {
  const registry = new Registry();
  // The event loop's delay matters (the lease is renewed on it); sampled at 20 ms it costs next to nothing.
  if (options.process !== false) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]): Histogram<L> =>
    new Histogram({ name, help, labelNames, buckets, registers });

  const total = counter("controller_runtime_reconcile_total", "Reconciles by result", ["controller", "result"]);
  const errors = counter("controller_runtime_reconcile_errors_total", "Reconciles that failed", ["controller"]);
  const terminal = counter("controller_runtime_terminal_reconcile_errors_total", "Failures that are not retried", [
    "controller",
  ]);
  const panics = counter("controller_runtime_reconcile_panics_total", "Throws in predicates and map functions", [
    "controller",
  ]);
  const timeouts = counter("controller_runtime_reconcile_timeouts_total", "Reconciles that took too long", [
    "controller",
  ]);
  const time = histogram(
    "controller_runtime_reconcile_time_seconds",
    "How long a reconcile took",
    ["controller"],
    reconcileSeconds,
  );
  const adds = counter("workqueue_adds_total", "Keys that became ready", ["name", "controller"]);
  const retries = counter("workqueue_retries_total", "Keys that were put back", ["name", "controller"]);
  const waited = histogram(
    "workqueue_queue_duration_seconds",
    "How long a key was ready before its turn",
    ["name", "controller"],
    queueSeconds,
  );
  const worked = histogram(
    "workqueue_work_duration_seconds",
    "How long a key was held",
    ["name", "controller"],
    queueSeconds,
  );
  const requests = counter("rest_client_requests_total", "Answers of the API server; code <error>: none", [
    "code",
    "method",
    "host",
  ]);

  interface Registered {
    readonly concurrency: number;
    readonly queue: () => QueueView | undefined;
    readonly priorities: Set<number>;
  }
  const controllers = new Map<string, Registered>();
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    read: (gauge: Gauge<L>) => void,
  ): void => {
    const collect = (): void => read(made);
    const made = new Gauge({ name, help, labelNames, registers, collect });
  };
  const eachQueue = (set: (name: string, view: QueueView | undefined, known: Registered) => void): void => {
    for (const [name, known] of controllers) set(name, known.queue(), known);
  };
  gauge("controller_runtime_max_concurrent_reconciles", "Concurrency", ["controller"], (to) =>
    eachQueue((controller, _, known) => to.set({ controller }, known.concurrency)),
  );
  gauge("controller_runtime_active_workers", "Reconciles that run now", ["controller"], (to) =>
    eachQueue((controller, view) => to.set({ controller }, view?.runningMs.length ?? 0)),
  );
  gauge("workqueue_depth", "Keys that are ready", ["name", "controller", "priority"], (to) =>
    eachQueue((name, view, known) => {
      for (const priority of view?.ready.keys() ?? []) known.priorities.add(priority);
      for (const priority of known.priorities) {
        to.set({ name, controller: name, priority: String(priority) }, view?.ready.get(priority) ?? 0);
      }
    }),
  );
  gauge("workqueue_unfinished_work_seconds", "Sum over the keys that run now", ["name", "controller"], (to) =>
    eachQueue((name, view) =>
      to.set({ name, controller: name }, (view?.runningMs ?? []).reduce((sum, ms) => sum + ms, 0) / 1000),
    ),
  );
  gauge("workqueue_longest_running_processor_seconds", "The key that has run longest", ["name", "controller"], (to) =>
    eachQueue((name, view) => to.set({ name, controller: name }, Math.max(0, ...(view?.runningMs ?? [])) / 1000)),
  );
  const leaders = new Map<string, () => boolean>();
  gauge("leader_election_master_status", "1 while this process leads", ["name"], (to) => {
    for (const [name, leads] of leaders) to.set({ name }, leads() ? 1 : 0);
  });
  const watches = new Map<string, () => number | undefined>();
  gauge("holdfast_watch_age_seconds", "Seconds since a watch last said anything", ["resource"], (to) => {
    for (const [resource, ageMs] of watches) {
      const age = ageMs();
      if (age !== undefined) to.set({ resource }, age / 1000);
    }
  });

  return {
    registry,
    series({ name, help, type, labels }, read) {
      const collect = (): void => {
        made.reset();
        for (const [of, value] of read()) made.inc(of, value);
      };
      const options = { name, help, labelNames: [...labels], registers, collect };
      const made = type === "gauge" ? new Gauge(options) : new Counter(options);
    },
    controller(name, concurrency, queue) {
      controllers.set(name, { concurrency, queue, priorities: new Set([0]) });
      const controller = { controller: name };
      const work = { name, controller: name };
      for (const result of ["success", "error", "requeue", "requeue_after"]) total.inc({ ...controller, result }, 0);
      for (const each of [errors, terminal, panics, timeouts]) each.inc(controller, 0);
      for (const each of [adds, retries]) each.inc(work, 0);
      time.zero(controller);
      for (const each of [waited, worked]) each.zero(work);
      return {
        reconciled(result, tookMs) {
          total.inc({ ...controller, result });
          if (result === "error") errors.inc(controller);
          time.observe(controller, tookMs / 1000);
        },
        terminalError: () => terminal.inc(controller),
        panic: () => panics.inc(controller),
        timeout: () => timeouts.inc(controller),
        queueAdded: () => adds.inc(work),
        queueTaken: (waitedMs) => waited.observe(work, waitedMs / 1000),
        queueFinished: (tookMs) => worked.observe(work, tookMs / 1000),
        queueRetried: () => retries.inc(work),
      };
    },
    leader: (name, leads) => void leaders.set(name, leads),
    request: ({ code, method, host }) => requests.inc({ code, method, host }),
    watch: (resource, ageMs) => void watches.set(resource, ageMs),
  };
}
