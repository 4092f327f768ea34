// Makes what follows from the CRD, the list of reasons and the chart's values: src/database/api.generated.ts (types),
// docs/database.md, docs/conditions.md and docs/helm-values.md (references).
//   node hack/generate.ts            writes them
//   node hack/generate.ts --check    writes nothing, fails if a file is not what it would be
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";
import { load } from "js-yaml";
import { reasons } from "../src/database/api.ts";
import { valuesReference } from "./helm-values.ts";
import { reference, remedies, type Schema } from "./reference.ts";

const root = new URL("../", import.meta.url);
const source = "crds/databases.holdfast.dev.yaml";
const values = "charts/holdfast/values.yaml";

interface Definition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames?: readonly string[] };
    readonly versions: readonly [
      { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } },
      ...unknown[],
    ];
  };
}

/** Path below the repository → content, for everything that is generated. */
export async function generate(): Promise<ReadonlyMap<string, string>> {
  const definition = load(await readFile(new URL(source, root), "utf8")) as Definition;
  const schema = definition.spec.versions[0].schema.openAPIV3Schema;
  const { spec, status } = schema.properties ?? {};
  if (spec === undefined || status === undefined) throw new Error(`${source} has no spec or no status`);
  return new Map([
    ["src/database/api.generated.ts", await types({ DatabaseSpec: spec, DatabaseStatus: status })],
    ["docs/database.md", reference(definition.spec, source)],
    ["docs/conditions.md", remedies(reasons, "src/database/api.ts")],
    ["docs/helm-values.md", valuesReference(await readFile(new URL(values, root), "utf8"), values)],
  ]);
}

async function types(schemas: Record<string, Schema>): Promise<string> {
  const parts = [`// Generated from ${source} by hack/generate.ts: do not edit.\n`];
  for (const [name, schema] of Object.entries(schemas)) {
    // The name comes from the argument; options keep the output as the formatter of this repository would have it.
    const text = await compile(jsonSchema(schema), name, { bannerComment: "", style: { printWidth: 120 } });
    parts.push(text);
  }
  return parts.join("\n");
}

/** The CRD's dialect as plain JSON schema: closed objects, IntOrString as a union, no Kubernetes extensions. */
function jsonSchema(schema: Schema): Record<string, unknown> {
  const { properties, items, additionalProperties, type, description, required, enum: values } = schema;
  if (schema["x-kubernetes-int-or-string"] === true) return { description, type: ["integer", "string"] };
  const plain: Record<string, unknown> = { description, type, required, enum: values };
  if (properties !== undefined) {
    plain["properties"] = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, jsonSchema(value)]),
    );
  }
  if (items !== undefined) plain["items"] = jsonSchema(items);
  if (type === "object") {
    plain["additionalProperties"] = additionalProperties === undefined ? false : jsonSchema(additionalProperties);
  }
  return Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined));
}

async function main(check: boolean): Promise<void> {
  for (const [path, content] of await generate()) {
    const url = new URL(path, root);
    const existing = await readFile(url, "utf8").catch(() => "");
    if (existing === content) continue;
    if (check) {
      console.error(`${path} is not what it would be made now: run node hack/generate.ts`);
      process.exitCode = 1;
    } else {
      await writeFile(url, content);
      console.log(`wrote ${path}`);
    }
  }
}

if (import.meta.main) await main(process.argv.includes("--check"));
