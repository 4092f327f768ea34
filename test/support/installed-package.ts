// The runtime as others get it: packed, and installed into a folder with what its package.json names and nothing else.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { buildPackage } from "../../hack/build/package.ts";

const run = promisify(execFile);
const ours = join(import.meta.dirname, "../../node_modules");

/** As much of its package.json as tests look at. */
export interface PackageManifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** A user's folder, removed with `using`. */
export interface InstalledPackage extends AsyncDisposable {
  readonly folder: string;
  /** Where the package lies in it. */
  readonly path: string;
  readonly manifest: PackageManifest;
  /** As `npm install`, of what is in our own node_modules: no network is needed. */
  add(...names: readonly string[]): Promise<void>;
  /** Runs the compiler in the folder. @returns its complaints */
  typeCheck(...options: readonly string[]): Promise<string>;
}

export async function installPackage(): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-user-"));
  const path = join(folder, "node_modules/holdfast");
  const built = join(folder, "built");
  buildPackage(built);
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: built });
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { readonly filename: string }>);
  await mkdir(path, { recursive: true });
  const archive = join(folder, packed?.filename ?? "");
  await run("tar", ["--extract", "--strip-components=1", "--directory", path, "--file", archive]);
  await rm(built, { recursive: true });
  await rm(archive);
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');

  const add = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) {
      const target = join(folder, "node_modules", name);
      await mkdir(dirname(target), { recursive: true });
      await symlink(join(ours, name), target);
    }
  };
  const manifest = JSON.parse(await readFile(join(path, "package.json"), "utf8")) as PackageManifest;
  await add(...Object.keys(manifest.dependencies));
  return {
    folder,
    path,
    manifest,
    add,
    typeCheck: (...options) =>
      run(join(ours, ".bin/tsc"), options, { cwd: folder }).then(
        () => "",
        (error: { readonly stdout: string }) => error.stdout,
      ),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
