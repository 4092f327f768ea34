// Figures of several runs as a table: the median of each contestant, and ours against theirs. Pure.

/** Of one run of one contestant: a name with its unit → the figure, in the order of the table. The first contestant has all that any has. */
export type Figures = Readonly<Record<string, number>>;

export interface Results {
  /** A contestant's name → its runs, in their order. */
  readonly runs: ReadonlyMap<string, readonly Figures[]>;
  /** Two names: the last column divides each run of the first by the same run of the second, where both took part. */
  readonly ratio: readonly [ours: string, theirs: string];
}

export function formatTable({ runs, ratio: [ours, theirs] }: Results): string {
  const names = [...runs.keys()];
  const compared = runs.has(ours) && runs.has(theirs);
  const rows = Object.keys([...runs.values()][0]?.[0] ?? {}).map((figure) => {
    const each = (name: string): number[] => (runs.get(name) ?? []).map((figures) => figures[figure] ?? Number.NaN);
    const ratios = each(ours).map((value, run) => value / (each(theirs)[run] ?? Number.NaN));
    // Of nothing and nothing there is no ratio.
    const ratio = Number.isFinite(median(ratios)) ? `${median(ratios).toFixed(2)} ×` : "–";
    return [figure, ...names.map((name) => withSpread(each(name))), ...(compared ? [ratio] : [])];
  });
  const header = ["figure", ...names, ...(compared ? [`${ours} ÷ ${theirs}`] : [])];
  return [header, header.map(() => "-"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function withSpread(values: readonly number[]): string {
  if (values.some(Number.isNaN)) return "–"; // it does not tell
  if (values.length < 2) return short(median(values));
  return `${short(median(values))} [${short(Math.min(...values))}–${short(Math.max(...values))}]`;
}

function short(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that the share of them does not exceed. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
