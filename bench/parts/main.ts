// `node bench/parts/main.ts`: how long the parts of the runtime take, each alone and warm, so that a change shows. The median of several
// rounds and their spread; on another machine other numbers, so compare with those of the commit before.
import type { KubeObject } from "holdfast/runtime";
import { systemClock } from "../../src/runtime/clock.ts";
import { AnswerParser } from "../../src/runtime/kube/http/answer-parser.ts";
import { LineDecoder } from "../../src/runtime/kube/http/lines.ts";
import { Store } from "../../src/runtime/kube/store.ts";
import { WorkQueue } from "../../src/runtime/loop/queue.ts";
import { diff } from "../../src/runtime/reconcile/diff.ts";
import { desired, live } from "./samples.ts";

const count = 2_000;
const rounds = 15;
const manager = "shop-operator";
const names = Array.from({ length: count }, (_, index) => String(index).padStart(12, "0"));

/** One round over all objects. What it returns is timed; what it needs it has made before. */
type Part = () => (() => unknown) | (() => Promise<unknown>);

const chunked = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / 16_384) }, (_, index) =>
    bytes.subarray(index * 16_384, (index + 1) * 16_384),
  );
const frames = chunked(
  Buffer.from(
    names.map((name, index) => `${JSON.stringify({ type: "ADDED", object: live(name, index + 1) })}\n`).join(""),
  ),
);
const body = Buffer.from(JSON.stringify(live(names[0] ?? "", 1)));
const answer = Buffer.concat([
  Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`),
  body,
]);

const parts: Readonly<Record<string, Part>> = {
  "queue: add, take, done": () => async () => {
    const queue = new WorkQueue({ clock: systemClock, backoff: { initialMs: 1, maxMs: 1, factor: 1, jitter: 0 } });
    for (const name of names) queue.add(name);
    for (let index = 0; index < count; index += 1) queue.done((await queue.take())?.key ?? "", { type: "idle" });
  },
  "watch: bytes to frames": () => () => {
    const decoder = new LineDecoder();
    for (const chunk of frames) decoder.add(chunk, 0, chunk.length, (line) => void JSON.parse(line));
  },
  "http: one answer": () => () => {
    const parser = new AnswerParser();
    const sink = { head: () => {}, data: () => {}, end: () => {} };
    for (let index = 0; index < count; index += 1) {
      parser.expect(sink);
      parser.feed(answer, answer.length);
    }
  },
  "store: the first list": () => {
    const items = names.map((name, index) => live(name, index + 1));
    return () => {
      const store = new Store<KubeObject>({ fieldManager: manager });
      store.replace(
        items.map((item) => store.prepare(item)),
        String(count),
      );
    };
  },
  "store: a write and its echo": () => {
    const store = new Store<KubeObject>({ fieldManager: manager });
    store.replace(
      names.map((name, index) => live(name, index + 1)),
      String(count),
    );
    const writes = names.map((name, index) => [live(name, count + index + 1), live(name, count + index + 1)] as const);
    return () => {
      for (const [written, echo] of writes) {
        store.written(written, "changed");
        store.change("MODIFIED", echo);
      }
    };
  },
  "diff: nothing differs": () => {
    const pairs = names.map((name) => [desired(name), live(name, 1)] as const);
    return () => expectDifferences(pairs, 0);
  },
  "diff: one field differs": () => {
    const pairs = names.map((name) => [desired(name, 3), live(name, 1)] as const);
    return () => expectDifferences(pairs, 1);
  },
};

function expectDifferences(pairs: readonly (readonly [KubeObject, KubeObject])[], each: number): void {
  for (const [wanted, there] of pairs) {
    const found = diff(wanted, there, manager);
    if (found.length !== each)
      throw new Error(`${found.length} differences instead of ${each}: ${JSON.stringify(found)}`);
  }
}

for (const [name, part] of Object.entries(parts)) {
  const micros: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const run = part();
    const startedAt = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(startedAt);
    micros.push((user + system) / count);
  }
  const [least = 0, median = 0, most = 0] = [0, rounds >> 1, rounds - 1].map(
    (at) => micros.toSorted((a, b) => a - b)[at],
  );
  console.log(`${name.padEnd(30)} ${median.toFixed(2).padStart(8)} µs CPU  [${least.toFixed(2)}–${most.toFixed(2)}]`);
}
