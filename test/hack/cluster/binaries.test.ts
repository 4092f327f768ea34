import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureBinaries } from "../../../hack/cluster/binaries.ts";
import { binaryDirectory } from "../../../hack/cluster/cache.ts";
import { createProgress, type Progress } from "../../../hack/cluster/progress.ts";

let directory: string;
let environment: NodeJS.ProcessEnv;
let progress: Progress;
let shown: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "binaries-"));
  environment = { PATH: join(directory, "path"), XDG_CACHE_HOME: join(directory, "cache") };
  shown = "";
  progress = createProgress({ output: { write: (text: string) => (shown += text) }, interactive: false });
});
afterEach(() => rm(directory, { recursive: true }));

/** Puts a shell script under that name. */
async function install(folder: string, name: string, script: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o755);
  return join(folder, name);
}

/** A stand-in for the compiler, which would take minutes: `build` is run with the path to write to in $out. */
function installGo(build: string): Promise<string> {
  const script = `if [ "$1" = version ]; then echo "go version go1.26.8 linux/amd64"; exit; fi
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
${build}`;
  return install(join(directory, "path"), "go", script);
}

const binary = `printf '#!/bin/sh\\necho built\\n' > "$out"; PATH=/bin:/usr/bin chmod +x "$out"`;

test("KUBEBUILDER_ASSETS comes before PATH, and PATH before the cache", async () => {
  const cached = await install(binaryDirectory(environment), "etcd", "exit 1");
  await expect(ensureBinaries(["etcd"], progress, { environment })).resolves.toEqual({ etcd: cached });

  const onPath = await install(join(directory, "path"), "etcd", "echo etcd Version: 3.6.8");
  await expect(ensureBinaries(["etcd"], progress, { environment })).resolves.toEqual({ etcd: onPath });

  const assets = join(directory, "assets");
  const asset = await install(assets, "etcd", "echo etcd Version: 3.5.21");
  const withAssets = { ...environment, KUBEBUILDER_ASSETS: assets };
  await expect(ensureBinaries(["etcd"], progress, { environment: withAssets })).resolves.toEqual({ etcd: asset });
});

test("a binary of another version is passed over, and in KUBEBUILDER_ASSETS it is said", async () => {
  const cached = await install(binaryDirectory(environment), "etcd", "exit 1");
  await install(join(directory, "path"), "etcd", "echo etcd Version: 3.4.23");
  const asset = await install(join(directory, "assets"), "etcd", "echo etcd Version: 2.3.0");
  const withAssets = { ...environment, KUBEBUILDER_ASSETS: join(directory, "assets") };
  await expect(ensureBinaries(["etcd"], progress, { environment: withAssets })).resolves.toEqual({ etcd: cached });
  expect(shown).toBe(`· ${asset} has another version than is needed, and is left alone\n`);
});

test("without Go one sentence says what to install", async () => {
  await expect(ensureBinaries(["etcd", "kubectl"], progress, { environment })).rejects.toThrow(
    "etcd, kubectl are neither in KUBEBUILDER_ASSETS nor on PATH: install Go 1.26 or later (https://go.dev/dl) to have them built.",
  );
});

test("an old Go is none", async () => {
  await install(join(directory, "path"), "go", "echo go version go1.25.9 linux/amd64");
  await expect(ensureBinaries(["etcd"], progress, { environment })).rejects.toThrow("install Go 1.26 or later");
});

test("what is missing is built, shown, and found the next time", async () => {
  await installGo(binary);
  const built = join(binaryDirectory(environment), "etcd");
  await expect(ensureBinaries(["etcd"], progress, { environment })).resolves.toEqual({ etcd: built });
  expect(shown).toContain("✓ etcd, 1 of 1, about 40 s");

  await installGo("exit 1");
  await expect(ensureBinaries(["etcd"], progress, { environment })).resolves.toEqual({ etcd: built });
});

test("a build that fails says why, and leaves nothing that looks complete", async () => {
  await installGo(`echo half > "$out"; echo "no space left on device" >&2; exit 2`);
  await expect(ensureBinaries(["etcd"], progress, { environment })).rejects.toThrow(
    "etcd could not be built (go build ended with 2):\nno space left on device",
  );
  expect(await readdir(binaryDirectory(environment))).not.toContain("etcd");

  await installGo(binary);
  await ensureBinaries(["etcd"], progress, { environment });
  expect(await readdir(binaryDirectory(environment))).toEqual(["etcd"]);
});

test("two that ask at once build once", async () => {
  const count = join(directory, "count");
  await installGo(`echo x >> ${count}; ${binary}`);
  await Promise.all([1, 2].map(() => ensureBinaries(["etcd"], progress, { environment })));
  expect(await readFile(count, "utf8")).toBe("x\n");
});

test("a build that is aborted ends, and gives the reason", async () => {
  const started = join(directory, "started");
  await installGo(`: > ${started}; PATH=/bin:/usr/bin exec sleep 60`);
  const abort = new AbortController();
  const building = ensureBinaries(["etcd"], progress, { environment, signal: abort.signal });
  const outcome = expect(building).rejects.toThrow("enough");
  await expect.poll(() => readdir(directory), { timeout: 20_000 }).toContain("started");
  abort.abort(new Error("enough"));
  await outcome;
});
