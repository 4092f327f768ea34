// Chance that can be repeated: the same words, the same numbers.

export interface Random {
  /** A whole number from 1 to `most`. */
  readonly upTo: (most: number) => number;
  /** So many of the items, each at most once, in no order. */
  readonly some: <T>(items: readonly T[], count: number) => readonly T[];
}

/** mulberry32 of a hash of the text: https://github.com/cprosche/mulberry32 */
export function createRandom(text: string): Random {
  let state = 0x811c9dc5;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0)!, 0x01000193);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    upTo: (most) => 1 + Math.floor(next() * most),
    some: (items, count) => {
      const drawn = items.map((item) => ({ item, order: next() })).toSorted((a, b) => a.order - b.order);
      return drawn.slice(0, count).map(({ item }) => item);
    },
  };
}
