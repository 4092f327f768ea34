// Spans: one for each pass, one for each call that it makes. Without a tracer nothing of this is loaded or run.
// Knows nothing of what it traces; OpenTelemetry's SDK is for whoever makes the tracer (otlp.ts is one way).
import type { Attributes, Span, Tracer } from "@opentelemetry/api";

export type { Attributes, Tracer };

export interface Tracing {
  /** Begins a trace: a pass has no parent, since what woke it may be many things. */
  readonly pass: (name: string, attributes: Attributes) => PassSpan;
}

/** A span that is open. To be ended once. */
export interface OpenSpan {
  readonly end: (attributes?: Attributes) => void;
  /** Ends it as a failure. */
  readonly fail: (error: unknown, attributes?: Attributes) => void;
}

export interface PassSpan extends OpenSpan {
  /** For log lines: https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/ */
  readonly logFields: { readonly trace_id: string; readonly span_id: string };
  /** Runs something with this span as the active one, so that spans of others (a driver's) become its children. */
  readonly run: <R>(work: () => R) => R;
  /** A child, for a call to a server. */
  readonly call: (name: string, attributes: Attributes) => OpenSpan;
}

/** Loads `@opentelemetry/api`, which takes 7 ms and 3 MB: only who traces pays for it. */
export async function createTracing(tracer: Tracer): Promise<Tracing> {
  const { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = await import("@opentelemetry/api");

  const open = (span: Span): OpenSpan => ({
    end(attributes = {}) {
      span.setAttributes(attributes).end();
    },
    fail(error, attributes = {}) {
      const message = error instanceof Error ? error.message : String(error);
      span.recordException(error instanceof Error ? error : message);
      span.setAttributes(attributes).setStatus({ code: SpanStatusCode.ERROR, message }).end();
    },
  });

  return {
    pass(name, attributes) {
      const span = tracer.startSpan(name, { attributes }, ROOT_CONTEXT);
      const within = trace.setSpan(ROOT_CONTEXT, span);
      const { traceId, spanId } = span.spanContext();
      return {
        ...open(span),
        logFields: { trace_id: traceId, span_id: spanId },
        run: (work) => context.with(within, work),
        call: (child, given) => open(tracer.startSpan(child, { kind: SpanKind.CLIENT, attributes: given }, within)),
      };
    },
  };
}
