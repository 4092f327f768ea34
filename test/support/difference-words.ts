// Two values in words, so short that a line of a failure holds them: of long ones what stands around the place where they differ. Pure.

/** @param most letters of each; what is undefined is called absent */
export function whereTheyDiffer(one: unknown, other: unknown, most = 200): readonly [string, string] {
  const [a, b] = [wordsOf(one), wordsOf(other)];
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same += 1;
  const longest = Math.max(a.length, b.length);
  // Some of what is the same stands in front, for people to see where they are.
  const from = Math.max(0, Math.min(same - Math.round(most / 4), longest - most));
  const part = (text: string): string =>
    `${from > 0 ? "…" : ""}${text.slice(from, from + most)}${text.length > from + most ? "…" : ""}`;
  return [part(a), part(b)];
}

const wordsOf = (value: unknown): string => (value === undefined ? "absent" : JSON.stringify(value));
