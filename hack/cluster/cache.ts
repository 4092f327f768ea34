// Where built binaries and other costly things are kept: outside of the checkout, by Kubernetes version.
import { homedir } from "node:os";
import { join } from "node:path";
import { kubernetesVersion } from "./versions.ts";

/** `${XDG_CACHE_HOME:-~/.cache}/holdfast/<Kubernetes version>`; an empty or relative XDG_CACHE_HOME is ignored, as its standard says. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment["XDG_CACHE_HOME"];
  return join(base?.startsWith("/") === true ? base : join(homedir(), ".cache"), "holdfast", kubernetesVersion);
}

/** Where binaries lie under their plain names. */
export function binaryDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheDirectory(environment), "bin");
}
