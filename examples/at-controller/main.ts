// The process: finds the cluster, runs the controller, and stops in good order on SIGTERM.
import { createLog, createManager, findConnection } from "holdfast/runtime";
import { atController } from "./controller.ts";

const { IMAGE = "busybox", LOG_LEVEL = "info", PORT = "8080" } = process.env;
const connection = await findConnection(process.env);
const manager = createManager({
  name: "at-controller",
  api: { connection },
  log: createLog({ name: "at-controller", level: LOG_LEVEL }),
  leaderElection: { namespace: connection.namespace },
  telemetry: { probes: { port: Number(PORT) } },
});
manager.controller(atController({ image: IMAGE }));

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stopping.abort());
// Throws when the lease is lost: then the process ends at once, and another one goes on.
await manager.run(stopping.signal);
