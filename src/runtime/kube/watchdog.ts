// Ends a connection that has gone silent: one whose other end is frozen gives no error, it just says nothing any more.
import type { Clock } from "../clock.ts";

export interface Watchdog {
  /** Aborted with an Error when it was silent for too long, or with the parent's reason. */
  readonly signal: AbortSignal;
  /** Something was heard. */
  hears(): void;
  /** From now on silence longer than this ends it; undefined: only the whole time counts. */
  expect(withinMs: number | undefined): void;
  /** To be called at the end: frees the timer and the parent's listener. */
  stop(): void;
}

/** @param wholeMs the connection is ended after this time in any case */
export function watchdog(clock: Clock, parent: AbortSignal, wholeMs: number): Watchdog {
  const controller = new AbortController();
  const endAt = clock.now() + wholeMs;
  let heardAt = clock.now();
  let silenceMs = Infinity;
  let cancel: (() => void) | undefined;

  // The timer is not moved for each frame: when it goes off, it looks how long it still has to wait.
  const wait = (): void => {
    cancel?.();
    const dueAt = Math.min(endAt, heardAt + silenceMs);
    cancel = clock.after(dueAt - clock.now(), () => {
      const now = clock.now();
      if (now < Math.min(endAt, heardAt + silenceMs)) return wait();
      const silentSeconds = Math.round((now - heardAt) / 1_000);
      controller.abort(new Error(`the connection had to be ended; nothing was heard for ${silentSeconds} s`));
    });
  };
  const onAbort = (): void => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  parent.addEventListener("abort", onAbort, { once: true });
  wait();

  return {
    signal: controller.signal,
    hears: () => void (heardAt = clock.now()),
    expect(withinMs = Infinity) {
      if (withinMs === silenceMs) return;
      silenceMs = withinMs;
      wait();
    },
    stop() {
      cancel?.();
      parent.removeEventListener("abort", onAbort);
    },
  };
}
