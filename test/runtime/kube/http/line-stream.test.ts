import { expect, test } from "vitest";
import { LineStream } from "../../../../src/runtime/kube/http/line-stream.ts";

/** A stream, and what it asks of its connection. */
function startStream(): { stream: LineStream; push: (text: string) => void; asked: string[] } {
  const asked: string[] = [];
  const sending = {
    pause: () => void asked.push("pause"),
    resume: () => void asked.push("resume"),
    hold: () => void asked.push("hold"),
    cancel: () => void asked.push("cancel"),
  };
  const stream = new LineStream(() => sending);
  return { stream, push: (text) => stream.push(Buffer.from(text), 0, Buffer.byteLength(text)), asked };
}

const half = `${"x".repeat(600_000)}\n`;

test("a connection is not read on while much waits for its reader", () => {
  const { stream, push, asked } = startStream();
  push(half);
  expect(asked).toEqual([]);
  push(half);
  push(half);
  expect(asked).toEqual(["pause"]);
  stream.take();
  stream.take();
  expect(asked).toEqual(["pause"]);
  stream.take();
  expect(asked).toEqual(["pause", "resume"]);
});

test("a line of any size is read to its end", () => {
  const { push, asked } = startStream();
  for (let piece = 0; piece < 5; piece += 1) push("x".repeat(600_000));
  expect(asked).toEqual([]);
});

test.for([
  ["cut off", new Error("cut off"), "a\nb\n"],
  ["inside of a frame", undefined, "a\nb\nc"],
] as const)("what has come is read before the error behind it: %s", async ([message, error, text]) => {
  const { stream, push } = startStream();
  push(text);
  stream.end(error);
  expect(await stream.more()).toBe(true);
  expect([stream.take(), stream.take(), stream.take()]).toEqual(["a", "b", undefined]);
  await expect(stream.more()).rejects.toThrow(message);
});

test("half a line wakes no reader, its end does", async () => {
  const { stream, push } = startStream();
  let woken = false;
  const more = stream.more().finally(() => (woken = true));
  push("a");
  await Promise.resolve();
  expect(woken).toBe(false);
  push("b\n");
  expect(await more).toBe(true);
  expect(stream.take()).toBe("ab");
});

test("whoever ends it ends its connection, and its reader too", async () => {
  const { stream, push, asked } = startStream();
  push("half");
  const more = stream.more();
  stream.destroy();
  expect(await more).toBe(false);
  expect(asked).toEqual(["cancel"]);
});
