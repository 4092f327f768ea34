// The runtime as a package of its own in dist/package/: JavaScript and types by tsc, and a package.json that names what they import.
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** Loaded by `import()` alone, for who uses what needs it; an error then says what to install. All others are always there. */
const optional = [
  "@kubernetes/client-node",
  "@opentelemetry/context-async-hooks",
  "@opentelemetry/exporter-trace-otlp-proto",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace",
];

/** What Go builds the test kit's binaries from, where they are not found. */
const modules = "hack/cluster/tools";
const guide = "docs/runtime";

/**
 * Writes `outdir`, ready for `npm pack`; what was there is removed first.
 * @throws when the sources do not compile; tsc has then printed why
 */
export function buildPackage(outdir: string): void {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const tsc = join(root, "node_modules/.bin/tsc");
  execFileSync(tsc, ["--project", join(import.meta.dirname, "tsconfig.package.json"), "--outDir", outdir], {
    stdio: "inherit",
  });
  for (const file of globSync("**/*.d.ts", { cwd: outdir })) nameJavaScript(join(outdir, file));
  writeFileSync(join(outdir, "package.json"), `${JSON.stringify(manifest(importedBy(outdir)), undefined, 2)}\n`);
  cpSync(join(root, modules), join(outdir, modules), { recursive: true });
  copyFileSync(join(root, "LICENSE"), join(outdir, "LICENSE"));
  cpSync(join(root, guide), join(outdir, "docs"), { recursive: true });
  for (const page of globSync("docs/*.md", { cwd: outdir })) leaveOutside(join(outdir, page));
  const index = readFileSync(join(outdir, "docs/README.md"), "utf8");
  writeFileSync(join(outdir, "README.md"), index.replace(/\]\((?=[\w-]+\.md)/g, "](docs/"));
}

/** What is not in the package cannot be linked to. */
function leaveOutside(page: string): void {
  writeFileSync(page, readFileSync(page, "utf8").replace(/\[([^\]]*)\]\(\.\.\/[^)]*\)/g, "$1"));
}

/** The compiler rewrites `from "./x.ts"` in JavaScript alone; older ones than ours do not look for `x.d.ts` then. */
function nameJavaScript(file: string): void {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/((?:from|import) "\.[^"]*)\.ts"|(import\("\.[^"]*)\.ts"/g, '$1$2.js"'));
}

/** The packages that what was compiled imports, in code or in types. */
function importedBy(outdir: string): readonly string[] {
  const texts = globSync("**/*.{js,d.ts}", { cwd: outdir }).map((file) => readFileSync(join(outdir, file), "utf8"));
  const names = texts.flatMap((text) =>
    [...text.matchAll(/(?:^|[;}] *|\n)(?:import|export)[^"';]*? from "([^".][^"]*)"|import\("([^".][^"]*)"\)/g)].map(
      ([, fixed, onDemand]) => fixed ?? onDemand ?? "",
    ),
  );
  const packages = names
    .filter((name) => !isBuiltin(name))
    .map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
  return [...new Set(packages)].toSorted();
}

function manifest(imported: readonly string[]): object {
  const { version, license, exports, dependencies, devDependencies } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  ) as Manifest;
  const ranges = (names: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      names.map((name) => {
        const version = dependencies[name] ?? devDependencies[name];
        if (version === undefined) throw new Error(`${name} is imported, and not in package.json`);
        return [name, `^${version}`];
      }),
    );
  const required = imported.filter((name) => !optional.includes(name));
  return {
    name: "holdfast",
    version,
    description: "A controller runtime for Kubernetes",
    license,
    type: "module",
    engines: { node: ">=22" },
    exports: Object.fromEntries(
      Object.entries(exports).map(([entry, source]) => {
        const compiled = source.replace(/\.ts$/, "");
        return [entry, { types: `${compiled}.d.ts`, default: `${compiled}.js` }];
      }),
    ),
    // Ranges, for one copy with the application's: types and registries of pino and prom-client are part of what is exported.
    dependencies: ranges(required),
    peerDependencies: ranges(optional),
    peerDependenciesMeta: Object.fromEntries(optional.map((name) => [name, { optional: true }])),
  };
}
