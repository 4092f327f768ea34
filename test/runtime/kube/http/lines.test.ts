import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LineDecoder } from "../../../../src/runtime/kube/http/lines.ts";

/** Each piece comes in the same buffer, between others' bytes. */
function decodeAll(pieces: readonly Buffer[]): { lines: string[]; incomplete: boolean } {
  const decoder = new LineDecoder();
  const lines: string[] = [];
  const buffer = Buffer.alloc(64 * 1024, "\n");
  for (const piece of pieces) {
    const length = piece.copy(buffer, 3);
    decoder.add(buffer, 3, 3 + length, (line) => lines.push(line));
    buffer.fill("\n");
  }
  return { lines, incomplete: decoder.incomplete };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

test("lines are the same wherever the stream is cut, also inside of a character", () => {
  fc.assert(
    fc.property(fc.array(fc.json()), fc.array(fc.nat()), (documents, places) => {
      const bytes = Buffer.from(documents.map((document) => `${document}\n`).join(""));
      expect(decodeAll(cut(bytes, places))).toEqual({
        lines: documents.map((document) => Buffer.from(document).toString("utf8")),
        incomplete: false,
      });
    }),
  );
});

test("each byte may come alone", () => {
  const bytes = Buffer.from('{"note":"naïve 🐘"}\n{"note":"Größe"}\n');
  const { lines } = decodeAll([...bytes].map((byte) => Buffer.from([byte])));
  expect(lines).toEqual(['{"note":"naïve 🐘"}', '{"note":"Größe"}']);
});

test("a line that the stream does not finish is not given, and is known to be there", () => {
  expect(decodeAll([Buffer.from('{"a":1}\n{"b":')])).toEqual({ lines: ['{"a":1}'], incomplete: true });
});

test("empty lines are none", () => {
  expect(decodeAll([Buffer.from("\n1\n\n\n2\n")])).toEqual({ lines: ["1", "2"], incomplete: false });
});
