// Where spans go: OpenTelemetry's SDK, loaded on demand, since most processes trace nothing.
import type { TraceExport, TraceExportOptions } from "./otlp.ts";

export type { TraceExport, TraceExportOptions };

/** What must be installed; package.json says which versions fit. */
const packages = [
  "@opentelemetry/context-async-hooks",
  "@opentelemetry/exporter-trace-otlp-proto",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace",
];

/**
 * Sends spans over OTLP/HTTP to where OTEL_EXPORTER_OTLP_ENDPOINT says. One a process: the active span is a global of OpenTelemetry's,
 * as its own log is. Where the application has set these up already they are left to it, and what the SDK says goes to that log.
 * @throws Error which says what to install, where the SDK is not there.
 */
export async function startTraceExport(options: TraceExportOptions): Promise<TraceExport> {
  try {
    const { startOtlp } = await import("./otlp.ts");
    return startOtlp(options);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new Error(`tracing needs OpenTelemetry's SDK: npm install ${packages.join(" ")}`, { cause });
  }
}
