// Structured logs (pino) to stdout. Never pass whole objects: Secrets are objects too.
import { pino, type Logger } from "pino";

export type Log = Logger;

export function createLog(options: { level: string; name: string }): Log {
  return pino({
    name: options.name,
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
