// Shows a person, on a terminal or in a CI log, what is being done, since when, and what it took. Knows nothing of clusters.
import { AsyncLocalStorage } from "node:async_hooks";

/** One running stage, as its work sees it. */
export interface Stage {
  /** Says what the stage is at ("waiting for etcd"): shown on the live line; in a log only if the stage was silent for a while. */
  update(detail: string): void;
}

/** What a finished stage took. `depth` is 0 for an outermost stage. */
export interface StageTiming {
  readonly title: string;
  readonly depth: number;
  readonly seconds: number;
  readonly failed: boolean;
}

export interface Progress {
  /** Runs `work` as a stage with its elapsed time shown; stages may nest and may run side by side. Rethrows what `work` throws. */
  stage<T>(title: string, work: (stage: Stage) => Promise<T>): Promise<T>;
  /** One line, at once. */
  note(text: string): void;
  /** The finished stages in the order of their end. */
  readonly timings: readonly StageTiming[];
}

export interface ProgressOptions {
  /** Where lines go; default stderr. */
  readonly output?: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  /** One live line that is redrawn, instead of heartbeats. Default: the output is a terminal and CI is not set. */
  readonly interactive?: boolean;
  /** In a log, a stage that lasts says so after 2 s and then at this interval. Default 15 s. */
  readonly heartbeatSeconds?: number;
}

interface RunningStage {
  readonly title: string;
  readonly depth: number;
  readonly startedMs: number;
  detail: string | undefined;
  lastLineMs: number;
  /** How many stages run inside: they speak for it. */
  children: number;
}

/** Stages that take less leave one line in a log. */
const silentMs = 2000;
const redrawMs = 200;

export function createProgress(options: ProgressOptions = {}): Progress {
  const output = options.output ?? process.stderr;
  const interactive = options.interactive ?? (output.isTTY === true && process.env["CI"] === undefined);
  const heartbeatSeconds = options.heartbeatSeconds ?? 15;
  const running: RunningStage[] = [];
  const timings: StageTiming[] = [];
  // Which stage a nested one belongs to, also when stages run side by side.
  const current = new AsyncLocalStorage<RunningStage>();

  const clearLive = (): void => void (interactive && running.length > 0 && output.write("\r\x1b[K"));
  const drawLive = (): void => {
    const stage = running.at(-1);
    if (interactive && stage !== undefined) {
      output.write(`\r\x1b[K${describe(stage, "…").slice(0, (output.columns ?? 80) - 1)}`);
    }
  };
  const line = (text: string): void => {
    clearLive();
    output.write(`${text}\n`);
    drawLive();
  };

  const beat = (stage: RunningStage): void => {
    if (stage.children > 0) return;
    stage.lastLineMs = performance.now();
    line(describe(stage, "…"));
  };

  return {
    timings,
    note(text) {
      const stage = current.getStore();
      line(`${indent(stage === undefined ? 0 : stage.depth + 1)}· ${text}`);
    },
    async stage(title, work) {
      const parent = current.getStore();
      const startedMs = performance.now();
      const depth = parent === undefined ? 0 : parent.depth + 1;
      const stage: RunningStage = { title, depth, startedMs, detail: undefined, lastLineMs: startedMs, children: 0 };
      if (parent !== undefined) parent.children++;
      running.push(stage);
      drawLive();
      const stopBeating = interactive
        ? every(redrawMs, redrawMs, drawLive)
        : every(silentMs, heartbeatSeconds * 1000, () => beat(stage));
      let failed = true;
      try {
        const result = await current.run(stage, () =>
          work({
            update(detail) {
              if (detail === stage.detail) return;
              stage.detail = detail;
              if (interactive) drawLive();
              else if (performance.now() - stage.lastLineMs >= silentMs) beat(stage);
            },
          }),
        );
        failed = false;
        return result;
      } finally {
        stopBeating();
        clearLive();
        running.splice(running.indexOf(stage), 1);
        if (parent !== undefined) parent.children--;
        stage.detail = undefined;
        line(describe(stage, failed ? "✗" : "✓"));
        timings.push({ title, depth, seconds: elapsedSeconds(stage), failed });
      }
    },
  };
}

/** Shows nothing, keeps the timings. */
export function createSilentProgress(): Progress {
  return createProgress({ output: { write: () => true }, interactive: true });
}

/** The outermost stages and their seconds as lines of a table, with the sum. */
export function formatTimings(timings: readonly StageTiming[]): string {
  const rows = timings.filter((timing) => timing.depth === 0);
  const total = { title: "all together", seconds: rows.reduce((sum, row) => sum + row.seconds, 0) };
  const width = Math.max(...[...rows, total].map((row) => row.title.length));
  return [...rows, total]
    .map((row) => `${row.title.padEnd(width)}  ${row.seconds.toFixed(1).padStart(7)} s`)
    .join("\n");
}

function describe(stage: RunningStage, mark: string): string {
  const detail = stage.detail === undefined ? "" : `: ${stage.detail}`;
  return `${indent(stage.depth)}${mark} ${stage.title}${detail} (${elapsedSeconds(stage).toFixed(1)} s)`;
}

function indent(depth: number): string {
  return "  ".repeat(depth);
}

function elapsedSeconds(stage: RunningStage): number {
  return (performance.now() - stage.startedMs) / 1000;
}

/** Calls `beat` after the first delay and then at the interval. Timers never keep the process alive. */
function every(firstMs: number, intervalMs: number, beat: () => void): () => void {
  let timer = setTimeout(function again() {
    beat();
    timer = setTimeout(again, intervalMs).unref();
  }, firstMs).unref();
  return () => clearTimeout(timer);
}
