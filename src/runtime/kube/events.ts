// Kubernetes Events: what happened to an object, for people. Written in the background, one after another; what repeats becomes
// a series, what floods is dropped. Nothing waits for it and nothing fails by it.
import { randomBytes } from "node:crypto";
import { type Backoff, backoffMs } from "../backoff.ts";
import { type Clock, sleep, systemClock } from "../clock.ts";
import { keepNewest } from "../keep-newest.ts";
import type { Log } from "../telemetry/log.ts";
import type { KubeClient } from "./client.ts";
import { ApiError, isAlreadyExists, isNotFound } from "./errors.ts";
import { microTime } from "./micro-time.ts";
import { defineKind, type KubeObject, type ObjectMeta } from "./object.ts";
import { createSpamLimit } from "./spam-limit.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** CamelCase, at most 128 characters; the same closed list as condition reasons. */
  readonly reason: string;
  /** What was being done, CamelCase, e.g. "Reconcile"; default: the reason. */
  readonly action?: string;
  /** For a person; cut at 1 kB. */
  readonly message: string;
}

/** Tells people what happened to an object. Never throws, never blocks: under load events are dropped. */
export interface EventRecorder {
  emit(regarding: KubeObject, note: EventNote): void;
}

export interface BackgroundEventRecorder extends EventRecorder {
  /** Resolves when all that was emitted has been written or given up. */
  flush(): Promise<void>;
  /** Takes no more, writes what is left for at most this long (default 5 s), and drops the rest. */
  close(withinMs?: number): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, "create" | "patch">;
  /** Who says it, e.g. "holdfast": a qualified name. */
  readonly component: string;
  /** Which of its processes, e.g. the Pod's name. */
  readonly instance: string;
  readonly log: Pick<Log, "debug">;
  readonly clock?: Clock;
}

/** An Event of events.k8s.io/v1. */
export interface KubeEvent extends KubeObject {
  eventTime: string;
  reportingController: string;
  reportingInstance: string;
  action: string;
  reason: string;
  regarding: {
    apiVersion: string;
    kind: string;
    name: string;
    namespace?: string | undefined;
    uid?: string | undefined;
    resourceVersion?: string | undefined;
  };
  note: string;
  type: "Normal" | "Warning";
  series?: { count: number; lastObservedTime: string };
  /** When it happened last, of those who still write Events as they were before this API. */
  deprecatedLastTimestamp?: string;
}

export const KubeEvent = defineKind<KubeEvent>({
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
});

/** The same note about the same object, over and over. */
interface Series {
  readonly regarding: KubeEvent["regarding"];
  readonly note: EventNote;
  readonly since: Date;
  count: number;
  lastAt: number;
  lastDate: Date;
  /** Where it was written; undefined: nowhere yet. */
  written: ObjectMeta | undefined;
  waits: boolean;
}

/** A note that comes again after this time is news (client-go's eventseries.go). */
const seriesEndsMs = 6 * 60_000;
const maxSeries = 1_024;
const maxWaiting = 1_000;
const maxTries = 5;
const writeBackoff: Backoff = { initialMs: 1_000, maxMs: 10_000, factor: 2, jitter: 0.2 };

export function createEventRecorder(options: EventRecorderOptions): BackgroundEventRecorder {
  const { client, component, instance, log, clock = systemClock } = options;
  // client-go's limits for one source and object (tools/record/events_cache.go).
  const limit = createSpamLimit({ clock, burst: 25, refillEveryMs: 300_000, maxKeys: 4_096 });
  const known = new Map<string, Series>();
  const waiting: Series[] = [];
  const stopped = new AbortController();
  let closed = false;
  let writing: Promise<void> | undefined;

  const seriesOf = (regarding: KubeObject, note: EventNote): Series => {
    const { uid, namespace, name } = regarding.metadata;
    const about = [uid, regarding.kind, namespace, name, note.type, note.reason, note.action, note.message];
    const key = JSON.stringify(about);
    const now = clock.now();
    const date = clock.date();
    let series = known.get(key);
    known.delete(key);
    if (series === undefined || now - series.lastAt > seriesEndsMs) {
      series = {
        regarding: referenceTo(regarding),
        note,
        since: date,
        count: 0,
        lastAt: now,
        lastDate: date,
        written: undefined,
        waits: false,
      };
    }
    series.count += 1;
    series.lastAt = now;
    series.lastDate = date;
    known.set(key, series);
    keepNewest(known, maxSeries);
    return series;
  };

  const write = async (series: Series): Promise<void> => {
    const told = { count: series.count, lastObservedTime: microTime(series.lastDate) };
    if (series.written !== undefined) {
      try {
        await client.patch(KubeEvent, series.written, [{ op: "add", path: "/series", value: told }], {
          signal: stopped.signal,
        });
        return;
      } catch (error) {
        // Events live for an hour by default: the first of the series is gone.
        if (!isNotFound(error)) throw error;
      }
    }
    const event = eventOf(series, { component, instance });
    // The API counts a series from two.
    await client.create(KubeEvent, told.count > 1 ? { ...event, series: told } : event, { signal: stopped.signal });
    series.written = event.metadata;
  };

  const tryToWrite = async (series: Series): Promise<void> => {
    for (let tries = 0; !stopped.signal.aborted; tries += 1) {
      try {
        return await write(series);
      } catch (error) {
        if (isAlreadyExists(error)) return;
        if (tries + 1 >= maxTries || !isPassing(error)) {
          log.debug({ err: error, reason: series.note.reason }, "an event was given up");
          return;
        }
        const delayMs = Math.max(backoffMs(tries, writeBackoff, Math.random()), (error as ApiError).retryAfterMs ?? 0);
        await sleep(clock, delayMs, stopped.signal);
      }
    }
  };

  const writeAll = async (): Promise<void> => {
    for (let series = waiting.shift(); series !== undefined; series = waiting.shift()) {
      series.waits = false;
      await tryToWrite(series);
    }
    writing = undefined;
  };

  const flush = (): Promise<void> => writing ?? Promise.resolve();

  return {
    emit(regarding, note) {
      if (closed) return;
      const series = seriesOf(regarding, note);
      if (series.waits || waiting.length >= maxWaiting) return;
      if (!limit.allows(regarding.metadata.uid ?? `${regarding.metadata.namespace}/${regarding.metadata.name}`)) return;
      series.waits = true;
      waiting.push(series);
      writing ??= Promise.resolve().then(writeAll);
    },
    flush,
    async close(withinMs = 5_000) {
      closed = true;
      const cancel = clock.after(withinMs, () => stopped.abort(new Error("the event recorder was closed")));
      await flush();
      cancel();
    },
  };
}

/** Whether the same write may succeed later. */
function isPassing(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

function eventOf({ regarding, note, since }: Series, who: { component: string; instance: string }): KubeEvent {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    // Events about cluster-scoped objects live in `default` (validation in pkg/apis/core/validation/events.go).
    metadata: { name: eventName(regarding.name), namespace: regarding.namespace ?? "default" },
    eventTime: microTime(since),
    reportingController: who.component,
    reportingInstance: who.instance.slice(0, 128),
    action: (note.action ?? note.reason).slice(0, 128),
    reason: note.reason.slice(0, 128),
    regarding,
    note: cutBytes(note.message, 1_024),
    type: note.type,
  };
}

function referenceTo({ apiVersion, kind, metadata }: KubeObject): KubeEvent["regarding"] {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion, kind, name, namespace, uid, resourceVersion };
}

function eventName(name: string): string {
  const stem = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, "-")
    .slice(0, 200)
    .replace(/[^a-z0-9]+$/, "");
  return `${stem}.${randomBytes(8).toString("hex")}`;
}

/** At most so many bytes of UTF-8, no character cut in two. */
function cutBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes - Buffer.byteLength("…");
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString("utf8", 0, end)}…`;
}
