// What the local cluster adds to this machine's network: one bridge, one nft table and, where forwarding is refused, two rules.
import { readFileSync, writeFileSync } from "node:fs";
import { ask, run } from "./command.ts";
import { network } from "./node-settings.ts";
import { program } from "./packages.ts";

const comment = "holdfast-cluster";

export async function addHostNetwork(): Promise<void> {
  const ip = program("ip");
  await run(ip, ["link", "add", network.bridge, "type", "bridge"]);
  await run(ip, ["address", "add", `${network.nodeAddress}/24`, "dev", network.bridge]);
  await run(ip, ["link", "set", network.bridge, "up"]);
  // Left on at `down`: other software may have come to rely on it meanwhile.
  const forward = "/proc/sys/net/ipv4/ip_forward";
  if (readFileSync(forward, "utf8").trim() !== "1") writeFileSync(forward, "1");
  const pods = `ip saddr ${network.podCidr} ip daddr != { ${network.podCidr}, ${network.nodeCidr} }`;
  const rules = `table ip ${network.nftTable} {
    chain postrouting { type nat hook postrouting priority srcnat; ${pods} masquerade; }
  }`;
  await run(program("nft"), ["-f", "-"], { input: rules });
  // Docker, for one, makes refusal the default of the FORWARD chain. No table of ours can overrule that.
  if ((await ask("iptables", ["-S", "FORWARD"]))?.includes("-P FORWARD DROP") === true) {
    for (const direction of ["-s", "-d"]) {
      await run("iptables", ["-I", "FORWARD", direction, network.podCidr, ...accept]);
    }
  }
}

const accept = ["-m", "comment", "--comment", comment, "-j", "ACCEPT"];

/** Removes what carries our names. `withProxy`: kube-proxy ran here as ours, so its tables are ours, too. */
export async function removeHostNetwork(options: { withProxy: boolean }): Promise<void> {
  const tables = [
    ["ip", network.nftTable],
    ...(options.withProxy
      ? [
          ["ip", "kube-proxy"],
          ["ip6", "kube-proxy"],
        ]
      : []),
  ];
  for (const [family, table] of tables) await ask("nft", ["delete", "table", family ?? "", table ?? ""], sbin);
  if ((await ask("iptables", ["-S", "FORWARD"], sbin))?.includes(comment) === true) {
    for (const direction of ["-s", "-d"]) {
      await ask("iptables", ["-D", "FORWARD", direction, network.podCidr, ...accept], sbin);
    }
  }
  await ask("ip", ["link", "delete", network.bridge], sbin);
}

const sbin = { env: { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` } };
