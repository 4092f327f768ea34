// The chart's copy of crds/, from which its template renders them: Helm packages only what lies in the chart's own folder.
// `node hack/build/chart.ts` writes it, with --check it only says whether it is up to date.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const source = join(root, "crds");
const target = join(root, "charts/holdfast/files/crds");

/** File name → content of the YAML files of a folder; a folder that is not there has none. */
function read(folder: string): Map<string, string> {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
    return new Map(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw error;
  }
}

/** The files in which the chart's copy differs from crds/, missing and superfluous ones included. */
export function staleChartCrds(): string[] {
  const [wanted, copied] = [read(source), read(target)];
  return [...new Set([...wanted.keys(), ...copied.keys()])].filter((name) => wanted.get(name) !== copied.get(name));
}

/** Makes the chart's copy equal to crds/; answers which files had to be written or removed. */
export function copyChartCrds(): string[] {
  const [wanted, stale] = [read(source), staleChartCrds()];
  mkdirSync(target, { recursive: true });
  for (const name of stale) {
    const content = wanted.get(name);
    if (content === undefined) rmSync(join(target, name));
    else writeFileSync(join(target, name), content);
  }
  return stale;
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const files = check ? staleChartCrds() : copyChartCrds();
  for (const name of files)
    console.log(`charts/holdfast/files/crds/${name}: ${check ? "differs from" : "copied from"} crds/`);
  if (check && files.length > 0) {
    console.log("run: node hack/build/chart.ts");
    process.exitCode = 1;
  }
}
