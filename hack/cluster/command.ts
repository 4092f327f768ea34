// Runs a program to its end: its output on success, an error that shows what it last said on failure.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Its newest line of output, every five seconds at most: for showing how far a long command is. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Its stdout. @throws Error with the last lines of both outputs when it does not exit with 0. */
export async function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const timeout = options.timeoutMs === undefined ? [] : [AbortSignal.timeout(options.timeoutMs)];
  const signal = AbortSignal.any([...timeout, ...(options.signal === undefined ? [] : [options.signal])]);
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let shownAt = performance.now();
  const tail: string[] = [];
  const remember = (text: string): void => {
    for (const line of text.split("\n").filter((line) => line.trim() !== "")) {
      if (performance.now() - shownAt > 5000) {
        options.onLine?.(line.trim());
        shownAt = performance.now();
      }
      tail.push(line);
      if (tail.length > 20) tail.shift();
    }
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    remember(text);
  });
  child.stderr.setEncoding("utf8").on("data", remember);
  child.stdin.on("error", () => undefined); // it may exit without reading: its exit code tells
  child.stdin.end(options.input ?? "");
  const name = `${basename(program)} ${args.slice(0, 4).join(" ")}`;
  const [code, killedBy] = await once(child, "close").catch((cause: unknown) => {
    throw new Error(`${name} could not be run or took too long\n${tail.join("\n")}`, { cause });
  });
  if (code !== 0) throw new Error(`${name} failed with ${code ?? killedBy}\n${tail.join("\n")}`);
  return stdout;
}

/** Its stdout, or undefined when it fails for whatever reason: for questions where "no" is an answer. */
export async function ask(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string | undefined> {
  return run(program, args, { timeoutMs: 20_000, ...options }).catch(() => undefined);
}
