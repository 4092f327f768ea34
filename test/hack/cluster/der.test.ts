import { expect, test } from "vitest";
import * as der from "../../../hack/cluster/der.ts";

test.each([
  { what: "a short length is one byte", value: der.octetString(Buffer.alloc(127)), start: "047f" },
  { what: "from 128 on the length has a length", value: der.octetString(Buffer.alloc(128)), start: "048180" },
  { what: "and two bytes from 256 on", value: der.octetString(Buffer.alloc(256)), start: "04820100" },
  {
    what: "an integer with its highest bit set stays positive",
    value: der.integer(Buffer.from([0x80])),
    start: "02020080",
  },
  {
    what: "an arc from 128 on takes two bytes",
    value: der.objectIdentifier("1.2.840.10045.4.3.2"),
    start: "06082a8648ce3d040302",
  },
  {
    what: "a year up to 2049 has two digits",
    value: der.time(new Date("2049-12-31T23:59:59.999Z")),
    start: `170d${Buffer.from("491231235959Z").toString("hex")}`,
  },
  {
    what: "a later one has four",
    value: der.time(new Date("2050-01-01T00:00:00Z")),
    start: `180f${Buffer.from("20500101000000Z").toString("hex")}`,
  },
])("$what", ({ value, start }) => {
  expect(value.toString("hex").slice(0, start.length)).toBe(start);
});

test("what does not fit into two bytes of length is refused", () => {
  expect(() => der.octetString(Buffer.alloc(0x10000))).toThrow(RangeError);
});
