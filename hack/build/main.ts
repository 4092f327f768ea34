// `npm run build`: the operator as a bundle in dist/, and the chart's copy of crds/. Images are made from dist/.
import { join } from "node:path";
import { bundle } from "./bundle.ts";
import { copyChartCrds } from "./chart.ts";

const root = join(import.meta.dirname, "../..");
const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(0).padStart(6)} KiB`;

const started = performance.now();
const chunks = await bundle("src/main.ts", join(root, "dist"));
const atStart = chunks.filter((chunk) => chunk.atStart).reduce((sum, { bytes }) => sum + bytes, 0);
for (const { file, bytes, atStart } of chunks)
  console.log(`${kibibytes(bytes)}  dist/${file}${atStart ? "" : "  (on demand)"}`);
console.log(`${kibibytes(atStart)}  loaded at start; built in ${((performance.now() - started) / 1000).toFixed(1)} s`);

for (const file of copyChartCrds()) console.log(`copied crds/${file} into the chart`);
