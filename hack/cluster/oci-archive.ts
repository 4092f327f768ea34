// Container images as OCI archives, written without an engine: layers are packed by tar, blobs are streamed, never held in memory.
// https://github.com/opencontainers/image-spec/blob/main/image-layout.md
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { once } from "node:events";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ask } from "./command.ts";

/** An uncompressed tar on disk. `digest` is "sha256:…", `size` in bytes. */
export interface Layer {
  readonly path: string;
  readonly digest: string;
  readonly size: number;
}

/** What a container of the image runs, in the words of the image specification. */
export interface ImageConfig {
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
}

export interface ImageContent {
  /** "docker.io/holdfast/postgres:17": the full name, as containerd compares it. */
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly config: ImageConfig;
}

const block = 512;

export interface PackOptions {
  /** Patterns of paths below the directory, as tar matches them ("./dev/*"). */
  readonly exclude?: readonly string[];
  /** Leave times out, so that the same content gives the same digest. Not for Python: it compares times to trust its bytecode. */
  readonly zeroTimes?: boolean;
}

/** Packs a directory as a layer. `path` appears only when it is whole. */
export async function packLayer(directory: string, path: string, options: PackOptions = {}): Promise<Layer> {
  const partial = `${path}.partial`;
  const tar = spawn(
    "tar",
    [
      "-C",
      directory,
      "--numeric-owner",
      "--sort=name",
      // Extended attributes (file capabilities) need this format, which would note when files were last read, too.
      "--format=posix",
      "--pax-option=delete=atime,delete=ctime",
      "--xattrs",
      "--xattrs-include=security.capability",
      ...(options.zeroTimes === true ? ["--mtime=@0"] : []),
      ...(options.exclude ?? []).map((pattern) => `--exclude=${pattern}`),
      "-cf",
      "-",
      ".",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(tar, "close");
  const hash = createHash("sha256");
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(tar.stdout, measure, createWriteStream(partial));
    const [code] = await exited;
    if (code !== 0) throw new Error(`tar could not pack ${directory}: it exited with ${code}`);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    throw cause;
  }
  return { path, digest: `sha256:${hash.digest("hex")}`, size };
}

/** Writes one image for this machine's architecture; `ctr images import`, `kind load image-archive` and `docker load` read it. */
export async function writeOciArchive(path: string, image: ImageContent): Promise<void> {
  const platform = { architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux" };
  const config = blob({
    ...platform,
    config: image.config,
    rootfs: { type: "layers", diff_ids: image.layers.map((layer) => layer.digest) },
    history: image.layers.map(() => ({ created_by: "holdfast" })),
  });
  const manifestType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blob({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: config.digest, size: config.bytes.length },
    layers: image.layers.map(({ digest, size }) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest,
      size,
    })),
  });
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        mediaType: manifestType,
        digest: manifest.digest,
        size: manifest.bytes.length,
        platform,
        annotations: {
          "io.containerd.image.name": image.name,
          "org.opencontainers.image.ref.name": image.name.slice(image.name.lastIndexOf(":") + 1),
        },
      },
    ],
  };
  // Docker's own image store reads this file instead of index.json.
  const dockerManifest = [
    {
      Config: blobPath(config.digest),
      RepoTags: [image.name.replace(/^docker\.io\//, "")],
      Layers: image.layers.map((layer) => blobPath(layer.digest)),
    },
  ];
  const unique = [...new Map(image.layers.map((layer) => [layer.digest, layer])).values()];

  async function* archive(): AsyncGenerator<Buffer> {
    yield* entry("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
    yield* entry("index.json", json(index));
    yield* entry("manifest.json", json(dockerManifest));
    yield* entry(blobPath(config.digest), config.bytes);
    yield* entry(blobPath(manifest.digest), manifest.bytes);
    for (const layer of unique) {
      yield tarHeader(blobPath(layer.digest), layer.size);
      for await (const chunk of createReadStream(layer.path, { highWaterMark: 1 << 20 })) yield chunk as Buffer;
      yield padding(layer.size);
    }
    yield Buffer.alloc(2 * block);
  }
  const partial = `${path}.partial`;
  await pipeline(Readable.from(archive()), createWriteStream(partial));
  await rename(partial, path);
}

/** The images in an archive, by name and digest of their manifest; none where an older Docker has written it. */
export async function archivedImages(path: string): Promise<readonly { name: string; digest: string }[]> {
  const text = await ask("tar", ["--occurrence=1", "-xOf", path, "index.json"]);
  if (text === undefined) return [];
  const index = JSON.parse(text) as { manifests: { digest: string; annotations?: Record<string, string> }[] };
  return index.manifests.map(({ digest, annotations }) => ({
    digest,
    name: annotations?.["io.containerd.image.name"] ?? "",
  }));
}

/** Whether `ctr images list` shows every image of the archive: the same manifest under the same name. */
export async function isImported(archive: string, listing: string): Promise<boolean> {
  const images = await archivedImages(archive);
  const lines = listing.split("\n");
  const shown = (name: string, digest: string): boolean =>
    lines.some((line) => line.startsWith(`${name} `) && line.includes(digest));
  return images.length > 0 && images.every(({ name, digest }) => shown(name, digest));
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function blob(value: unknown): { digest: string; bytes: Buffer } {
  const bytes = json(value);
  return { digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function* entry(name: string, content: Buffer): Generator<Buffer> {
  yield tarHeader(name, content.length);
  yield content;
  yield padding(content.length);
}

function padding(size: number): Buffer {
  return Buffer.alloc((block - (size % block)) % block);
}

/** A ustar header of a regular file. Its size field holds 8 GiB at most. */
function tarHeader(name: string, size: number): Buffer {
  if (size >= 8 ** 11) throw new Error(`${name} is too large for a tar header: ${size} bytes`);
  const header = Buffer.alloc(block);
  header.write(name, 0, 100);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7) + octal(0, 7), 108);
  header.write(octal(size, 11) + octal(0, 11), 124);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, "0")}\0`;
}
