// A memory that must not grow for ever.

/** Drops what was put in first until no more than `most` are left. Whoever wants it by last use takes out and puts in again. */
export function keepNewest<K>(
  remembered: { readonly size: number; keys(): Iterable<K>; delete(key: K): boolean },
  most: number,
): void {
  if (remembered.size <= most) return;
  for (const oldest of remembered.keys()) {
    remembered.delete(oldest);
    if (remembered.size <= most) return;
  }
}
