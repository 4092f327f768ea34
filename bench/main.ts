// `node bench/main.ts [--runs 3] [--count 200] [--big 2000] [--rest 60] [--only holdfast,controller-runtime,kube-rs]`: the runtime
// beside its peers. Interleaved runs of the same operator, each on a fresh etcd and kube-apiserver; the medians, and ours against
// Go's in the same run.
import { parseArgs } from "node:util";
import { findExecutable } from "../hack/cluster/executables.ts";
import { createProgress } from "../hack/cluster/progress.ts";
import { contestants, type Command } from "./contestants.ts";
import { measure } from "./measure.ts";
import { formatTable, type Figures } from "./table.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "3" },
    count: { type: "string", default: "200" },
    big: { type: "string", default: "2000" },
    rest: { type: "string", default: "60" },
    only: { type: "string", default: contestants.map(({ name }) => name).join(",") },
  },
});
const number = (name: "runs" | "count" | "big" | "rest"): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1 on`);
  return value;
};
const load = { count: number("count"), big: number("big"), restSeconds: number("rest") };
if (load.big <= load.count) throw new Error("--big must be more than --count");
const wanted = values.only.split(",");
const unknown = wanted.filter((only) => !contestants.some(({ name }) => name === only));
if (unknown.length > 0) throw new Error(`no contestant is called ${unknown.join(" or ")}`);

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stop.abort(new Error(`ended by ${name}`)));
}

async function bench(): Promise<void> {
  const progress = createProgress();
  const commands = new Map<string, Command>();
  for (const contestant of contestants) {
    const { name, tool } = contestant;
    if (!wanted.includes(name)) continue;
    const program = findExecutable(tool);
    if (program === undefined) progress.note(`${name} takes no part: there is no ${tool} in PATH to build it`);
    else commands.set(name, await progress.stage(`build ${name}`, () => contestant.build(program, stop.signal)));
  }

  const runs = new Map<string, Figures[]>([...commands.keys()].map((name) => [name, []]));
  for (let run = 1; run <= number("runs"); run += 1) {
    for (const [name, command] of commands) {
      stop.signal.throwIfAborted();
      const title = `${name}, run ${run} of ${values.runs}`;
      runs.get(name)?.push(await progress.stage(title, () => measure(command, load, stop.signal)));
    }
  }
  console.log(formatTable({ runs, ratio: ["holdfast", "controller-runtime"] }));
}

try {
  await bench();
} catch (error) {
  if (!stop.signal.aborted) console.error(error);
  else console.error(String(stop.signal.reason));
  process.exitCode = 1;
}
