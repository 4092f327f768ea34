import { expect, test } from "vitest";
import { planLaunches, type FlagSettings } from "../../../hack/cluster/component-flags.ts";
import { pkiPaths } from "../../../hack/cluster/pki.ts";

const settings: FlagSettings = {
  directory: "/plane",
  pki: pkiPaths("/plane"),
  hostAddress: "127.0.0.1",
  port: 23456,
  serviceCidr: "10.96.0.0/16",
  podCidr: undefined,
  auditLogPath: undefined,
  auditPolicyPath: "/plane/audit-policy.json",
  unsafeNoFsync: false,
  extraFlags: {},
};

function flagsOf(name: string, changed: Partial<FlagSettings>): readonly string[] {
  const launches = planLaunches({ ...settings, ...changed }, ["controller-manager", "scheduler"], {});
  return launches.find((launch) => launch.name === name)!.args;
}

test("what is not asked for is not planned, and etcd comes first", () => {
  expect(planLaunches(settings, [], {}).map(({ name }) => name)).toEqual(["etcd", "kube-apiserver"]);
  const all = planLaunches(settings, ["scheduler", "controller-manager"], { etcd: "/bin/etcd" });
  expect(all.map(({ name }) => name)).toEqual(["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]);
  expect(all[0]).toMatchObject({
    binary: "/bin/etcd",
    workingDirectory: "/plane/etcd",
    logPath: "/plane/log/etcd.log",
  });
});

test.each<{ name: string; changed: Partial<FlagSettings>; flag: string; because: string }>([
  { name: "etcd", changed: { unsafeNoFsync: true }, flag: "--unsafe-no-fsync", because: "only tests may lose data" },
  {
    name: "kube-apiserver",
    changed: { auditLogPath: "/a.log" },
    flag: "--audit-log-path=/a.log",
    because: "an audit log costs time",
  },
  {
    name: "kube-controller-manager",
    changed: { podCidr: "10.244.0.0/16" },
    flag: "--cluster-cidr=10.244.0.0/16",
    because: "only nodes need addresses",
  },
  {
    name: "kube-scheduler",
    changed: { extraFlags: { "kube-scheduler": ["--v=4"] } },
    flag: "--v=4",
    because: "the caller adds it",
  },
])("$name has $flag only when asked, because $because", ({ name, changed, flag }) => {
  expect(flagsOf(name, {})).not.toContain(flag);
  expect(flagsOf(name, changed)).toContain(flag);
});

test("Endpoints of the API server's own Service are written only for an address that they may hold", () => {
  expect(flagsOf("kube-apiserver", {})).toContain("--endpoint-reconciler-type=none");
  expect(flagsOf("kube-apiserver", { hostAddress: "10.243.0.1" })).not.toContain("--endpoint-reconciler-type=none");
});
