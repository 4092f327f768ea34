// Which faults meet which stories in a run: all, those that are asked for by name, or a sample that a seed repeats. Pure.
import { createRandom } from "./edits-random.ts";
import type { FaultKind } from "./fault-kinds.ts";
import type { Story } from "./stories.ts";

export interface Cell {
  readonly fault: FaultKind;
  readonly story: Story;
}

/** How many stories each fault meets where not all are told. */
const share = 1;

/**
 * @param asked "all", or words of which each is a fault, a story, or both: "reset 409×scale"; "": a sample
 * @throws Error when a word fits nothing
 */
export function chosenCells(
  asked: string,
  seed: number,
  faults: readonly FaultKind[],
  stories: readonly Story[],
): readonly Cell[] {
  const all = faults.flatMap((fault) => stories.map((story) => ({ fault, story })));
  const words = asked.split(/[\s,]+/).filter((word) => word !== "");
  if (words.includes("all")) return all;
  if (words.length > 0) {
    const unknown = words.filter((word) => !all.some((cell) => fits(word, cell)));
    if (unknown.length > 0) throw new Error(`neither a fault nor a story: ${unknown.join(", ")}`);
    return all.filter((cell) => words.some((word) => fits(word, cell)));
  }
  // What needs an API server of its own takes longer than the rest.
  const quick = faults.filter(({ endsApiServer }) => endsApiServer !== true);
  const random = createRandom(`faults ${seed}`);
  // Stories are dealt like cards, so that each is told about as often.
  const cards = random.some(
    Array.from({ length: Math.ceil((quick.length * share) / stories.length) }, () => stories).flat(),
    quick.length * share + stories.length,
  );
  return quick.flatMap((fault, index) =>
    [...new Set(cards.slice(index * share, (index + 1) * share))].map((story) => ({ fault, story })),
  );
}

function fits(word: string, { fault, story }: Cell): boolean {
  const [first, second] = word.split(/[×*]/);
  if (second !== undefined) return first === fault.name && second === story.name;
  return word === fault.name || word === story.name;
}
