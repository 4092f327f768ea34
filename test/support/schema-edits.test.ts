// Which edits come of which schema; and that the schema of the Database leaves none of its fields out.
import { describe, expect, test } from "vitest";
import { samples, specSchema, wholeSpec } from "./edits-samples.ts";
import { edited, editsOf, type EditableSchema, type SampleTable } from "./schema-edits.ts";

/** "what: new value" of each edit of the one field `field`. */
function changes(field: EditableSchema, value: unknown, table: SampleTable = {}): readonly string[] {
  return editsOf({ properties: { field } }, { field: value }, table)
    .filter((edit) => edit.field === "field")
    .map(({ name, value: to }) => `${name.slice("field: ".length)}: ${JSON.stringify(to)}`);
}

const cases = [
  {
    because: "bounds are touched and overstepped",
    is: changes({ type: "integer", minimum: 1, maximum: 9 }, 3),
    has: ["deleted: undefined", "raised: 4", "lowered: 2", "least: 1", "too low: 0", "most: 9", "too high: 10"],
  },
  {
    because: "without bounds the type has some",
    is: changes({ type: "integer", format: "int32" }, 3),
    has: ["negative: -1", "beyond 32 bits: 2147483648"],
  },
  { because: "there is one other", is: changes({ type: "boolean" }, false), has: ["toggled: true"] },
  {
    because: "each choice is made, and one that there is not",
    is: changes({ type: "string", enum: ["a", "b", "c"] }, "a"),
    has: ['b: "b"', 'c: "c"', 'no choice: "NoSuchChoice"', 'empty: ""'],
  },
  {
    because: "samples say what the schema cannot",
    is: changes({ type: "string", maxLength: 2, pattern: "^a" }, "a", { field: { other: "ab" } }),
    has: ['other: "ab"', 'too long: "xxx"', 'against its pattern: " ?! "', 'wrong type: {"a":["b"]}'],
  },
  {
    because: "items come, go, change places and are too many",
    is: changes({ type: "array", maxItems: 2, items: { type: "integer" } }, [1, 2], { field: { other: 7 } }),
    has: ["empty: []", "item removed: [2]", "other order: [2,1]", "other added: [1,2,7]", "too many items: [1,1,1]"],
  },
  {
    because: "so do entries",
    is: changes(
      { type: "object", maxProperties: 1, additionalProperties: { type: "integer" } },
      { a: 1, b: 2 },
      {
        field: { other: { c: 3 } },
      },
    ),
    has: [
      "empty: {}",
      'entry removed: {"b":2}',
      'other added: {"a":1,"b":2,"c":3}',
      'too many entries: {"key-0":1,"key-1":1}',
    ],
  },
];

describe("edits", () => {
  test.for(cases)("$has.0 and more: $because", ({ is, has }) => {
    expect(is).toEqual(expect.arrayContaining(has));
  });

  test("reach into lists and maps, and leave the spec that they are made of as it is", () => {
    const schema = {
      properties: { list: { type: "array", items: { type: "object", properties: { on: { type: "boolean" } } } } },
    };
    const spec = { list: [{ on: true }, { on: true }] };
    const edit = editsOf(schema, spec, {}).find(({ name }) => name === "list[].on: toggled");
    expect(edited(spec, edit!)).toEqual({ list: [{ on: false }, { on: true }] });
    expect(spec).toEqual({ list: [{ on: true }, { on: true }] });
  });

  test("of what an earlier edit has taken away change nothing", () => {
    expect(edited({}, { place: ["list", 0, "on"], value: true })).toEqual({});
  });

  const forgotten = [
    { what: "a value", schema: { properties: { a: { type: "integer" } } }, spec: {}, table: {} },
    { what: "samples", schema: { properties: { a: { type: "string" } } }, spec: { a: "b" }, table: {} },
    { what: "a field for its samples", schema: {}, spec: {}, table: { a: { other: "b" } } },
  ];
  test.for(forgotten)("a field for which somebody forgot $what is an error", ({ schema, spec, table }) => {
    expect(() => editsOf(schema, spec, table as SampleTable)).toThrow(/^(a|samples)/);
  });
});

test("every field of a Database has edits, each with a name of its own", () => {
  const edits = editsOf(specSchema(), wholeSpec, samples);
  expect(new Set(edits.map(({ name }) => name)).size).toBe(edits.length);
  const fields = new Set(edits.map(({ field }) => field));
  for (const field of Object.keys(specSchema().properties ?? {})) expect(fields).toContain(field);
});
