// An HTTP request to an API server → what is asked of which object. Pure.

export type Verb = "get" | "list" | "watch" | "create" | "update" | "apply" | "patch" | "delete" | "deletecollection";

export interface ApiRequest {
  /** As in RBAC, but for "apply": a PATCH that is a server-side apply. */
  readonly verb: Verb;
  /** "statefulsets.apps", "pods" */
  readonly resource: string;
  readonly namespace?: string;
  /** Also of what is created, as its body says. Absent: a collection. */
  readonly name?: string;
  readonly subresource?: string;
  /** A watch that begins with the whole collection (`sendInitialEvents`). */
  readonly streamsInitial: boolean;
  /** A further page of a list. */
  readonly continued: boolean;
  /** What version is asked for: undefined is the newest, "0" any. */
  readonly resourceVersion?: string;
}

export const writeVerbs: readonly Verb[] = ["create", "update", "apply", "patch", "delete", "deletecollection"];
export const isWrite = ({ verb }: ApiRequest): boolean => writeVerbs.includes(verb);

/** "apply statefulsets.apps shop/orders-1", "applyStatus …": what rules that count for each object tell apart. */
export function titleOf({ verb, resource, namespace, name, subresource }: ApiRequest): string {
  const object = [namespace, name].filter((part) => part !== undefined).join("/");
  return `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`} ${object}`.trimEnd();
}

/**
 * @param path with its query
 * @returns undefined where no object is asked for ("/version", discovery)
 */
export function apiRequestOf(
  method: string,
  path: string,
  contentType: string | undefined,
  body: Buffer | undefined,
): ApiRequest | undefined {
  const url = new URL(path, "http://proxy");
  const parts = url.pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  const group = parts[0] === "apis" ? parts[1] : undefined;
  const rest = parts[0] === "api" ? parts.slice(2) : parts[0] === "apis" ? parts.slice(3) : [];
  // /namespaces/shop is the object itself, /namespaces/shop/pods what is in it.
  const inNamespace = rest[0] === "namespaces" && rest.length > 2 && !ofNamespace.has(rest[2] ?? "");
  const namespace = inNamespace ? rest[1] : undefined;
  const [plural, named, subresource] = inNamespace ? rest.slice(2) : rest;
  if (plural === undefined) return undefined;
  const parameters = url.searchParams;
  const name = named ?? (method === "POST" ? nameIn(body) : undefined);
  const verb = verbOf(method, named !== undefined, isTrue(parameters.get("watch")), contentType);
  const resourceVersion = parameters.get("resourceVersion") ?? undefined;
  return {
    verb,
    resource: group === undefined ? plural : `${plural}.${group}`,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
    streamsInitial: verb === "watch" && isTrue(parameters.get("sendInitialEvents")),
    continued: parameters.has("continue"),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

const ofNamespace: ReadonlySet<string> = new Set(["status", "finalize"]);
const isTrue = (value: string | null): boolean => value === "true" || value === "1";

function verbOf(method: string, named: boolean, watches: boolean, contentType = ""): Verb {
  if (method === "POST") return "create";
  if (method === "PUT") return "update";
  if (method === "PATCH") return contentType.startsWith("application/apply-patch") ? "apply" : "patch";
  if (method === "DELETE") return named ? "delete" : "deletecollection";
  if (watches) return "watch";
  return named ? "get" : "list";
}

function nameIn(body: Buffer | undefined): string | undefined {
  try {
    const { metadata } = JSON.parse(body?.toString("utf8") ?? "") as { metadata?: { name?: string } };
    return metadata?.name;
  } catch {
    // Not JSON: protobuf, YAML.
    return undefined;
  }
}
