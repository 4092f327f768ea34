// Whether a value that we want and the value that the API server shows are the same thing, written in different ways. Pure.
import { isRecord, fieldAt, type Place } from "./paths.ts";
import { sameQuantity } from "./quantity.ts";

/** What decides how values of an object are written. */
export interface Dialect {
  /** Groups whose types the API server decodes, completes and writes anew. Custom resources it stores as they were sent. */
  readonly builtIn: boolean;
  readonly secret: boolean;
}

const builtInGroups = new Set([
  "",
  "apps",
  "autoscaling",
  "batch",
  "coordination.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
]);

export function dialectOf(group: string, kind: string): Dialect {
  return { builtIn: builtInGroups.has(group), secret: group === "" && kind === "Secret" };
}

/**
 * Strict equality of JSON, except that quantities and base64 count by what they mean, and that a default which the API server
 * is known to add inside of an atomic field is not a difference.
 */
export function sameValue(desired: unknown, live: unknown, place: Place, dialect: Dialect): boolean {
  if (desired === live) return true;
  if (Array.isArray(desired)) {
    if (!Array.isArray(live) || live.length !== desired.length) return false;
    return desired.every((item, index) => sameValue(item, live[index], place, dialect));
  }
  if (isRecord(desired)) return isRecord(live) && sameRecord(desired, live, place, dialect);
  if (dialect.builtIn && isQuantityPlace(place.names)) return sameQuantity(desired, live);
  // Go's decoder passes over line breaks, and the server writes the value back without them.
  if (dialect.secret && place.names[0] === "data" && typeof desired === "string") {
    return desired.replaceAll(/[\r\n]/g, "") === live;
  }
  return false;
}

function sameRecord(
  desired: Readonly<Record<string, unknown>>,
  live: Readonly<Record<string, unknown>>,
  place: Place,
  dialect: Dialect,
): boolean {
  for (const name of Object.keys(desired)) {
    if (!Object.hasOwn(live, name)) {
      // Go leaves out an empty list. Not so an empty object: `podSelector: {}` means all, its absence none.
      const list = desired[name];
      if (dialect.builtIn && Array.isArray(list) && list.length === 0) continue;
      return false;
    }
    if (!sameValue(desired[name], live[name], fieldAt(place, name), dialect)) return false;
  }
  const added = Object.keys(live).filter((name) => !Object.hasOwn(desired, name));
  return added.every((name) => dialect.builtIn && isServerDefault(place.names.at(-1), name, live));
}

/** resources.{requests,limits}.* of containers and claims, and the few quantities that stand alone. */
function isQuantityPlace(names: readonly string[]): boolean {
  const parent = names.at(-2);
  if (parent === "requests" || parent === "limits") return names.at(-3) === "resources";
  return (
    (parent === "emptyDir" && names.at(-1) === "sizeLimit") ||
    (parent === "resourceFieldRef" && names.at(-1) === "divisor")
  );
}

/**
 * Defaults that the API server sets inside of fields which server-side apply treats as one value, so that nothing tells whose
 * they are. Only a default that would be set again to this very value may stand here. Others cost an apply without effect.
 * https://kubernetes.io/docs/reference/kubernetes-api/ ; pkg/apis/core/v1/defaults.go
 */
function isServerDefault(parent: string | undefined, name: string, live: Readonly<Record<string, unknown>>): boolean {
  const value = live[name];
  if (value === null) return true;
  switch (parent ?? "") {
    case "fieldRef":
      return name === "apiVersion" && value === "v1";
    case "resourceFieldRef":
      return name === "divisor" && value === "0";
    case "serviceAccountToken":
      return name === "expirationSeconds" && value === 3600;
    case "roleRef":
      return name === "apiGroup" && value === rbacGroup;
    case "subjects":
      return name === "apiGroup" && value === rbacGroup && (live["kind"] === "User" || live["kind"] === "Group");
    case "volumeClaimTemplates":
      return (
        (name === "apiVersion" && value === "v1") ||
        (name === "kind" && value === "PersistentVolumeClaim") ||
        (name === "status" && isRecord(value) && Object.keys(value).length === 1 && value["phase"] === "Pending")
      );
    case "spec":
      return name === "volumeMode" && value === "Filesystem";
    default:
      return false;
  }
}

const rbacGroup = "rbac.authorization.k8s.io";
