import { describe, expect, test } from "vitest";
import { versionFits, type BinaryName, type Origin } from "../../../hack/cluster/binary-versions.ts";

interface Row {
  name: BinaryName;
  origin: Origin;
  output: string;
  fits: boolean;
  because: string;
}

const rows: readonly Row[] = [
  { name: "kube-apiserver", origin: "PATH", output: "Kubernetes v1.36.3", fits: true, because: "it is ours exactly" },
  {
    name: "kube-apiserver",
    origin: "PATH",
    output: "Kubernetes v1.36.1",
    fits: false,
    because: "a patch level may differ in behaviour",
  },
  {
    name: "kube-apiserver",
    origin: "KUBEBUILDER_ASSETS",
    output: "Kubernetes v1.36.1",
    fits: true,
    because: "the user chose it, and the minor is ours",
  },
  {
    name: "kube-apiserver",
    origin: "KUBEBUILDER_ASSETS",
    output: "Kubernetes v1.30.0",
    fits: false,
    because: "our controller manager must not be newer than the API server",
  },
  {
    name: "kubelet",
    origin: "PATH",
    output: "Kubernetes v1.35.2",
    fits: false,
    because: "a node of another minor is not what we test",
  },
  {
    name: "etcd",
    origin: "PATH",
    output: "etcd Version: 3.5.0\nGit SHA: 946a5a6",
    fits: true,
    because: "the oldest that Kubernetes stands on",
  },
  { name: "etcd", origin: "PATH", output: "etcd Version: 3.6.8", fits: true, because: "any newer one does" },
  { name: "etcd", origin: "PATH", output: "etcd Version: 3.4.23", fits: false, because: "Debian's is too old" },
  {
    name: "kubectl",
    origin: "PATH",
    output: "Client Version: v1.34.0\nKustomize Version: v5.8.1",
    fits: true,
    because: "two minors back are good enough for a client",
  },
  { name: "kubectl", origin: "PATH", output: "Client Version: v1.40.0", fits: true, because: "newer is fine" },
  {
    name: "kubectl",
    origin: "PATH",
    output: "Client Version: v1.33.9",
    fits: false,
    because: "three minors are too many",
  },
  { name: "versitygw", origin: "PATH", output: "Version  : v1.7.0", fits: true, because: "S3 is what it speaks" },
  { name: "versitygw", origin: "PATH", output: "Version  : git", fits: false, because: "it does not say what it is" },
  {
    name: "helm",
    origin: "PATH",
    output: 'version.BuildInfo{Version:"v4.1", GitCommit:""}',
    fits: true,
    because: "any Helm 4",
  },
  {
    name: "helm",
    origin: "PATH",
    output: 'version.BuildInfo{Version:"v3.19.0", GitCommit:""}',
    fits: false,
    because: "Helm 3 lacks server-side apply",
  },
  {
    name: "coredns",
    origin: "PATH",
    output: "CoreDNS-1.14.7\nlinux/amd64, go1.26.8",
    fits: true,
    because: "it is ours exactly",
  },
  {
    name: "coredns",
    origin: "PATH",
    output: "CoreDNS-1.14.6",
    fits: false,
    because: "its Corefile may mean something else",
  },
  { name: "etcd", origin: "PATH", output: "command not understood", fits: false, because: "no version is no fit" },
];

describe("a binary of somebody else", () => {
  test.each(rows)(
    "$name from $origin that prints $output: $fits, because $because",
    ({ name, origin, output, fits }) => {
      expect(versionFits(name, origin, output)).toBe(fits);
    },
  );
});
