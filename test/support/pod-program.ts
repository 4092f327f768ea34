// images/postgres/holdfast-postgres under this machine's python3, beside a Patroni that only waits. holdfast-postgres.py runs it.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createCertificateAuthority, issueServerCertificate } from "../../hack/cluster/certificates.ts";

const program = fileURLToPath(new URL("../../images/postgres/holdfast-postgres", import.meta.url));
const driver = fileURLToPath(new URL("holdfast-postgres.py", import.meta.url));
// -B: nothing compiled is left beside it, from where images are built.
const command = (...args: string[]): string[] => ["-B", driver, program, ...args];

/** As statvfs tells it. */
export interface Disk {
  readonly f_blocks: number;
  readonly f_frsize: number;
  readonly f_bavail: number;
  readonly f_files: number;
  readonly f_favail: number;
}

/** A disk of blocks of 1 MiB. */
export function diskOf(size: number, free: number, files = 0, freeFiles = 0): Disk {
  return { f_blocks: size, f_frsize: 1 << 20, f_bavail: free, f_files: files, f_favail: freeFiles };
}

/** What the watch meets with. `forkErrno`: no process can be started. */
export type DiskState =
  | { readonly disk: Disk; readonly forkErrno?: number }
  | { readonly errno: number; readonly forkErrno?: number };

export const { EIO, EAGAIN } = constants.errno;

/** Fails with what is missing where there is no python3. */
export async function needPython(): Promise<void> {
  try {
    await promisify(execFile)("python3", ["-c", "import http.client, ssl"]);
  } catch (cause) {
    throw new Error("these tests run a program of the image: they need python3 with its standard library", { cause });
  }
}

/**
 * @param cases for each, looks at a disk: at which second, and what was seen
 * @returns for each, whether it was full at each look; and ten pauses, one after the other
 */
export async function judged(
  cases: readonly (readonly (readonly [seconds: number, disk: Disk])[])[],
): Promise<{ readonly verdicts: readonly (readonly boolean[])[]; readonly pauses: readonly number[] }> {
  const running = promisify(execFile)("python3", command("judge"));
  running.child.stdin?.end(JSON.stringify(cases));
  return JSON.parse((await running).stdout);
}

/** Made once: the API server's certificate, and the authority that Pods are given. */
export async function certificates(): Promise<{
  readonly authority: string;
  readonly tls: { key: string; cert: string };
}> {
  const authority = await createCertificateAuthority("kubernetes");
  const server = await issueServerCertificate(authority, { commonName: "kube-apiserver", ipAddresses: ["127.0.0.1"] });
  return { authority: authority.certificatePem, tls: { key: server.privateKeyPem, cert: server.certificatePem } };
}

export interface PodProgram extends AsyncDisposable {
  /** The lines so far. */
  readonly said: readonly string[];
  /** How often the watch has looked. */
  readonly looks: number;
  /** What Patroni was started with; undefined before it was. */
  readonly patroni: string | undefined;
  see(state: DiskState): Promise<void>;
  /** What the kubelet writes anew from time to time. */
  write(file: "token", text: string): Promise<void>;
  /** SIGTERM to Patroni; ends when nobody holds its output any more, so when the watch has ended too. */
  stop(): Promise<void>;
}

export interface PodProgramOptions {
  /** The API server's; absent: as outside of Kubernetes. */
  readonly port?: number;
  /** PEM: who vouches for the API server. */
  readonly authority?: string;
  /** Constants of the program that are other ones here, beside its intervals, which are next to none. */
  readonly changed?: Readonly<Record<string, number>>;
  /** Absent: there is room. */
  readonly state?: DiskState;
}

/** Starts it as the Pod orders-1-0 of namespace shop. */
export async function startPodProgram(options: PodProgramOptions): Promise<PodProgram> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-pod-"));
  const write = (file: string, text: string): Promise<void> => writeFile(join(directory, file), text);
  const see = async (state: DiskState): Promise<void> => {
    await write("disk.json.new", JSON.stringify(state));
    await rename(join(directory, "disk.json.new"), join(directory, "disk.json"));
  };
  await see(options.state ?? { disk: diskOf(1024, 1000) });
  await write("token", "first\n");
  await write("ca.crt", options.authority ?? "");
  const bin = join(directory, "bin");
  await mkdir(bin);
  // Ends with its input at the latest, so with the tests.
  await writeFile(join(bin, "patroni"), '#!/bin/sh\necho "patroni $*"\nexec cat\n');
  await chmod(join(bin, "patroni"), 0o755);

  const changed = { ACCOUNT: directory, INTERVAL_SECONDS: 0.01, PAUSE_SECONDS: 0.01, ...options.changed };
  const inPod = {
    KUBERNETES_SERVICE_HOST: "127.0.0.1",
    KUBERNETES_SERVICE_PORT: String(options.port),
    PATRONI_KUBERNETES_NAMESPACE: "shop",
    PATRONI_NAME: "orders-1-0",
  };
  const child = spawn("python3", command("run", directory, JSON.stringify(changed)), {
    env: {
      PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
      HOME: process.env["HOME"],
      ...(options.port === undefined ? {} : inPod),
    },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const closed = once(child, "close");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await closed;
  };
  return {
    get said() {
      return stderr.split("\n").slice(0, -1);
    },
    get looks() {
      return stdout.split("look\n").length - 1;
    },
    get patroni() {
      return /^patroni .*$/m.exec(stdout)?.[0];
    },
    see,
    write,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(directory, { recursive: true });
    },
  };
}
