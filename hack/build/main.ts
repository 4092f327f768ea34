// `npm run build`: the operator as a bundle in dist/operator/, from which its image is made; the runtime as a package in dist/package/;
// the chart's copy of crds/.
import { join } from "node:path";
import { bundle } from "./bundle.ts";
import { copyChartCrds } from "./chart.ts";
import { buildPackage } from "./package.ts";

const root = join(import.meta.dirname, "../..");
const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(0).padStart(6)} KiB`;

const started = performance.now();
const chunks = await bundle("src/main.ts", join(root, "dist/operator"));
const atStart = chunks.filter((chunk) => chunk.atStart).reduce((sum, { bytes }) => sum + bytes, 0);
for (const { file, bytes, atStart } of chunks)
  console.log(`${kibibytes(bytes)}  dist/operator/${file}${atStart ? "" : "  (on demand)"}`);
console.log(`${kibibytes(atStart)}  loaded at start; built in ${((performance.now() - started) / 1000).toFixed(1)} s`);

buildPackage(join(root, "dist/package"));
console.log("            dist/package/: the runtime by itself; npm pack ./dist/package");

for (const file of copyChartCrds()) console.log(`copied crds/${file} into the chart`);
