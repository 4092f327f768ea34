// What documents point to must exist: npm commands, files, headings.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const documents = globSync(["*.md", "docs/**/*.md", "examples/**/*.md"], { cwd: root });
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

/** The anchor that GitHub gives to a heading. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

function anchors(file: string): string[] {
  const prose = read(file).replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ""));
}

/** Targets of links and images, without those to other sites. */
function links(file: string): string[] {
  const targets = [...read(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

describe.each(documents)("%s", (file) => {
  test("names only npm commands that exist", () => {
    const named = [...read(file).matchAll(/\bnpm (?:run ([\w:-]+)|(test)\b)/g)].map(
      ([, run, plain]) => run ?? plain ?? "",
    );
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test("links only to what exists", () => {
    const broken = links(file).filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? file : join(dirname(file), path);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && target.endsWith(".md") && !anchors(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test("names only files of the repository that exist", () => {
    const named = [
      ...read(file).matchAll(/(?<![\w./-])(?:src|test|hack|docs|crds|charts|examples|images|\.ci)\/[\w./-]*\w/g),
    ];
    expect(named.map(([path]) => path).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

test("the README says what each npm command does, and there are at most eight", () => {
  const rows = read("README.md")
    .split("\n")
    .filter((line) => line.startsWith("| `npm "));
  const described = rows.map((row) => /^\| `npm (?:run )?([\w:-]+)/.exec(row)?.[1] ?? row);
  expect(described.toSorted()).toEqual(Object.keys(scripts).toSorted());
  expect(described.length).toBeLessThanOrEqual(8);
});

test("every script that a command runs exists", () => {
  const files = Object.values(scripts).flatMap((script) => script.match(/[\w/.-]+\.ts\b/g) ?? []);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
