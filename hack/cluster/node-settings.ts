// Where the local cluster lives on this machine, and the addresses and configuration files of its node. Pure.
import { join } from "node:path";

/** Everything of the cluster but caches: removed by `down`, and by `up` when an earlier run was killed. */
export const stateDirectory = "/var/lib/holdfast-cluster";

export const paths = {
  controlPlane: join(stateDirectory, "control-plane"),
  auditLog: join(stateDirectory, "control-plane/log/audit.log"),
  kubeconfig: join(stateDirectory, "kubeconfig"),
  node: join(stateDirectory, "node"),
  log: join(stateDirectory, "node/log"),
  containerd: join(stateDirectory, "node/containerd"),
  containerdSocket: join(stateDirectory, "node/containerd/containerd.sock"),
  kubelet: join(stateDirectory, "node/kubelet"),
  cni: join(stateDirectory, "node/cni"),
  volumes: join(stateDirectory, "volumes"),
} as const;

/**
 * The node has an address of its own on a bridge without ports: nothing of the cluster listens where the neighbours of this
 * machine could reach it, and the address survives a change of networks. Further nodes would be attached to that bridge.
 */
export const network = {
  nodeName: "node-1",
  bridge: "holdfast0",
  nodeAddress: "10.243.0.1",
  nodeCidr: "10.243.0.0/24",
  podCidr: "10.244.0.0/16",
  nodePodCidr: "10.244.0.0/24",
  serviceCidr: "10.96.0.0/16",
  dnsAddress: "10.96.0.10",
  nftTable: "holdfast",
  cniName: "holdfast",
} as const;

/** The cgroup under which all Pods run. */
export const cgroupName = "holdfast-cluster";

export const pauseImageName = "holdfast/pause:1";

/** Version 2 of containerd's configuration, which 1.6, 1.7 and 2.x read. */
export function containerdConfig(cniDirectory: string): string {
  return `version = 2
root = "${paths.containerd}/root"
state = "${paths.containerd}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
address = "${paths.containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/${pauseImageName}"
# Lowering a score needs CAP_SYS_RESOURCE, which root in a sandbox may lack.
restrict_oom_score_adj = true
# Under our own directory, they can be told from those of other runtimes.
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "${paths.containerd}/runc"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${cniDirectory}"
conf_dir = "${paths.cni}"
`;
}

/**
 * Pods are routed to, one veth pair each (ptp). On a bridge, the answer of a Service would take the short way between two
 * Pods, past the address translation, unless the kernel has br_netfilter.
 */
export function cniConfig(): unknown {
  const ipam = {
    type: "host-local",
    dataDir: join(paths.cni, "addresses"),
    ranges: [[{ subnet: network.nodePodCidr }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  return { cniVersion: "1.0.0", name: network.cniName, plugins: [{ type: "ptp", ipMasq: false, ipam }] };
}

export function kubeletConfig(pki: { ca: string; certificate: string; key: string }, resolvConf: string): unknown {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: network.nodeAddress,
    healthzPort: 0,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: pki.ca } },
    authorization: { mode: "Webhook" },
    tlsCertFile: pki.certificate,
    tlsPrivateKeyFile: pki.key,
    clusterDNS: [network.dnsAddress],
    clusterDomain: "cluster.local",
    resolvConf,
    containerRuntimeEndpoint: `unix://${paths.containerdSocket}`,
    // The host may still mount cgroup v1, may have no systemd, and may be a sandbox whose root lacks CAP_SYS_RESOURCE.
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${cgroupName}`,
    enforceNodeAllocatable: [],
    localStorageCapacityIsolation: false,
    oomScoreAdj: 0,
    failSwapOn: false,
    podLogsDir: join(paths.kubelet, "pod-logs"),
    volumePluginDir: join(paths.kubelet, "plugins"),
    // kube-proxy uses nftables; without this the kubelet would leave chains in the host's iptables.
    makeIPTablesUtilChains: false,
    // It is someone's machine: nothing is evicted and no image removed because its disk is rather full.
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "0%",
      "nodefs.inodesFree": "0%",
      "imagefs.available": "0%",
    },
    serializeImagePulls: false,
  };
}

export function kubeProxyConfig(kubeconfig: string): unknown {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    clusterCIDR: network.podCidr,
    clientConnection: { kubeconfig },
    hostnameOverride: network.nodeName,
    healthzBindAddress: `${network.nodeAddress}:10256`,
    metricsBindAddress: `${network.nodeAddress}:10249`,
    oomScoreAdj: 0,
    // Raising the kernel's limit of connections is the host's business.
    conntrack: { maxPerCore: 0, min: 0 },
  };
}
