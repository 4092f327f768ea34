// A request as the text that goes over a connection.
import type { RequestText } from "./http-connection.ts";

/**
 * Headers as lines. Many requests have the same, so their lines are to be kept.
 * @throws TypeError for what would be read as another header or request: a line break in a token
 */
export function headerLines(headers: Readonly<Record<string, string>>): string {
  let lines = "";
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new TypeError(`a header cannot be named ${JSON.stringify(name)}`);
    if (!/^[\t\x20-\x7e]*$/.test(value)) throw new TypeError(`${name} has characters that a header cannot have`);
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/**
 * @param lines of `headerLines`: all but Content-Length
 * @throws TypeError for what would be read as another request: a blank in a path
 */
export function requestText(method: string, path: string, lines: string, body: string | undefined): RequestText {
  if (!/^[\x21-\x7e]+$/.test(path)) throw new TypeError("the path has characters that a request cannot have");
  const begin = `${method} ${path} HTTP/1.1\r\n${lines}`;
  if (body === undefined) return { text: `${begin}\r\n`, encoding: "latin1" };
  const bytes = Buffer.byteLength(body);
  // All of it is ASCII where no character takes two bytes.
  const encoding = bytes === body.length ? "latin1" : "utf8";
  return { text: `${begin}Content-Length: ${bytes}\r\n\r\n${body}`, encoding };
}
