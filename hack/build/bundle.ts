// Bundles a program for Node 24 with esbuild and says which chunks are loaded at its start.
import { rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, relative } from "node:path";
import { build, type Plugin } from "esbuild";

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
 * Node's own modules as plain values. An `import` of one reads everything that it exports, and `node:http`, `node:fs`, `node:util` and
 * `node:crypto` export things that load half of Node: fetch, http2, webcrypto, worker threads. That costs 3 MiB and 30 ms at each start.
 * What `import()` asks for is left alone: it is not loaded at the start, and would lack its named exports.
 */
const builtins: Plugin = {
  name: "builtins",
  setup(bundler) {
    bundler.onResolve({ filter: /./ }, ({ path, kind }) =>
      kind !== "entry-point" && kind !== "dynamic-import" && isBuiltin(path)
        ? { path: path.replace(/^(?!node:)/, "node:"), namespace: kind === "require-call" ? "required" : "imported" }
        : undefined,
    );
    bundler.onLoad({ filter: /./, namespace: "required" }, ({ path }) => ({
      contents: `module.exports = ${builtin(path)};`,
    }));
    bundler.onLoad({ filter: /./, namespace: "imported" }, ({ path }) => ({ contents: asImported(path) }));
  },
};

const builtin = (path: string): string => `process.getBuiltinModule(${JSON.stringify(path)})`;

/** Each name by itself: what nobody imports is left out of the bundle. */
function asImported(path: string): string {
  const names = Object.keys(process.getBuiltinModule(path) as object).filter((name) => name !== "default");
  const lines = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => whole.${name})();`);
  return [`const whole = ${builtin(path)};`, "export default whole;", ...lines].join("\n");
}

/**
 * Parts of packages that nothing here uses, and what stands for them. Each loads modules of Node that are worth megabytes: worker
 * threads, which pino has for its transports, and the cluster and gzip of prom-client.
 */
const unused: Readonly<Record<string, { readonly importedBy: RegExp; readonly instead: string }>> = {
  "./lib/transport": { importedBy: /\/pino\/pino\.js$/, instead: "module.exports = undefined;" },
  "./transport": { importedBy: /\/pino\/lib\/tools\.js$/, instead: "module.exports = undefined;" },
  worker_threads: { importedBy: /\/pino\/lib\/tools\.js$/, instead: "exports.isMainThread = true;" },
  "./lib/cluster": { importedBy: /\/prom-client\/index\.js$/, instead: "module.exports = undefined;" },
  "./lib/pushgateway": { importedBy: /\/prom-client\/index\.js$/, instead: "module.exports = undefined;" },
};

const leaveOut: Plugin = {
  name: "leave-out",
  setup(bundler) {
    bundler.onResolve({ filter: /./ }, ({ path, importer }) =>
      unused[path]?.importedBy.test(importer) === true ? { path, namespace: "unused" } : undefined,
    );
    bundler.onLoad({ filter: /./, namespace: "unused" }, ({ path }) => ({ contents: unused[path]?.instead ?? "" }));
  },
};

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
    // Names stay as they are: to shorten them and keep the old ones for stack traces costs a call for each closure that is made.
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: "external",
    legalComments: "linked",
    metafile: true,
    external: ["pg-native"],
    logLevel: "warning",
    plugins: [leaveOut, builtins],
    // CommonJS packages require Node's own modules; in ESM there is no require unless one is made.
    banner: { js: 'const require=process.getBuiltinModule("module").createRequire(import.meta.url);' },
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
