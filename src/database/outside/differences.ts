// Pure: what outside Kubernetes differs from what is wished, for roles, databases and Patroni's dynamic configuration.
import { isMap, type Json } from "../../postgres/json.ts";
import type { DynamicConfiguration } from "./patroni.ts";
import type { DatabaseFacts, DatabaseWish, RoleFacts } from "./postgres.ts";

/** Why the role is not as wished, in words that fit behind its name; empty if it is. */
export function roleDifferences(facts: RoleFacts): readonly string[] {
  if (!facts.exists) return ["does not exist"];
  return [
    ...(facts.passwordMatches ? [] : ["has another password"]),
    ...(facts.canLogin ? [] : ["cannot log in"]),
    ...(facts.expires ? ["expires"] : []),
    ...facts.privileges.map((privilege) => `has ${privilege}`),
  ];
}

/** Why the database is not as wished, in words that fit behind its name; empty if it is. */
export function databaseDifferences(wish: DatabaseWish, facts: DatabaseFacts): readonly string[] {
  if (!facts.exists) return ["does not exist"];
  return [
    ...(facts.owner === wish.owner ? [] : [`belongs to ${facts.owner}`]),
    ...(facts.openToPublic ? ["is open to PUBLIC"] : []),
  ];
}

// Of the dynamic configuration we declare single keys, except for these maps: what is in them and not wished was taken
// out of the spec, or put there by hand, and is removed.
const wholeMaps: ReadonlySet<string> = new Set(["postgresql.parameters"]);

/**
 * The smallest merge patch that makes `live` hold all that `wished` declares, or undefined if it does.
 * null in `wished` means that the key must not exist; a key that it does not mention is left alone, except in
 * `postgresql.parameters`, which is ours as a whole.
 */
export function configurationDifferences(
  wished: DynamicConfiguration,
  live: DynamicConfiguration,
): DynamicConfiguration | undefined {
  return mapDifferences(wished, live, "");
}

/** The dotted paths that a patch touches: for logs and Events. Values stay out of them. */
export function patchedPaths(patch: DynamicConfiguration): readonly string[] {
  return Object.entries(patch).flatMap(([key, value]) =>
    isMap(value) && Object.keys(value).length > 0 ? patchedPaths(value).map((path) => `${key}.${path}`) : [key],
  );
}

function mapDifferences(
  wished: DynamicConfiguration,
  live: DynamicConfiguration,
  path: string,
): DynamicConfiguration | undefined {
  const patch: Record<string, Json> = {};
  for (const [key, value] of Object.entries(wished)) {
    const difference = valueDifference(value, own(live, key), path === "" ? key : `${path}.${key}`);
    if (difference !== undefined) patch[key] = difference;
  }
  if (wholeMaps.has(path)) {
    for (const [key, value] of Object.entries(live)) {
      if (value !== null && own(wished, key) === undefined) patch[key] = null;
    }
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

function valueDifference(wished: Json, live: Json | undefined, path: string): Json | undefined {
  if (wished === null) return live === undefined || live === null ? undefined : null;
  // A map that Patroni does not have is stored as sent, nulls included.
  if (isMap(wished)) return isMap(live) ? mapDifferences(wished, live, path) : withoutNulls(wished);
  return equal(wished, live) ? undefined : wished;
}

/**
 * Patroni compares scalars by their text and leaves 100 where "100" is sent: a stricter comparison would patch for ever.
 * Numbers are compared as numbers because 1.0 in its store reaches us as 1.
 * https://github.com/patroni/patroni/blob/v4.0.7/patroni/utils.py (patch_config)
 */
function equal(wished: Json, live: Json | undefined): boolean {
  if (typeof wished === "number" || typeof live === "number") {
    return isNumeric(wished) && isNumeric(live) && Number(wished) === Number(live);
  }
  return JSON.stringify(wished) === JSON.stringify(live);
}

function isNumeric(value: Json | undefined): boolean {
  return typeof value === "number" || (typeof value === "string" && /^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(value));
}

function own(map: DynamicConfiguration, key: string): Json | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

function withoutNulls(map: DynamicConfiguration): DynamicConfiguration {
  return Object.fromEntries(
    Object.entries(map)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, isMap(value) ? withoutNulls(value) : value]),
  );
}
