// Builds the project's images from their Dockerfiles: with Docker where it can, else with debootstrap and tar, as root on Linux.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ask, run } from "./command.ts";
import { debianLayer, notPacked, runInRoot } from "./debian-root.ts";
import { parseDockerfile, type BuildStep } from "./dockerfile.ts";
import { cachedLayer, digestOf, imageCache, keepOnly } from "./layer-cache.ts";
import { withLock } from "./lock.ts";
import { packLayer, writeOciArchive, type ImageConfig, type Layer } from "./oci-archive.ts";
import { ensurePrograms } from "./packages.ts";
import type { Progress } from "./progress.ts";

export interface ImageSource {
  /** "holdfast/postgres:17-1" */
  readonly name: string;
  readonly dockerfile: string;
  /** What COPY is relative to. */
  readonly context: string;
  /** What stands for the files of earlier stages when there is no engine: stage → path in it → path here. */
  readonly stages?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface BuiltImage {
  readonly name: string;
  /** An OCI archive. */
  readonly archive: string;
}

/** The image as an archive. What was built before from the same recipe and files is taken from the cache. */
export async function buildImage(source: ImageSource, progress: Progress): Promise<BuiltImage> {
  mkdirSync(imageCache(), { recursive: true });
  return progress.stage(`Image ${source.name}`, (stage) =>
    withLock(
      join(imageCache(), "lock"),
      { onWait: (pid) => stage.update(`waiting for process ${pid}, which builds images`) },
      async () =>
        (await dockerCanBuild(source))
          ? buildWithDocker(source, (text) => stage.update(text))
          : buildWithoutEngine(source, progress, (text) => stage.update(text)),
    ),
  );
}

// What debian:…-slim says too.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Say = (text: string) => void;

async function dockerCanBuild(source: ImageSource): Promise<boolean> {
  if ((await ask("docker", ["info"])) === undefined) return false;
  const bases = [...readFileSync(source.dockerfile, "utf8").matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? "");
  for (const base of bases) {
    if ((await ask("docker", ["image", "inspect", base])) !== undefined) continue;
    // An engine without a registry (air-gapped, in a sandbox) cannot build, but can load what we build.
    if ((await ask("docker", ["pull", "-q", base], { timeoutMs: 300_000 })) === undefined) return false;
  }
  return true;
}

async function buildWithDocker(source: ImageSource, say: Say): Promise<BuiltImage> {
  await run("docker", ["build", "-t", source.name, "-f", source.dockerfile, source.context], {
    onLine: say,
  });
  const id = (await run("docker", ["image", "inspect", "--format", "{{.Id}}", source.name])).trim();
  const archive = join(imageCache(), `docker-${digestOf([source.name, id])}.tar`);
  if (!existsSync(archive)) {
    say("saving it");
    await run("docker", ["save", "-o", `${archive}.partial`, source.name]);
    renameSync(`${archive}.partial`, archive);
  }
  keepOnly(source.name, [archive]);
  return { name: source.name, archive };
}

async function buildWithoutEngine(source: ImageSource, progress: Progress, say: Say): Promise<BuiltImage> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new Error(
      `${source.name} can be built in two ways: with Docker (a running engine that can pull ${parseDockerfile(readFileSync(source.dockerfile, "utf8")).base}), ` +
        "or as root on a Linux with debootstrap. Neither is possible here.",
    );
  }
  await ensurePrograms(["debootstrap", "unshare", "mount", "tar"], progress);
  const recipe = parseDockerfile(readFileSync(source.dockerfile, "utf8"));
  const lastRun = recipe.steps.findLastIndex((step) => step.do === "run");
  // Up to the last RUN, steps change a whole file system; each COPY after it is a thin layer, cheap to replace.
  const rootSteps = recipe.steps.slice(0, lastRun + 1);
  const fileSteps = recipe.steps.slice(lastRun + 1);

  const base = await debianLayer(recipe.base, say);
  const layers = [rootSteps.length === 0 ? base : await rootLayer(source, base, rootSteps, say)];
  for (const step of fileSteps) if (step.do === "copy") layers.push(await fileLayer(source, step));

  const environment = recipe.config.Env ?? [];
  const path = environment.some((entry) => entry.startsWith("PATH=")) ? [] : [defaultPath];
  const config: ImageConfig = { ...recipe.config, Env: [...path, ...environment] };
  const archive = join(
    imageCache(),
    `${digestOf([source.name, JSON.stringify(config), ...layers.map((layer) => layer.digest)])}.tar`,
  );
  if (!existsSync(archive)) {
    say("writing the archive");
    await writeOciArchive(archive, { name: `docker.io/${source.name}`, layers, config });
  }
  keepOnly(source.name, [archive, ...layers.map((layer) => layer.path)]);
  return { name: source.name, archive };
}

type CopyStep = Extract<BuildStep, { do: "copy" }>;

async function rootLayer(source: ImageSource, base: Layer, steps: readonly BuildStep[], say: Say): Promise<Layer> {
  const inputs = steps.map((step) => (step.do === "run" ? step.command : `${step.target} ${contentOf(source, step)}`));
  const key = digestOf([base.digest, ...inputs]);
  return cachedLayer(key, async (scratch, path) => {
    const root = join(scratch, "root");
    mkdirSync(root);
    await run("tar", ["-C", root, "--numeric-owner", "-xpf", base.path]);
    for (const step of steps) {
      if (step.do === "copy") copyInto(source, step, root);
      else await runInRoot(root, step.command, say);
    }
    say("packing it");
    return packLayer(root, path, { exclude: notPacked });
  });
}

async function fileLayer(source: ImageSource, step: CopyStep): Promise<Layer> {
  return cachedLayer(digestOf(["copy", step.target, contentOf(source, step)]), async (scratch, path) => {
    const root = join(scratch, "root");
    mkdirSync(root);
    copyInto(source, step, root);
    await run("chown", ["-R", "0:0", root]);
    await run("chmod", ["-R", "a+rX,go-w", root]);
    return packLayer(root, path, { zeroTimes: true });
  });
}

/** As Docker's COPY: the content of a directory, or files into a target that ends in a slash, or one file to a name. */
function copyInto(source: ImageSource, step: CopyStep, root: string): void {
  for (const path of sourcesOf(source, step)) {
    const isDirectory = statSync(path).isDirectory();
    const name = path.slice(path.lastIndexOf("/") + 1);
    const target = join(root, step.target, step.target.endsWith("/") && !isDirectory ? name : "");
    mkdirSync(isDirectory ? target : dirname(target), { recursive: true, mode: 0o755 });
    cpSync(path, target, { recursive: true });
  }
}

/** A digest of names, modes and content of what a step copies. */
function contentOf(source: ImageSource, step: CopyStep): string {
  const files = sourcesOf(source, step).flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .toSorted()
      : [path],
  );
  return digestOf(files.flatMap((file) => [file, String(statSync(file).mode), readFileSync(file, "base64")]));
}

function sourcesOf(source: ImageSource, step: CopyStep): readonly string[] {
  const { from } = step;
  if (from === undefined) return step.sources.map((path) => join(source.context, path).replace(/\/$/, ""));
  return step.sources.map((path) => {
    const file = source.stages?.[from]?.[path];
    if (file === undefined)
      throw new Error(`${source.name}: nothing stands for ${path} of the stage ${from} without an engine`);
    return file;
  });
}
