// Which binaries that somebody else installed may stand in for ours, judged by what they print about their version. Pure.
import { corednsVersion, kubernetesVersion } from "./versions.ts";

export type BinaryName =
  | "etcd"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kube-scheduler"
  | "kubelet"
  | "kube-proxy"
  | "kubectl"
  | "coredns"
  | "helm";

/** The folder that KUBEBUILDER_ASSETS names was chosen by the user for tests; PATH holds what happens to be installed. */
export type Origin = "KUBEBUILDER_ASSETS" | "PATH";

type Version = readonly [major: number, minor: number, patch: number];

const ours = parse(kubernetesVersion)!;

/** The arguments that make a binary print its version. */
export function versionArguments(name: BinaryName): readonly string[] {
  if (name === "kubectl") return ["version", "--client"];
  if (name === "helm") return ["version"];
  return [name === "coredns" ? "-version" : "--version"];
}

/** The first version in the text, "v1.36.3" or "Version: 3.6.8"; a missing patch level counts as 0. */
export function parse(text: string): Version | undefined {
  const found = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)];
}

/** True if a binary that printed `output` can be used in place of ours. */
export function versionFits(name: BinaryName, origin: Origin, output: string): boolean {
  const version = parse(output);
  if (version === undefined) return false;
  const [major, minor, patch] = version;
  switch (name) {
    case "etcd": // what Kubernetes 1.36 can stand on
      return major === 3 && minor >= 5;
    case "kubectl": // one or two minors of skew do no harm to what we ask of it
      return major === ours[0] && minor >= ours[1] - 2;
    case "helm":
      return major === 4;
    case "coredns":
      return version.join(".") === parse(corednsVersion)!.join(".");
    default: // the rest of Kubernetes, where one part must not be newer than another
      return major === ours[0] && minor === ours[1] && (patch === ours[2] || origin === "KUBEBUILDER_ASSETS");
  }
}
