// Spans in memory, made by OpenTelemetry's own SDK: what a tracer of a user's would be told.
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { createTracing, type Tracer, type Tracing } from "../../src/runtime/telemetry/trace.ts";

export interface Spans {
  readonly tracer: Tracer;
  readonly tracing: Tracing;
  /** Those that have ended, in the order in which they did. */
  readonly ended: () => readonly ReadableSpan[];
}

export async function recordSpans(): Promise<Spans> {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const tracer = provider.getTracer("test");
  return { tracer, tracing: await createTracing(tracer), ended: () => exporter.getFinishedSpans() };
}
