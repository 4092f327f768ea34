// The examples of docs/runtime as files: each fenced block names one behind its language, as in "```ts controller.ts".
import { globSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

const folder = join(import.meta.dirname, "../../docs/runtime");

/** Without the index, and the table of rules. */
export const guidePages: readonly string[] = globSync("*.md", { cwd: folder })
  .map((file) => basename(file, ".md"))
  .filter((page) => page !== "README" && page !== "rules")
  .toSorted();

export interface Block {
  readonly language: string;
  /** Empty: it names none. */
  readonly file: string;
  readonly text: string;
}

export async function blocksOf(page: string): Promise<readonly Block[]> {
  const text = await readFile(join(folder, `${page}.md`), "utf8");
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", file = "", body = ""]) => ({
      language,
      file,
      text: body,
    }),
  );
}

/** Blocks of one name are one file, in their order. */
function filesOf(blocks: readonly Block[]): ReadonlyMap<string, string> {
  const named = Map.groupBy(blocks, ({ file }) => file);
  return new Map([...named].map(([file, parts]) => [file, parts.map(({ text }) => text).join("\n")]));
}

/**
 * Writes each page's files into a folder of its own. What a page does not bring itself it has from the first one, as its reader
 * has; the compiler's settings stand once for all.
 */
export async function writeGuide(into: string): Promise<void> {
  const first = await blocksOf("getting-started");
  for (const page of guidePages) {
    const own = await blocksOf(page);
    const files = new Map([...filesOf(first), ...filesOf(own)]);
    await mkdir(join(into, page), { recursive: true });
    for (const [file, text] of files) {
      if (file === "") continue;
      await writeFile(file === "tsconfig.json" ? join(into, file) : join(into, page, file), text);
    }
  }
}
