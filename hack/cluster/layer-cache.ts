// Layers that cost minutes to make, kept outside of the checkout under a hash of all that went into them.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "./cache.ts";
import type { Layer } from "./oci-archive.ts";

export function imageCache(): string {
  return join(cacheDirectory(), "images");
}

/** 16 hexadecimal digits for a list of texts; no two different lists meet by joining. */
export function digestOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/**
 * The layer of that key, made by `make` if it is not there: in a scratch directory that is gone afterwards, packed to `path`.
 * Call it while holding the lock of the cache: what it finds of another build is that of a dead one, and removed.
 */
export async function cachedLayer(
  key: string,
  make: (scratch: string, path: string) => Promise<Layer>,
): Promise<Layer> {
  const record = join(imageCache(), `${key}.json`);
  const path = join(imageCache(), `${key}.layer`);
  if (existsSync(record) && existsSync(path)) return { ...(JSON.parse(readFileSync(record, "utf8")) as Layer), path };
  for (const name of readdirSync(imageCache()).filter((name) => name.startsWith("scratch-"))) remove(name);
  const scratch = `scratch-${process.pid}-${key}`;
  mkdirSync(join(imageCache(), scratch), { mode: 0o755 });
  try {
    const layer = await make(join(imageCache(), scratch), path);
    writeFileSync(`${record}.partial`, JSON.stringify(layer));
    renameSync(`${record}.partial`, record);
    return layer;
  } finally {
    remove(scratch);
  }
}

/**
 * Remembers which files of the cache the newest build of an image needs, and removes those that only an earlier build needed:
 * the operator's image changes with every line of code.
 */
export function keepOnly(image: string, files: readonly string[]): void {
  const record = (name: string): string => join(imageCache(), `${name.replaceAll(/[^\w.-]/g, "_")}.files`);
  const earlier = existsSync(record(image)) ? (JSON.parse(readFileSync(record(image), "utf8")) as string[]) : [];
  writeFileSync(record(image), JSON.stringify(files));
  const needed = readdirSync(imageCache())
    .filter((name) => name.endsWith(".files"))
    .flatMap((name) => JSON.parse(readFileSync(join(imageCache(), name), "utf8")) as string[]);
  for (const file of earlier.filter((file) => !needed.includes(file))) rmSync(file, { force: true });
}

function remove(name: string): void {
  // Programs of a killed build may still be ending in there.
  rmSync(join(imageCache(), name), { recursive: true, force: true, maxRetries: 5 });
}
