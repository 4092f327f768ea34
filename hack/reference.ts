// The reference of a custom resource as Markdown, from its CRD. Pure.

/** The part of the CRD's schema language that is used here. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly [extension: `x-kubernetes-${string}`]: unknown;
}

interface Resource {
  readonly group: string;
  readonly names: { readonly kind: string; readonly plural: string; readonly shortNames?: readonly string[] };
  readonly versions: readonly [
    { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } },
    ...unknown[],
  ];
}

interface Rule {
  readonly message: string;
}

/** A page with the rules of the resource and one table each for spec and status. */
export function reference({ group, names, versions }: Resource, source: string): string {
  const [version] = versions;
  const schema = version.schema.openAPIV3Schema;
  const short = names.shortNames === undefined ? "" : ` (short: \`${names.shortNames.join("`, `")}\`)`;
  const rules = rulesOf(schema).map((message) => `- ${prose(message)}.`);
  const sections = Object.entries(schema.properties ?? {})
    .filter(([name]) => name === "spec" || name === "status")
    .flatMap(([name, part]) => [`## ${name}`, "", part.description ?? "", "", ...table(part, name === "spec"), ""]);
  return [
    `<!-- Generated from ${source} by hack/generate.ts: do not edit. -->`,
    "",
    `# ${names.kind}`,
    "",
    `\`apiVersion: ${group}/${version.name}\`, \`kind: ${names.kind}\`; \`kubectl get ${names.plural}\`${short}`,
    "",
    schema.description ?? "",
    "",
    "The API server refuses what breaks one of these rules:",
    "",
    ...rules,
    "",
    ...sections,
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

function table(schema: Schema, withDefaults: boolean): string[] {
  const head = withDefaults
    ? ["| field | type | default | |", "| - | - | - | - |"]
    : ["| field | type | |", "| - | - | - |"];
  const rows = fields(schema, "").map(({ path, schema: field, required }) => {
    const preset = required ? "*required*" : field.default === undefined ? "" : code(JSON.stringify(field.default));
    const text = [field.description ?? "", ...rulesOf(field).map((message) => `Rule: ${message}.`)].join(" ").trim();
    return `| ${[code(path), typeOf(field), ...(withDefaults ? [preset] : []), text].map(cell).join(" | ")} |`;
  });
  return [...head, ...rows];
}

interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly required: boolean;
}

/** Every field in depth-first order; `[]` stands for the items of a list. */
function fields(schema: Schema, prefix: string): Field[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const below = field.items === undefined ? fields(field, `${path}.`) : fields(field.items, `${path}[].`);
    return [{ path, schema: field, required: required.includes(name) }, ...below];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(", ");
  if (schema["x-kubernetes-int-or-string"] === true) return "quantity";
  if (schema.type === "array") return `list of ${schema.items === undefined ? "any" : typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map to ${typeOf(schema.additionalProperties)}`;
  const { minimum, maximum, maxLength } = schema;
  if (minimum !== undefined && maximum !== undefined) return `${schema.type} ${minimum}–${maximum}`;
  if (minimum !== undefined) return `${schema.type} ≥ ${minimum}`;
  if (maxLength !== undefined && schema.type === "string") return `string ≤ ${maxLength}`;
  return schema.type ?? "string, number or boolean";
}

function rulesOf(schema: Schema): string[] {
  const rules = (schema["x-kubernetes-validations"] ?? []) as readonly Rule[];
  return rules.map(({ message }) => message);
}

const code = (text: string): string => `\`${text}\``;
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
/** Words between angle brackets are no HTML. */
const prose = (text: string): string => text.replaceAll("<", "\\<");

/** A page that says for each reason of conditions and Events what to do; an empty remedy means nothing. */
export function remedies(reasons: Readonly<Record<string, string>>, source: string): string {
  const rows = Object.entries(reasons).map(
    ([reason, remedy]) => `| ${code(reason)} | ${cell(prose(remedy || "Nothing to do."))} |`,
  );
  return [
    `<!-- Generated from ${source} by hack/generate.ts: do not edit. -->`,
    "",
    "# Conditions",
    "",
    "A Database has four conditions. `kubectl describe` shows them with a message that names what is waited for.",
    "",
    "- `Ready`: everything is as declared, for the generation that it names.",
    "- `Available`: the primary accepts writes.",
    "- `Progressing`: a change is under way, and which.",
    "- `Degraded`: it serves, but less than declared, and why.",
    "",
    "Each has one of these reasons; Events and metrics use the same words. Of the objects of a Database Events also say `Created`,",
    "`Updated`, `Recreated` and `Deleted`: there is nothing to do.",
    "",
    "| reason | what to do |",
    "| - | - |",
    ...rows,
    "",
  ].join("\n");
}
