// A program that sends one span and ends: to be bundled, as the operator is.
import { createLog, startTraceExport } from "../../src/runtime/index.ts";

const traces = await startTraceExport({ name: "traced", log: createLog({ level: "warn", name: "traced" }) });
traces.tracer.startSpan("reconcile orders").end();
await traces.close();
