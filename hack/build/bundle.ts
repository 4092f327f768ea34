// Bundles a program for Node 24 with esbuild and says which chunks are loaded at its start.
import { rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "../..");

export interface Chunk {
  /** Below the output folder. */
  readonly file: string;
  readonly bytes: number;
  /** False: only when an `import()` asks for it. */
  readonly atStart: boolean;
  /** The packages of which it holds something. */
  readonly packages: readonly string[];
}

/**
 * Writes `outdir`/main.js, its chunks, source maps and a package.json; what was there is removed first. Names are kept, since
 * stack traces and log lines show them. The source maps are for people: Node does not load them.
 * @param entry a path below the repository
 * @returns the chunks, largest first
 * @throws when the sources cannot be bundled; esbuild has then printed why
 */
export async function bundle(entry: string, outdir: string): Promise<Chunk[]> {
  rmSync(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { main: entry },
    outdir,
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    minify: true,
    keepNames: true,
    sourcemap: "external",
    legalComments: "linked",
    metafile: true,
    external: ["pg-native"],
    logLevel: "warning",
    // CommonJS packages require Node's own modules; in ESM there is no require unless one is made.
    banner: { js: 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);' },
  });
  // An image holds nothing else that would say so.
  writeFileSync(join(outdir, "package.json"), '{ "type": "module" }\n');

  const { outputs } = metafile;
  const loaded = new Set(Object.keys(outputs).filter((file) => outputs[file]?.entryPoint === entry));
  for (const file of loaded) {
    for (const { path, kind } of outputs[file]?.imports ?? []) {
      if (kind === "import-statement" && path in outputs) loaded.add(path);
    }
  }
  return Object.entries(outputs)
    .filter(([file]) => file.endsWith(".js"))
    .map(([file, { bytes, inputs }]) => ({
      file: relative(outdir, join(root, file)),
      bytes,
      atStart: loaded.has(file),
      packages: [...new Set(Object.keys(inputs).flatMap(packageOf))],
    }))
    .toSorted((a, b) => b.bytes - a.bytes);
}

/** "@kubernetes/client-node" of "node_modules/@kubernetes/client-node/dist/index.js", nothing of our own files. */
function packageOf(input: string): string[] {
  const name = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1];
  return name === undefined ? [] : [name];
}
