// The chart's values as Markdown, from values.yaml: the comment above a value is its meaning. Pure.

interface Value {
  /** "image.tag" */
  readonly path: string;
  /** As it is written. */
  readonly preset: string;
  readonly meaning: string;
}

/**
 * Every value that has one of its own, in their order. It reads what this chart writes: two spaces a level, each default on
 * its line.
 * @throws Error that names a value without a comment, or a line of another form
 */
export function chartValues(text: string): readonly Value[] {
  const values: Value[] = [];
  const parents: string[] = [];
  let comment: string[] = [];
  for (const line of text.split("\n")) {
    const match = /^( *)(?:# ?(.*)|([A-Za-z]+):(?: (.*))?)?$/.exec(line);
    if (match === null) throw new Error(`no comment and no value: ${line}`);
    const [, indent = "", remark, key, rest] = match;
    if (remark !== undefined) {
      comment.push(remark);
      continue;
    }
    if (key !== undefined) {
      parents.length = indent.length / 2;
      parents.push(key);
      const path = parents.join(".");
      if (rest !== undefined) {
        if (comment.length === 0) throw new Error(`${path} has no comment`);
        values.push({ path, preset: rest, meaning: comment.join(" ") });
      }
    }
    comment = [];
  }
  return values;
}

/** A page with a table of them all. */
export function valuesReference(text: string, source: string): string {
  const rows = chartValues(text).map(
    ({ path, preset, meaning }) => `| \`${path}\` | \`${preset}\` | ${meaning.replaceAll("|", "\\|")} |`,
  );
  return [
    `<!-- Generated from ${source} by hack/generate.ts: do not edit. -->`,
    "",
    "# Values of the chart",
    "",
    "Values that are not here are refused, as are those of another form: `charts/holdfast/values.schema.json` says which.",
    "",
    "    helm show values charts/holdfast",
    "    helm upgrade --install holdfast charts/holdfast --namespace holdfast-system --create-namespace --values my-values.yaml",
    "",
    "| value | default | |",
    "| - | - | - |",
    ...rows,
    "",
  ].join("\n");
}
