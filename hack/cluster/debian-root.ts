// A Debian file system made by debootstrap, and commands run in it. Nothing of it can outlive us: each command has a mount and a
// process namespace of its own, which the kernel takes down when this process dies, even by SIGKILL.
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, run } from "./command.ts";
import { cachedLayer, digestOf } from "./layer-cache.ts";
import { packLayer, type Layer } from "./oci-archive.ts";
import { program } from "./packages.ts";

type Say = (line: string) => void;

/** What must not be in a layer: what a kernel puts there, and what the build needed itself. */
export const notPacked = ["./dev/*", "./proc/*", "./sys/*", "./tmp/*", "./etc/resolv.conf", "./etc/hosts"];

// Like debian:…-slim, of which `docker build` starts.
const slimmed =
  "rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale var/cache/apt/* var/lib/apt/lists/* var/log/*";

/** The smallest Debian for an image that is FROM debian:<suite>-slim. */
export async function debianLayer(from: string, say: Say): Promise<Layer> {
  const suite = /^debian:([a-z]+)-slim$/.exec(from)?.[1];
  if (suite === undefined)
    throw new Error(`Without a container engine an image can only be FROM debian:<suite>-slim, not ${from}`);
  return cachedLayer(digestOf(["debian", suite, slimmed, process.arch]), async (scratch, path) => {
    const root = join(scratch, "root");
    // The script of sid serves every newer suite; an older debootstrap may not know the suite's name.
    const script = existsSync(`/usr/share/debootstrap/scripts/${suite}`) ? [] : ["/usr/share/debootstrap/scripts/sid"];
    const args = ["--variant=minbase", suite, root, await debianMirror(), ...script];
    await isolated([program("debootstrap"), ...args], say);
    await run("sh", ["-c", slimmed], { cwd: root });
    say(`packing Debian ${suite}`);
    return packLayer(root, path, { exclude: notPacked });
  });
}

/** Runs a shell command in the file system at `root`, with the host's name resolution and /proc. */
export async function runInRoot(root: string, command: string, say: Say): Promise<void> {
  for (const file of ["/etc/resolv.conf", "/etc/hosts"]) {
    rmSync(join(root, file), { force: true });
    if (existsSync(file)) copyFileSync(file, join(root, file));
  }
  mkdirSync(join(root, "tmp"), { recursive: true, mode: 0o1777 });
  await run(
    "sh",
    [
      "-c",
      "rm -rf dev && mkdir dev && cd dev && for d in null:3 zero:5 random:8 urandom:9; do mknod -m 666 ${d%:*} c 1 ${d#*:}; done",
    ],
    { cwd: root },
  );
  // The host's apt may go through a proxy.
  const proxies = ((await ask("apt-config", ["dump", "--no-empty", "Acquire"])) ?? "").match(/^.*::Proxy .*$/gm) ?? [];
  const proxyFile = join(root, "etc/apt/apt.conf.d/90build");
  writeFileSync(proxyFile, proxies.join("\n"));
  await isolated(
    ["sh", "-c", 'mount -t proc proc "$1/proc" && exec chroot "$1" /bin/sh -c "$2"', "sh", root, command],
    say,
  );
  rmSync(proxyFile);
}

async function isolated(command: readonly string[], say: Say): Promise<void> {
  const namespaces = [program("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--"];
  await run("setpriv", ["--pdeathsig", "KILL", "--", ...namespaces, ...command], {
    onLine: say,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
  });
}

/** The mirror of Debian that this machine's apt is configured with. @throws Error where there is none */
async function debianMirror(): Promise<string> {
  // Whose a mirror is, apt knows from its package lists: a fresh machine may have none yet.
  const mirror = (await listedMirror()) ?? (await run("apt-get", ["-q", "update"]).then(listedMirror));
  if (mirror === undefined) throw new Error("apt names no mirror to build images from: see /etc/apt/sources.list.d");
  return mirror;
}

async function listedMirror(): Promise<string | undefined> {
  const ofDebian = ["Created-By: Packages", "Origin: Debian", "Label: Debian"];
  const targets = await ask("apt-get", ["indextargets", "--format", "$(REPO_URI)", ...ofDebian]);
  return targets?.split("\n")[0]?.trim() || undefined;
}
