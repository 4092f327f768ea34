// How long things took: of a reason until a condition says it, and from its remedy until the Database is Ready.
export interface Timed<T> {
  readonly value: T;
  /** With one decimal. */
  readonly seconds: string;
}

/** What `act` answers, and how many seconds it took. */
export async function timed<T>(act: () => Promise<T>): Promise<Timed<T>> {
  const start = performance.now();
  const value = await act();
  return { value, seconds: ((performance.now() - start) / 1000).toFixed(1) };
}

/** One line of the log for a table of reasons. `because` is how it was brought about. */
export function printSeconds(reason: string, because: string, told: Timed<unknown>, mended: Timed<unknown>): void {
  console.log(`${reason} (${because}): said after ${told.seconds} s, Ready ${mended.seconds} s after the remedy`);
}
