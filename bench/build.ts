// `node bench/build.ts`: our contestant as a bundle, made as the operator's image is.
import { join } from "node:path";
import { bundle } from "../hack/build/bundle.ts";

const folder = "bench/contestants/holdfast";
for (const { file, bytes, atStart, packages } of await bundle(
  `${folder}/main.ts`,
  join(import.meta.dirname, "contestants/holdfast/dist"),
)) {
  console.log(
    `${(bytes / 1024).toFixed(0).padStart(6)} KiB  ${file}${atStart ? "" : "  (on demand)"}  ${packages.join(" ")}`,
  );
}
