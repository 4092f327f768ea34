// A real S3 store for a test: versitygw over a scratch directory. It can be killed, and started again over what it held.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { pickPort } from "../../hack/cluster/ports.ts";
import { tiedToParent } from "../../hack/cluster/processes.ts";
import { createProgress } from "../../hack/cluster/progress.ts";

export interface S3Server extends AsyncDisposable {
  /** As the store's own administrator. */
  readonly client: S3Client;
  /** Another such client, which is the caller's to change and to end. */
  connect(): S3Client;
  /** What a process needs to reach it. */
  readonly environment: Readonly<Record<string, string>>;
  /** SIGKILL: connections break, and nobody listens any more. */
  kill(): Promise<void>;
  /** Over the same data, at the same address. */
  start(): Promise<void>;
}

/** @throws Error that says what to install where versitygw is not found and cannot be built. */
export async function startS3(): Promise<S3Server> {
  const { versitygw } = await ensureBinaries(["versitygw"], createProgress());
  const directory = await mkdtemp(join(tmpdir(), "holdfast-s3-"));
  const [data, metadata] = [join(directory, "data"), join(directory, "metadata")];
  await Promise.all([mkdir(data), mkdir(metadata)]);
  const address = `127.0.0.1:${await pickPort("127.0.0.1")}`;
  const [accessKeyId, secretAccessKey] = ["holdfast", "holdfast-secret"];
  const region = "us-east-1";
  const endpoint = `http://${address}`;
  const credentials = { accessKeyId, secretAccessKey };
  const connect = (): S3Client => new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  const client = connect();
  let server: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const account = ["--access", accessKeyId, "--secret", secretAccessKey];
    // What a file system cannot hold as attributes stands in files of its own.
    const args = [...account, "--region", region, "--quiet", "--port", address, "posix", "--sidecar", metadata, data];
    server = spawn(...tiedToParent(versitygw, args), { stdio: "ignore" });
    const answers = (): Promise<boolean> =>
      client.send(new ListBucketsCommand()).then(
        () => true,
        () => false,
      );
    for (const deadline = performance.now() + 30_000; !(await answers()); await sleep(50)) {
      if (performance.now() > deadline) throw new Error(`versitygw does not answer at ${endpoint}`);
    }
  };
  const kill = async (): Promise<void> => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    client,
    connect,
    environment: {
      S3_ENDPOINT: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    start,
    kill,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
