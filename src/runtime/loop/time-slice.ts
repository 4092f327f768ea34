// How long passes may follow each other before everything else gets its turn. A pass that finds all it needs in memory waits for
// nothing, so thousands of them would run without a break, and meanwhile no lease is renewed and no probe is answered.

const sliceMs = 10;

interface Slice {
  readonly startedAt: number;
  readonly ended: Promise<void>;
}

/** There is one for all controllers, as there is one event loop. */
let slice: Slice | undefined;

/** To be awaited between two passes, where there is something to wait for: passes have gone on for a whole slice of time. */
export function othersTurn(): Promise<void> | undefined {
  slice ??= begin();
  return performance.now() - slice.startedAt < sliceMs ? undefined : slice.ended;
}

/** It ends by itself where the passes have ended or wait before: then the event loop has turned. */
function begin(): Slice {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(() => {
    slice = undefined;
    resolve();
  });
  return { startedAt: performance.now(), ended: promise };
}
