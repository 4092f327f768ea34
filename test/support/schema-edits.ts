// Every edit of every field that a CRD's schema has: walks the schema beside a spec in which each field is set. Pure.
// The schema says what can be done to a field (bounds, choices, items); good other values it cannot know: they come as samples.

/** The part of the schema language that edits are made from. */
export interface EditableSchema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, EditableSchema>>;
  readonly additionalProperties?: EditableSchema;
  readonly items?: EditableSchema;
  readonly [extension: `x-kubernetes-${string}`]: unknown;
}

/** Where a value is in a spec: names of fields, keys of maps, places in lists. */
export type Place = readonly (string | number)[];

/** One change of one field. `value` undefined: the field is taken away. */
export interface Edit {
  /** "placement.tolerations[].key: other": names the edit in a run. */
  readonly name: string;
  /** In the schema: "[]" is an item of a list, "{}" a value of a map. */
  readonly field: string;
  readonly place: Place;
  readonly value: unknown;
}

/** Other values for a field, by what they are: "other", "no such". Of a map or list: an entry or item to add. */
export type Samples = Readonly<Record<string, unknown>>;

/** By the end of the field's path, the longest first: "topologyKey" is that of every term. */
export type SampleTable = Readonly<Record<string, Samples>>;

/**
 * All edits of all fields, in the order of the schema.
 * @param spec in which each field has a value, each list and map an item
 * @throws Error for a field that has no value in the spec, or whose other values are neither in the schema nor in the samples
 */
export function editsOf(schema: EditableSchema, spec: object, samples: SampleTable): readonly Edit[] {
  const edits = [...editsOfProperties(schema, spec, [], "", samples)];
  const unused = Object.keys(samples).filter((end) => !edits.some(({ field }) => endsWith(field, end)));
  if (unused.length > 0) throw new Error(`samples for fields that are not in the schema: ${unused.join(", ")}`);
  return edits;
}

/** The spec after an edit; the one that is given stays as it is. */
export function edited<T extends object>(spec: T, { place, value }: Pick<Edit, "place" | "value">): T {
  const copy = structuredClone(spec);
  let target: any = copy;
  for (const step of place.slice(0, -1)) target = target?.[step];
  const last = place.at(-1)!;
  // In a walk of several edits an earlier one may have taken away what this one is about.
  if (typeof target !== "object" || target === null) return copy;
  if (value !== undefined) target[last] = structuredClone(value);
  else if (Array.isArray(target)) target.splice(Number(last), 1);
  else delete target[last];
  return copy;
}

function* editsOfProperties(
  { properties = {} }: EditableSchema,
  value: object,
  place: Place,
  path: string,
  samples: SampleTable,
): Generator<Edit> {
  for (const [name, schema] of Object.entries(properties)) {
    const field = path === "" ? name : `${path}.${name}`;
    const there = (value as Record<string, unknown>)[name];
    if (there === undefined) throw new Error(`${field}: the spec that is edited has no value for it`);
    yield* editsOfField(schema, there, [...place, name], field, samples);
  }
}

function* editsOfField(
  schema: EditableSchema,
  value: unknown,
  place: Place,
  field: string,
  samples: SampleTable,
): Generator<Edit> {
  const named = samplesOf(field, samples);
  if (isOpen(schema) && named === undefined)
    throw new Error(`${field}: neither schema nor samples say what else it could be`);
  const changes = { deleted: undefined, ...changesOf(schema, value, named) };
  for (const [what, to] of Object.entries(changes)) yield { name: `${field}: ${what}`, field, place, value: to };

  if (schema.properties !== undefined) yield* editsOfProperties(schema, value as object, place, field, samples);
  if (schema.items !== undefined) {
    const [item] = value as readonly unknown[];
    if (item === undefined) throw new Error(`${field}: the list in the spec that is edited is empty`);
    yield* editsOfField(schema.items, item, [...place, 0], `${field}[]`, samples);
  }
  if (schema.additionalProperties !== undefined) {
    const [entry] = Object.entries(value as object);
    if (entry === undefined) throw new Error(`${field}: the map in the spec that is edited is empty`);
    yield* editsOfField(schema.additionalProperties, entry[1], [...place, entry[0]], `${field}{}`, samples);
  }
}

/** What the field can be changed to, by what the change is. */
function changesOf(schema: EditableSchema, value: unknown, samples: Samples | undefined): Record<string, unknown> {
  const wrongType = { "wrong type": schema.type === "string" || schema.type === undefined ? { a: ["b"] } : "word" };
  switch (schema.type) {
    case "integer":
      return { ...ofInteger(schema, value as number), ...samples, ...wrongType };
    case "boolean":
      return { toggled: value !== true, ...samples, ...wrongType };
    case "array":
      return { ...ofList(schema, value as readonly unknown[], samples), ...wrongType };
    case "object":
      return {
        empty: {},
        ...(schema.additionalProperties === undefined ? samples : ofMap(schema, value as object, samples)),
        ...wrongType,
      };
    case undefined:
    default:
      return { ...ofText(schema, value), ...samples, ...wrongType };
  }
}

/** The schema leaves open what another good value would be. */
function isOpen({ type, enum: choices }: EditableSchema): boolean {
  return (type === "string" || type === undefined) && choices === undefined;
}

function ofInteger({ minimum, maximum, format }: EditableSchema, value: number): Record<string, unknown> {
  return {
    raised: value + 1,
    lowered: value - 1,
    ...(minimum === undefined ? { negative: -1 } : { least: minimum, "too low": minimum - 1 }),
    ...(maximum === undefined ? {} : { most: maximum, "too high": maximum + 1 }),
    ...(format === "int32" && maximum === undefined ? { "beyond 32 bits": 2 ** 31 } : {}),
  };
}

function ofText({ enum: choices, maxLength, pattern }: EditableSchema, value: unknown): Record<string, unknown> {
  const others = (choices ?? []).filter((choice) => choice !== value);
  return {
    empty: "",
    ...Object.fromEntries(others.map((choice) => [String(choice), choice])),
    ...(choices === undefined ? {} : { "no choice": "NoSuchChoice" }),
    ...(maxLength === undefined ? {} : { "too long": "x".repeat(maxLength + 1) }),
    ...(pattern === undefined ? {} : { "against its pattern": " ?! " }),
  };
}

function ofList({ maxItems }: EditableSchema, value: readonly unknown[], samples?: Samples): Record<string, unknown> {
  const [first] = value;
  return {
    empty: [],
    "item twice": [...value, first],
    ...(value.length > 1 ? { "item removed": value.slice(1), "other order": value.toReversed() } : {}),
    ...(maxItems === undefined ? {} : { "too many items": Array.from({ length: maxItems + 1 }, () => first) }),
    ...Object.fromEntries(Object.entries(samples ?? {}).map(([what, item]) => [`${what} added`, [...value, item]])),
  };
}

function ofMap({ maxProperties }: EditableSchema, value: object, samples?: Samples): Record<string, unknown> {
  const entries = Object.entries(value);
  const [first] = entries;
  const many = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, first?.[1] as unknown]));
  return {
    ...(entries.length > 1 ? { "entry removed": Object.fromEntries(entries.slice(1)) } : {}),
    ...(maxProperties === undefined ? {} : { "too many entries": many(maxProperties + 1) }),
    ...Object.fromEntries(
      Object.entries(samples ?? {}).map(([what, entry]) => [`${what} added`, { ...value, ...(entry as object) }]),
    ),
  };
}

function samplesOf(field: string, table: SampleTable): Samples | undefined {
  const ends = Object.keys(table).filter((end) => endsWith(field, end));
  const [longest] = ends.toSorted((a, b) => b.length - a.length);
  return longest === undefined ? undefined : table[longest];
}

function endsWith(field: string, end: string): boolean {
  return field === end || field.endsWith(`.${end}`) || (/^[[{]/.test(end) && field.endsWith(end));
}
