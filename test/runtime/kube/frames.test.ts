import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FrameDecoder } from "../../../src/runtime/kube/frames.ts";

function decodeAll(chunks: readonly Buffer[]): { frames: unknown[]; incomplete: boolean } {
  const decoder = new FrameDecoder();
  const frames = chunks.flatMap((chunk) => [...decoder.decode(chunk)]);
  return { frames, incomplete: decoder.incomplete };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

test("frames are the same wherever the stream is cut, also inside of a character", () => {
  fc.assert(
    fc.property(fc.array(fc.json()), fc.array(fc.nat()), (documents, places) => {
      const bytes = Buffer.from(documents.map((document) => `${document}\n`).join(""));
      expect(decodeAll(cut(bytes, places))).toEqual({
        frames: documents.map((document) => JSON.parse(document) as unknown),
        incomplete: false,
      });
    }),
  );
});

test("each byte may come alone", () => {
  const bytes = Buffer.from('{"note":"naïve 🐘"}\n{"note":"Größe"}\n');
  const { frames } = decodeAll([...bytes].map((byte) => Buffer.from([byte])));
  expect(frames).toEqual([{ note: "naïve 🐘" }, { note: "Größe" }]);
});

test("a frame that the stream does not finish is not given, and is known to be there", () => {
  expect(decodeAll([Buffer.from('{"a":1}\n{"b":')])).toEqual({ frames: [{ a: 1 }], incomplete: true });
});

test("a line that is not JSON throws", () => {
  expect(() => decodeAll([Buffer.from("<html>\n")])).toThrow(SyntaxError);
});
