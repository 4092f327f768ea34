// OpenTelemetry's SDK, sending over OTLP/HTTP. Loaded by trace-export.ts alone, and only when traces are asked for.
// Where to, as whom and with which headers the SDK reads from the environment itself (OTEL_EXPORTER_OTLP_…, OTEL_SERVICE_NAME).
import { context, diag, DiagLogLevel, type DiagLogger } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  detectResources,
  defaultResource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import { BatchSpanProcessor, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Log } from "./log.ts";
import type { Tracer } from "./trace.ts";

export interface TraceExportOptions {
  /** The service's name, unless OTEL_SERVICE_NAME says another. */
  readonly name: string;
  /** Which part of the traces is kept: 0 to 1. Default 1. */
  readonly ratio?: number;
  /** Told when spans cannot be sent. */
  readonly log: Log;
}

export interface TraceExport {
  readonly tracer: Tracer;
  /** Sends what is left. Never rejects: what cannot be sent is lost, and logged. */
  close(): Promise<void>;
}

export function startOtlp({ name, ratio = 1, log }: TraceExportOptions): TraceExport {
  // What the application has set up stays its own: it is used here, and neither replaced nor disabled.
  const ours = {
    context:
      !isRegistered("context") && context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()),
    diag: !isRegistered("diag") && diag.setLogger(intoLog(log), DiagLogLevel.WARN),
  };
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": name }))
    .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
  const provider = new TracerProvider({
    resource,
    sampler: new TraceIdRatioBasedSampler(ratio),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  return {
    tracer: provider.getTracer("holdfast/runtime"),
    async close() {
      await provider.shutdown().catch((error: unknown) => log.warn({ err: error }, "tracing: the last spans are lost"));
      if (ours.context) context.disable();
      if (ours.diag) diag.disable();
    },
  };
}

/**
 * The API cannot be asked, and setting a logger replaces the one before for good; its copies in one process meet at this symbol.
 * https://github.com/open-telemetry/opentelemetry-js/blob/main/api/src/internal/global-utils.ts
 */
function isRegistered(what: "context" | "diag"): boolean {
  const api = (globalThis as Record<symbol, Readonly<Record<string, unknown>> | undefined>)[
    Symbol.for("opentelemetry.js.api.1")
  ];
  return api?.[what] !== undefined;
}

/** What the SDK says of itself: above all that its spans reach nobody. */
function intoLog(log: TraceExportOptions["log"]): DiagLogger {
  const tell =
    (level: "warn" | "error") =>
    (message: string, ...details: unknown[]): void =>
      log[level]({ details: details.map(String) }, `tracing: ${message}`);
  const drop = (): void => undefined;
  // Spans that are lost are no failure of the operator's.
  return { error: tell("warn"), warn: tell("warn"), info: drop, debug: drop, verbose: drop };
}
