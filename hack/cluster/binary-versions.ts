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
  | "helm"
  | "versitygw";

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
  return version !== undefined && rules[name](version, origin);
}

/** One part of Kubernetes must not be newer than another; a patch level may differ where the user chose it. */
function fitsKubernetes([major, minor, patch]: Version, origin: Origin): boolean {
  return major === ours[0] && minor === ours[1] && (patch === ours[2] || origin === "KUBEBUILDER_ASSETS");
}

const rules: Readonly<Record<BinaryName, (version: Version, origin: Origin) => boolean>> = {
  etcd: ([major, minor]) => major === 3 && minor >= 5, // what Kubernetes 1.36 can stand on
  kubectl: ([major, minor]) => major === ours[0] && minor >= ours[1] - 2, // so little skew does no harm to what we ask of it
  helm: ([major]) => major === 4,
  versitygw: ([major]) => major === 1,
  coredns: (version) => version.join(".") === parse(corednsVersion)!.join("."),
  "kube-apiserver": fitsKubernetes,
  "kube-controller-manager": fitsKubernetes,
  "kube-scheduler": fitsKubernetes,
  kubelet: fitsKubernetes,
  "kube-proxy": fitsKubernetes,
};
