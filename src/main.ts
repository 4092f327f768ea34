// The operator's process: builds everything, starts it, waits for a signal. The only composition root.
import { databaseController } from "./database/controller.ts";
import { ObservationMemo } from "./database/outside/observation-memo.ts";
import type { ProvisionFacts } from "./database/outside/provision.ts";
import { StartFailures } from "./database/troubles/start-failures.ts";
import { UnusableReplicas } from "./database/troubles/unusable-replicas.ts";
import { patroniRest } from "./external/patroni-rest.ts";
import { pgPostgres } from "./external/pg-postgres.ts";
import {
  ContestedPaths,
  createLog,
  createManager,
  findConnection,
  startTraceExport,
  type Log,
} from "./runtime/index.ts";
import { readSettings, SettingsError, usage, type Settings } from "./settings.ts";

async function run(settings: Settings, log: Log): Promise<void> {
  const { cluster, leaderElection, namespaces, port, concurrency, resyncEveryMs, tracing } = settings;
  const traces = tracing === false ? undefined : await startTraceExport({ name: "holdfast", log, ...tracing });
  const manager = createManager({
    name: "holdfast",
    api: { connection: await findConnection(cluster.environment, cluster) },
    log,
    namespaces,
    ...(leaderElection === false ? {} : { identity: leaderElection.identity }),
    leaderElection: leaderElection && { namespace: leaderElection.namespace, name: leaderElection.leaseName },
    telemetry: { probes: { port } },
    tracer: traces?.tracer,
  });
  manager.controller(
    databaseController({
      operator: {
        settings,
        ports: { postgres: pgPostgres, patroni: patroniRest },
        memo: new ObservationMemo<ProvisionFacts>({ resyncEveryMs }),
        contested: new ContestedPaths(),
        startFailures: new StartFailures(),
        unusableReplicas: new UnusableReplicas(),
        now: () => new Date(),
        monotonicMs: () => performance.now(),
      },
      concurrency,
      resyncEveryMs,
    }),
  );
  await manager.run(untilSignalled(log));
  await traces?.close();
}

/** Aborts on the first SIGTERM or SIGINT; a second one ends the process as it would without us. */
function untilSignalled(log: Log): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      log.info({ signal: name }, "stopping");
      controller.abort();
    });
  }
  return controller.signal;
}

async function main(): Promise<number> {
  let log: Log | undefined;
  try {
    const settings = readSettings();
    if (settings === "help") {
      console.log(usage());
      return 0;
    }
    log = createLog({ level: settings.logLevel, name: "holdfast" });
    log.info({ uptimeMs: Math.round(performance.now()), namespaces: settings.namespaces }, "starting");
    await run(settings, log);
    return 0;
  } catch (error) {
    if (error instanceof SettingsError) console.error(error.message);
    else (log ?? console).error({ err: error }, "ended by an error");
    return error instanceof SettingsError ? 2 : 1;
  }
}

// At once: after a lost lease nothing of ours may go on.
process.exit(await main());
