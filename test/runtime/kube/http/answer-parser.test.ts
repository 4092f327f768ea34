import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnswerParser } from "../../../../src/runtime/kube/http/answer-parser.ts";

interface Seen {
  status: number;
  retryAfter: string | undefined;
  body: string;
  ended: boolean;
}

/** What a parser makes of these bytes, when they come in these pieces, each in the same buffer. */
function parse(pieces: readonly (string | Buffer)[]): { seen: Seen; parser: AnswerParser } {
  const parser = new AnswerParser();
  const seen: Seen = { status: 0, retryAfter: undefined, body: "", ended: false };
  parser.expect({
    head: (status, retryAfter) => Object.assign(seen, { status, retryAfter }),
    data: (bytes, start, end) => void (seen.body += bytes.toString("latin1", start, end)),
    end: () => void (seen.ended = true),
  });
  const buffer = Buffer.alloc(128 * 1024, "?");
  for (const piece of pieces) {
    const length = Buffer.from(piece).copy(buffer);
    parser.feed(buffer, length);
    buffer.fill("?", 0, length);
  }
  return { seen, parser };
}

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
const answers = [
  { bytes: `${ok}Content-Length: 5\r\n\r\nhello`, body: "hello", because: "it says how long it is" },
  { bytes: `${ok}content-length: 0\r\n\r\n`, body: "", because: "it is empty" },
  { bytes: `${ok}Content-Length: 2\r\ncontent-length:2\r\n\r\nhi`, body: "hi", because: "it says the same twice" },
  { bytes: `${chunked}5\r\nhello\r\n0\r\n\r\n`, body: "hello", because: "it is chunked" },
  { bytes: `${chunked}0\r\n\r\n`, body: "", because: "it is chunked and empty" },
  {
    bytes: `${ok}transfer-encoding: Chunked\r\n\r\n1;note=x\r\nh\r\nA ;x\r\nello there\r\n000\r\nTrailer: x\r\n\r\n`,
    body: "hello there",
    because: "chunks may have notes, sizes of any case, and trailers",
  },
  {
    bytes: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok}Content-Length: 2\r\n\r\nhi`,
    body: "hi",
    because: "others came before it",
  },
  { bytes: "HTTP/1.1 204 No Content\r\n\r\n", body: "", because: "this status has none" },
  { bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", body: "", because: "nor has this one" },
  { bytes: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", body: "", because: "a status needs no words" },
  { bytes: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", body: "", because: "nor the blank before them" },
] as const;

describe("an answer", () => {
  test.for(answers)("is read as a whole: $because", ({ bytes, body }) => {
    const { seen, parser } = parse([bytes]);
    expect(seen).toMatchObject({ body, ended: true });
    expect(parser.isReusable).toBe(true);
  });

  test("is the same however it is cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(...answers), fc.array(fc.integer({ min: 1, max: 20 })), ({ bytes, body }, sizes) => {
        const pieces: string[] = [];
        let rest: string = bytes;
        for (const size of sizes) {
          pieces.push(rest.slice(0, size));
          rest = rest.slice(size);
        }
        const { seen, parser } = parse([...pieces, rest].filter((piece) => piece !== ""));
        expect(seen).toMatchObject({ body, ended: true });
        expect(parser.isReusable).toBe(true);
      }),
    );
  });

  test("tells its status, and when it wants to be asked again", () => {
    const { seen } = parse(["HTTP/1.1 429 Too Many Requests\r\nretry-After:  3 \r\nContent-Length: 0\r\n\r\n"]);
    expect(seen).toMatchObject({ status: 429, retryAfter: "3" });
  });

  test("without a length lasts until the connection closes", () => {
    const { seen, parser } = parse([`${ok}\r\n`, "so far"]);
    expect(seen).toMatchObject({ body: "so far", ended: false });
    parser.close();
    expect(parser.isDone).toBe(true);
    expect(seen.ended).toBe(true);
    expect(parser.isReusable).toBe(false);
  });

  test.for([
    [`${ok}Connection: close\r\nContent-Length: 0\r\n\r\n`, false, "it says so"],
    [`${ok}Connection: x, Close\r\nContent-Length: 0\r\n\r\n`, false, "it says so among others"],
    [`${ok}Connection: x\r\nconnection: close\r\nContent-Length: 0\r\n\r\n`, false, "it says so in its second line"],
    [`${ok}Connection: closed\r\nContent-Length: 0\r\n\r\n`, true, "that is another word"],
    ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, "so it was in 1.0"],
    ["HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", true, "1.0 can say so"],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", false, "who knows whether the two come"],
    ["HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, "who knows whether there is an end"],
    [`${ok}Content-Length: 2\r\n\r\nhi!`, false, "more came than was said"],
    [`${chunked}0\r\n\r\n${ok}Content-Length: 0\r\n\r\n`, false, "another came that nobody asked for"],
  ] as const)("%j leaves a connection that can be used again: %s, since %s", ([bytes, reusable]) => {
    const { parser, seen } = parse([bytes]);
    expect(seen.ended).toBe(true);
    expect(parser.isReusable).toBe(reusable);
  });

  test.for([
    `${ok}Content-Length: 5\r\n\r\nhel`,
    `${chunked}5\r\nhello\r\n`,
    `${chunked}5\r\nhello\r\n0\r\n`,
    "HTTP/1.1 200",
    "",
  ])("that is cut off is owed: %j", (bytes) => {
    const { seen, parser } = parse([bytes].filter((piece) => piece !== ""));
    parser.close();
    expect(parser.isDone).toBe(false);
    expect(seen.ended).toBe(false);
  });

  test.for([
    ["SSH-2.0-OpenSSH\r\n\r\n", "speaks no HTTP"],
    ["HTTP/2 200 OK\r\n\r\n", "speaks no HTTP"],
    ["HTTP/1.1 2000 OK\r\n\r\n", "cannot be read"],
    ["HTTP/1.1 099 OK\r\n\r\n", "cannot be read"],
    ["\r\n\r\n", "speaks no HTTP"],
    ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "something else"],
    [`${ok}Content-Length: -2\r\n\r\n`, "no length"],
    [`${ok}Content-Length: 2, 2\r\n\r\n`, "no length"],
    [`${ok}Content-Length: 0x2\r\n\r\n`, "no length"],
    [`${ok}Content-Length: \r\n\r\n`, "no length"],
    [`${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\n`, "said 2, and 3"],
    [`${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`, "no clear end"],
    [`${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`, "gzip"],
    ["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "no clear end"],
    [`${ok}Content-Length : 2\r\n\r\n`, "cannot be read"],
    [`${ok}X: 1\r\n Content-Length: 2\r\n\r\n`, "cannot be read"],
    [`${ok}: 2\r\n\r\n`, "cannot be read"],
    [`${ok}X\r\nY: 2\r\n\r\n`, "cannot be read"],
    [`${ok}X: 1\rContent-Length: 2\r\n\r\n`, "cannot be read"],
    [`${ok}X: \0\r\n\r\n`, "cannot be read"],
    [`${ok}X: 1\nContent-Length: 2\r\n\r\n`, "cannot be read"],
    [`${chunked}x\r\n`, "without its size"],
    [`${chunked}-1\r\n`, "without its size"],
    [`${chunked}0x1\r\n`, "without its size"],
    [`${chunked}1 2\r\n`, "without its size"],
    [`${chunked}\r\n`, "without its size"],
    [`${chunked}fffffffffffff\r\n`, "without its size"],
    [`${chunked}1\nh`, "in its own way"],
    [`${chunked}\n`, "in its own way"],
    [`${chunked}1\r\nhi\r\n`, "longer than"],
    [`${ok}X: ${"x".repeat(70_000)}`, "do not end"],
    [`${chunked}1;${"x".repeat(70_000)}`, "do not end"],
  ] as const)("%j is refused", ([bytes, problem]) => {
    expect(() => parse([bytes])).toThrow(problem);
  });

  test("that nobody asked for is refused", () => {
    expect(() => new AnswerParser().feed(Buffer.from(ok), ok.length)).toThrow("nobody asked for");
  });
});
