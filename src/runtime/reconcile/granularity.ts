// Which fields server-side apply merges by part, and which it takes as one value. managedFields tells that of everything but
// empty objects and lists; of those it must be known. Pure. Source: x-kubernetes-{map,list}-type in /openapi/v2 of 1.36.
import type { Place } from "./paths.ts";
import type { Dialect } from "./same-value.ts";

/** Objects of the built-in types that are one value; all others are merged. */
const atomicObjects = new Set([
  "dataSource",
  "involvedObject",
  "nodeTopology",
  "port",
  "preference",
  "related",
  "required",
  "requiredDuringSchedulingIgnoredDuringExecution",
  "resource",
  "target",
]);

/** Lists of the built-in types that are merged by item; all others are one value. */
const mergedLists = new Set([
  "claims",
  "containers",
  "env",
  "ephemeralContainers",
  "hostAliases",
  "imagePullSecrets",
  "initContainers",
  "ports",
  "resourceClaims",
  "schedulingGates",
  "secrets",
  "topologySpreadConstraints",
  "volumeDevices",
  "volumeMounts",
  "volumes",
]);

/** An object into which others may write beside us, so that an empty one of ours says nothing of what it holds. */
export function isMergedObject({ names }: Place, { builtIn }: Dialect): boolean {
  const name = names.at(-1) ?? "";
  if (names[0] === "metadata") return names.length === 2 && (name === "labels" || name === "annotations");
  return builtIn && !atomicObjects.has(name) && !/(?:Ref|[sS]elector)$/.test(name);
}

/** A list to which others may add items beside ours, so that an empty one of ours says nothing. */
export function isMergedList({ names }: Place, { builtIn }: Dialect): boolean {
  const name = names.at(-1) ?? "";
  if (names[0] === "metadata") return names.length === 2 && (name === "finalizers" || name === "ownerReferences");
  return builtIn && mergedLists.has(name);
}
