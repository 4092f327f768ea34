// The versions of what is built for the local cluster. Kubernetes and etcd are pinned in tools/go.mod as well,
// CoreDNS in tools/coredns/go.mod.

export const kubernetesVersion = "v1.36.3";
export const helmVersion = "v4.2.3";
export const corednsVersion = "v1.14.7";
/** An S3 store, for the tests of examples/bucket-controller alone. */
export const versitygwVersion = "v1.8.0";
/** The oldest Go that builds them: the `go` line of tools/go.mod. */
export const goVersion = "1.26.0";
