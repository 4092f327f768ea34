import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { archivedImages, packLayer, writeOciArchive } from "../../../hack/cluster/oci-archive.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oci-archive-"));
  mkdirSync(join(directory, "root/bin"), { recursive: true });
  writeFileSync(join(directory, "root/bin/orders"), "#!/bin/sh\n", { mode: 0o755 });
  // Larger than a block and a chunk, and no multiple of either.
  writeFileSync(join(directory, "root/data"), Buffer.alloc(3_000_001, "x"));
});
afterEach(() => rm(directory, { recursive: true }));

const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function writeSample(): Promise<{ archive: string; layerDigest: string }> {
  const layer = await packLayer(join(directory, "root"), join(directory, "layer"));
  const archive = join(directory, "orders.tar");
  await writeOciArchive(archive, {
    name: "docker.io/shop/orders:1",
    layers: [layer],
    config: { Entrypoint: ["/bin/orders"], User: "65532" },
  });
  return { archive, layerDigest: layer.digest };
}

/** Everything in the archive, as tar reads it. */
function unpack(archive: string): (path: string) => Buffer {
  const target = join(directory, "unpacked");
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-C", target, "-xf", archive]);
  return (path) => readFileSync(join(target, path));
}

describe("An OCI archive", () => {
  test("is a layout whose every blob has the digest and size by which it is named", async () => {
    const { archive, layerDigest } = await writeSample();
    const read = unpack(archive);
    const json = (path: string): any => JSON.parse(read(path).toString());
    const blob = (descriptor: { digest: string; size: number }): any => {
      const bytes = read(`blobs/${descriptor.digest.replace(":", "/")}`);
      expect({ digest: sha256(bytes), size: bytes.length }).toEqual({
        digest: descriptor.digest,
        size: descriptor.size,
      });
      return bytes;
    };

    expect(json("oci-layout")).toEqual({ imageLayoutVersion: "1.0.0" });
    const manifest = JSON.parse(blob(json("index.json").manifests[0]).toString());
    const config = JSON.parse(blob(manifest.config).toString());
    expect(config.config).toEqual({ Entrypoint: ["/bin/orders"], User: "65532" });
    expect(config.rootfs.diff_ids).toEqual([layerDigest]);
    expect(sha256(blob(manifest.layers[0]))).toBe(layerDigest);
  });

  test("gives the files back as they were", async () => {
    const { archive, layerDigest } = await writeSample();
    unpack(archive);
    const layer = join(directory, "unpacked/blobs", layerDigest.replace(":", "/"));
    const listing = execFileSync("tar", ["--numeric-owner", "-tvf", layer], { encoding: "utf8" });
    expect(listing).toMatch(/^-rwxr-xr-x .* 10 .* \.\/bin\/orders$/m);
    expect(execFileSync("tar", ["-xOf", layer, "./data"], { maxBuffer: 1e8 }).length).toBe(3_000_001);
  });

  test("tells the name and the digest of its image", async () => {
    const { archive } = await writeSample();
    const index = JSON.parse(unpack(archive)("index.json").toString()) as { manifests: [{ digest: string }] };
    expect(await archivedImages(archive)).toEqual([
      { name: "docker.io/shop/orders:1", digest: index.manifests[0].digest },
    ]);
  });

  test("names its image and blobs in Docker's own manifest, too", async () => {
    const { archive, layerDigest } = await writeSample();
    const [entry] = JSON.parse(unpack(archive)("manifest.json").toString()) as [Record<string, unknown>];
    expect(entry).toMatchObject({
      RepoTags: ["shop/orders:1"],
      Layers: [`blobs/${layerDigest.replace(":", "/")}`],
    });
  });
});

describe("A layer", () => {
  test("packed without times has the same digest whenever its files were written", async () => {
    const root = join(directory, "root");
    const first = await packLayer(root, join(directory, "first"), { zeroTimes: true });
    utimesSync(join(root, "data"), 1, 1);
    const second = await packLayer(root, join(directory, "second"), { zeroTimes: true });
    expect(second.digest).toBe(first.digest);
  });

  test("leaves out what it is told to", async () => {
    const layer = await packLayer(join(directory, "root"), join(directory, "layer"), { exclude: ["./bin/*"] });
    const names = execFileSync("tar", ["-tf", layer.path], { encoding: "utf8" }).trim().split("\n");
    expect(names).toEqual(["./", "./bin/", "./data"]);
  });
});
