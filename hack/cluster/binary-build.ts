// Builds one binary of a cluster from Go modules: Kubernetes and etcd through tools/go.mod, CoreDNS through one of its own, the others by
// `go install`.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, type BinaryName } from "./binary-versions.ts";
import { findExecutable, outputOf } from "./executables.ts";
import { tiedToParent } from "./processes.ts";
import { goVersion, helmVersion, kubernetesVersion, versitygwVersion } from "./versions.ts";

interface Recipe {
  /** With "@version": installed on its own. Without: taken from a go.mod. */
  readonly source: string;
  /** The folder of that go.mod. Default: tools/. */
  readonly module?: string;
  /** A cold build on two cores, measured. Only shown. */
  readonly seconds: number;
}

const recipes: Readonly<Record<BinaryName, Recipe>> = {
  etcd: { source: "go.etcd.io/etcd/server/v3", seconds: 40 },
  "kube-apiserver": { source: "k8s.io/kubernetes/cmd/kube-apiserver", seconds: 136 },
  "kube-controller-manager": { source: "k8s.io/kubernetes/cmd/kube-controller-manager", seconds: 41 },
  "kube-scheduler": { source: "k8s.io/kubernetes/cmd/kube-scheduler", seconds: 5 },
  kubelet: { source: "k8s.io/kubernetes/cmd/kubelet", seconds: 14 },
  "kube-proxy": { source: "k8s.io/kubernetes/cmd/kube-proxy", seconds: 5 },
  kubectl: { source: "k8s.io/kubernetes/cmd/kubectl", seconds: 17 },
  coredns: { source: "holdfast.dev/coredns", module: "tools/coredns/", seconds: 60 },
  versitygw: { source: `github.com/versity/versitygw/cmd/versitygw@${versitygwVersion}`, seconds: 60 },
  helm: { source: `helm.sh/helm/v4/cmd/helm@${helmVersion}`, seconds: 60 },
};

export function buildSeconds(name: BinaryName): number {
  return recipes[name].seconds;
}

/**
 * The path of a Go that can build them.
 * @throws Error that says what to install.
 */
export async function requireGo(needed: readonly BinaryName[], environment: NodeJS.ProcessEnv): Promise<string> {
  const go = findExecutable("go", environment["PATH"]);
  // Asked beside go.mod, a Go that may fetch a newer toolchain (GOTOOLCHAIN=auto) does so here, or fails.
  const answer = go === undefined ? undefined : await outputOf(go, ["version"], goOptions(environment));
  const found = parse(answer ?? "");
  const least = parse(goVersion)!;
  if (go !== undefined && found !== undefined && (found[0] > least[0] || found[1] >= least[1])) return go;
  throw new Error(
    `${needed.join(", ")} ${needed.length === 1 ? "is" : "are"} neither in KUBEBUILDER_ASSETS nor on PATH: install Go ` +
      `${least[0]}.${least[1]} or later (https://go.dev/dl) to have ${needed.length === 1 ? "it" : "them"} built.`,
  );
}

/** Builds into the folder `draft`, which it makes, and returns the finished file's path. Rejects with the end of Go's output. */
export async function buildBinary(
  go: string,
  name: BinaryName,
  draft: string,
  options: { environment: NodeJS.ProcessEnv; signal?: AbortSignal | undefined },
): Promise<string> {
  mkdirSync(draft, { recursive: true });
  const { source, module } = recipes[name];
  const flags = ["-trimpath", "-buildvcs=false", "-ldflags", linkerFlags(source)];
  const args = source.includes("@")
    ? ["install", ...flags, source]
    : ["build", "-mod=readonly", ...flags, "-o", join(draft, name), source];
  const { workingDirectory, environment } = goOptions({ ...options.environment, GOBIN: draft }, module);
  await new Promise<void>((resolve, reject) => {
    // A Go that outlives a killed run would take the processors from the next one.
    const child = spawn(...tiedToParent(go, args), {
      cwd: workingDirectory,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const collect = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-4000));
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const abort = (): void => void child.kill();
    options.signal?.addEventListener("abort", abort, { once: true });
    child.on("error", reject);
    child.on("close", (code) => {
      options.signal?.removeEventListener("abort", abort);
      if (options.signal?.aborted === true) reject(options.signal.reason as Error);
      else if (code === 0) resolve();
      else reject(new Error(`${name} could not be built (go ${args[0]} ended with ${code}):\n${output.trim()}`));
    });
  });
  return join(draft, name);
}

function goOptions(
  environment: NodeJS.ProcessEnv,
  module = "tools/",
): {
  workingDirectory: string;
  environment: NodeJS.ProcessEnv;
  timeoutMs: number;
} {
  // GOFLAGS and GOWORK of the user's own projects would change what is built here.
  const clean = { ...environment, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };
  const workingDirectory = fileURLToPath(new URL(module, import.meta.url));
  return { workingDirectory, environment: clean, timeoutMs: 300_000 };
}

/** Kubernetes reports its version from variables that its release build sets. */
function linkerFlags(source: string): string {
  const stripped = "-s -w";
  if (!source.startsWith("k8s.io/kubernetes/")) return stripped;
  const [major, minor] = parse(kubernetesVersion)!;
  const variables = {
    gitVersion: kubernetesVersion,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "archive",
    buildDate: "1970-01-01T00:00:00Z",
  };
  return [
    stripped,
    ...Object.entries(variables).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`),
  ].join(" ");
}
