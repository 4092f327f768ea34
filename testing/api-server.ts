// A real API server for tests: etcd and kube-apiserver in a directory of their own, gone with `await using`, or with the process.
import { attachControlPlane, startControlPlane, type ControlPlane } from "../hack/cluster/control-plane.ts";
import { createProgress, createSilentProgress } from "../hack/cluster/progress.ts";
import { createScratchDirectory, removeScratchDirectory, sweepScratchDirectories } from "../hack/cluster/scratch.ts";
import { createHttpClient, type Access, type Connection, type HttpClient } from "../src/runtime/index.ts";
import { installDefinitions, type DefinitionSource } from "./definitions.ts";

export interface ApiServerOptions {
  /** What is served beside Kubernetes' own resources. */
  readonly definitions?: readonly DefinitionSource[];
  /** Also garbage collection, namespaces that end, ReplicaSets and the like: some 2 s more. No nodes, so Pods stay Pending. Default false. */
  readonly controllerManager?: boolean;
  /** Write the metadata of every request to `auditLogPath`, a JSON event a line. Default false. */
  readonly auditLog?: boolean;
  /** Flags of kube-apiserver; a later one wins over ours. */
  readonly flags?: readonly string[];
  /** Says on stderr what is being done: the first start may build the binaries, which takes minutes. Default true. */
  readonly progress?: boolean;
}

export interface ApiServer extends ControlPlane, AsyncDisposable {
  /** As a member of system:masters. */
  readonly connection: Connection;
  /** The same, ready for use. */
  readonly client: HttpClient;
}

/**
 * Starts one, in about two seconds. Its binaries are found in the folder that KUBEBUILDER_ASSETS names, in PATH, or built with Go once.
 * @throws Error with the last lines of its log, or with what to install
 */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  await sweepScratchDirectories();
  const directory = await createScratchDirectory();
  const end = (): Promise<void> => removeScratchDirectory(directory);
  try {
    const controlPlane = await startControlPlane({
      directory,
      components: options.controllerManager === true ? ["controller-manager"] : [],
      progress: options.progress === false ? createSilentProgress() : createProgress(),
      unsafeNoFsync: true,
      auditLog: options.auditLog === true,
      extraFlags: { "kube-apiserver": options.flags ?? [] },
      beforeControllers: (admin) => installDefinitions(admin, options.definitions ?? []),
    });
    return withClient(controlPlane, end);
  } catch (error) {
    await end();
    throw error;
  }
}

/** The one that runs in this directory, started by another process or thread; ending it is left to that. */
export async function attachApiServer(directory: string): Promise<ApiServer> {
  const controlPlane = await attachControlPlane(directory);
  if (controlPlane === undefined) throw new Error(`no API server answers; its logs are in ${directory}/log`);
  return withClient(controlPlane, async () => undefined);
}

function withClient(controlPlane: ControlPlane, end: () => Promise<void>): ApiServer {
  const connection = adminConnection(controlPlane);
  const client = createHttpClient({ connection, userAgent: "test" });
  return {
    ...controlPlane,
    connection,
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      await end();
    },
  };
}

function adminConnection({ url, admin: { caPem, credential } }: ControlPlane): Connection {
  const access: Access =
    "token" in credential
      ? { headers: { Authorization: `Bearer ${credential.token}` }, ca: caPem }
      : { headers: {}, ca: caPem, cert: credential.certificatePem, key: credential.privateKeyPem };
  return { server: url, namespace: "default", access: async () => access };
}
