// The process: finds the cluster, runs the controller, and stops in good order on SIGTERM.
import { createHttpClient, createLog, findConnection } from "holdfast/runtime";
import { runPodController } from "./controller.ts";

const { LOG_LEVEL = "info" } = process.env;
const client = createHttpClient({ connection: await findConnection(process.env), userAgent: "pod-controller" });
const log = createLog({ name: "pod-controller", level: LOG_LEVEL });

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stopping.abort());
await runPodController({ client, log }, stopping.signal);
client.close();
