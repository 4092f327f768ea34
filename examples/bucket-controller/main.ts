// The process: finds cluster and store, runs the controller, and stops in good order on SIGTERM.
import { S3Client } from "@aws-sdk/client-s3";
import { createLog, createManager, findConnection } from "holdfast/runtime";
import { bucketController } from "./controller.ts";
import { s3Store } from "./store.ts";

const { S3_ENDPOINT, LOOK_EVERY_SECONDS = "60", LOG_LEVEL = "info", PORT = "8082" } = process.env;
// Region and credentials are found as by all of AWS's tools: AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...
const s3 = new S3Client({
  ...(S3_ENDPOINT === undefined ? {} : { endpoint: S3_ENDPOINT, forcePathStyle: true }),
  // The controller itself tries again.
  maxAttempts: 1,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
});
const connection = await findConnection(process.env);
const manager = createManager({
  name: "bucket-controller",
  api: { connection },
  log: createLog({ name: "bucket-controller", level: LOG_LEVEL }),
  leaderElection: { namespace: connection.namespace },
  telemetry: { probes: { port: Number(PORT) } },
});
manager.controller(bucketController({ store: s3Store(s3), lookEveryMs: Number(LOOK_EVERY_SECONDS) * 1000 }));

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stopping.abort());
// Throws when the lease is lost: then the process ends at once, and another one goes on.
await manager.run(stopping.signal);
s3.destroy();
