// The Shop operator on holdfast/runtime, as a user of it would write it. bench/README.md has the contract that it fulfils.
import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  addFinalizer,
  applyChildren,
  awaitChange,
  ContestedPaths,
  createLog,
  createManager,
  kubeconfigConnection,
  on,
  removeFinalizer,
  Secret,
  Service,
  setCondition,
  StatefulSet,
  writeStatus,
  type ApplyConfig,
  type Context,
  type EventRecorder,
  type Outcome,
} from "holdfast/runtime";
import { children, Shop } from "./shop.ts";

const fieldManager = "shop-operator";
const finalizer = "bench.dev/cleanup";
const config: ApplyConfig = {
  // As the peers do.
  trustsCache: true,
  fieldManager,
  labels: { "app.kubernetes.io/name": "shop" },
  ownerUidAnnotation: "bench.dev/owner-uid",
  contested: new ContestedPaths(),
};
/** The peers tell of nothing either. */
const silent: EventRecorder = { emit: () => {} };

async function reconcile(seen: Readonly<Shop>, context: Context<undefined>): Promise<Outcome> {
  const { client, signal } = context;
  const options = { fieldManager, signal };
  if (seen.metadata.deletionTimestamp !== undefined) {
    await removeFinalizer(client, Shop, seen, finalizer, options);
    return awaitChange;
  }
  const shop = await addFinalizer(client, Shop, seen, finalizer, options);
  const { failures } = await applyChildren(shop, { object: shop, kind: Shop }, children, config, {
    ...context,
    events: silent,
  });
  if (failures[0] !== undefined) throw failures[0].error;

  const observedGeneration = shop.metadata.generation ?? 0;
  const ready = {
    type: "Ready",
    status: "True",
    reason: "Applied",
    message: "children applied",
    observedGeneration,
  } as const;
  const conditions = setCondition(shop.status?.conditions, ready, new Date());
  await writeStatus(Shop, shop, { observedGeneration, phase: "Applied", conditions }, fieldManager, context);
  return awaitChange;
}

const log = createLog({ level: "warn", name: "shop-operator" });
const manager = createManager({
  name: fieldManager,
  api: { connection: await kubeconfigConnection({ path: process.env["KUBECONFIG"] ?? "" }) },
  log,
  leaderElection: false,
  telemetry: { probes: { port: 0, host: "127.0.0.1" } },
});

const keys = new Set<string>();
let reconciles = 0;
manager.controller({
  name: "shop",
  for: Shop,
  when: on.any(on.generationChanged, on.deletionChanged),
  owns: [{ kind: Secret }, { kind: Service }, { kind: StatefulSet }],
  concurrency: 8,
  value: undefined,
  reconcile: async (shop, context) => {
    reconciles += 1;
    const outcome = await reconcile(shop, context);
    keys.add(`${shop.metadata.namespace}/${shop.metadata.name}`);
    return outcome;
  },
});

const delays = process.env["EVENT_LOOP_DELAY"] === undefined ? undefined : monitorEventLoopDelay({ resolution: 1 });
const eventLoopDelayMs = () => delays && { p99: delays.percentile(99) / 1e6, max: delays.max / 1e6 };

const progress = createServer((_, response) => {
  response.setHeader("connection", "close");
  response.end(JSON.stringify({ keys: keys.size, reconciles, eventLoopDelayMs: eventLoopDelayMs() }));
});
progress.listen(Number(process.env["METRICS_PORT"] ?? 0), "127.0.0.1");

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
delays?.enable();
await manager.run(stop.signal);
process.exit(0);
