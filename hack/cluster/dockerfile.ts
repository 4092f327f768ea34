// Reads the few Dockerfile instructions that our images use, so that one file describes an image to Docker and to image.ts. Pure.
import type { ImageConfig } from "./oci-archive.ts";

export type BuildStep =
  | { readonly do: "copy"; readonly from?: string; readonly sources: readonly string[]; readonly target: string }
  | { readonly do: "run"; readonly command: string };

export interface ImageRecipe {
  /** The image of the last FROM: "debian:trixie-slim". Earlier stages are places that COPY --from names. */
  readonly base: string;
  readonly steps: readonly BuildStep[];
  readonly config: ImageConfig;
}

/** @throws Error naming the line that uses an instruction or form which only an engine understands. */
export function parseDockerfile(text: string): ImageRecipe {
  let base = "";
  let steps: BuildStep[] = [];
  let config: Record<string, unknown> = {};
  for (const line of logicalLines(text)) {
    const [, instruction = "", rest = ""] = /^(\S+)\s+(.*)$/s.exec(line) ?? [];
    switch (instruction.toUpperCase()) {
      case "FROM":
        base = rest.split(/\s+/)[0] ?? "";
        steps = [];
        config = {};
        break;
      case "COPY":
        steps.push(copyStep(rest, line));
        break;
      case "RUN":
        steps.push({ do: "run", command: rest });
        break;
      case "ENV": {
        if (!/^\w+=\S*$/.test(rest)) throw new Error(`Only "ENV NAME=value" is understood here: ${line}`);
        config["Env"] = [...((config["Env"] as string[] | undefined) ?? []), rest];
        break;
      }
      case "USER":
        config["User"] = rest;
        break;
      case "WORKDIR":
        config["WorkingDir"] = rest;
        break;
      case "ENTRYPOINT":
        config["Entrypoint"] = execForm(rest, line);
        break;
      case "CMD":
        config["Cmd"] = execForm(rest, line);
        break;
      default:
        throw new Error(`This Dockerfile instruction is not understood without a container engine: ${line}`);
    }
  }
  if (base === "") throw new Error("The Dockerfile has no FROM");
  return { base, steps, config };
}

function logicalLines(text: string): string[] {
  return text
    .replaceAll(/^\s*#.*\n?/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function copyStep(rest: string, line: string): BuildStep {
  const words = rest.split(/\s+/);
  const flags = words.filter((word) => word.startsWith("--"));
  const paths = words.filter((word) => !word.startsWith("--"));
  const target = paths.pop();
  const from = flags.find((flag) => flag.startsWith("--from="))?.slice("--from=".length);
  if (target === undefined || paths.length === 0 || flags.length > (from === undefined ? 0 : 1)) {
    throw new Error(`Only "COPY [--from=stage] source… target" is understood here: ${line}`);
  }
  return { do: "copy", ...(from === undefined ? {} : { from }), sources: paths, target };
}

function execForm(rest: string, line: string): string[] {
  if (!rest.startsWith("[")) throw new Error(`Only the form ["program", "argument"] is understood here: ${line}`);
  return JSON.parse(rest) as string[];
}
