// Flags and environment → one frozen Settings. The only reader of process.env; it knows nothing of the other files.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { parseArgs } from "node:util";

/** How to reach the API server. */
export interface ClusterSettings {
  /** Asked for by flags. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** What else says where the API server is. */
  readonly environment: Environment;
}

export interface LeaderElectionSettings {
  /** Where the Lease lives. */
  readonly namespace: string;
  readonly leaseName: string;
  /** Names this process in the Lease; unique for each start. */
  readonly identity: string;
}

/** Everything that can be set from outside. Frozen, made once, handed on by main.ts. */
export interface Settings {
  readonly cluster: ClusterSettings;
  /** The namespaces to watch; none means all of them. */
  readonly namespaces: readonly string[];
  /** false: no Lease; then there must be no second operator. */
  readonly leaderElection: LeaderElectionSettings | false;
  /** Where /healthz, /readyz and /metrics are served; 0 takes any free port. */
  readonly port: number;
  readonly logLevel: string;
  /** Which part of the reconciles is traced, where OpenTelemetry's variables ask for traces; false: none. */
  readonly tracing: { readonly ratio: number } | false;
  /** PostgreSQL major version → image, before the catalogue's own. */
  readonly images: Readonly<Record<string, string>>;
  /** The ClusterRole that each Database's RoleBinding refers to; the operator may bind this one alone. */
  readonly instanceClusterRole: string;
  /** About how often what cannot be watched (roles in PostgreSQL, Patroni's configuration) is looked at again. */
  readonly resyncEveryMs: number;
  /** How many Databases are reconciled side by side. */
  readonly concurrency: number;
}

/** A flag or variable that cannot be used; the message names it and says what would be right. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

interface Option {
  readonly help: string;
  /** What `--help` prints as its value. */
  readonly value: string;
  readonly default: string;
  /** May be given several times; the values are joined by commas. */
  readonly multiple?: boolean;
}

const options = {
  kubeconfig: {
    value: "file",
    default: "",
    help: "kubeconfig to use instead of the Pod's ServiceAccount ($KUBECONFIG)",
  },
  context: { value: "name", default: "", help: "context of the kubeconfig; its current one if not given" },
  namespace: {
    value: "name",
    default: "",
    multiple: true,
    help: "namespace to watch, may be repeated; all if not given",
  },
  "leader-election": { value: "true|false", default: "true", help: "let one of several operators act at a time" },
  "leader-election-namespace": { value: "name", default: "default", help: "namespace of the Lease" },
  "leader-election-name": { value: "name", default: "holdfast", help: "name of the Lease" },
  "leader-election-identity": {
    value: "name",
    default: "",
    help: "name of this process in the Lease; made up if not given",
  },
  port: { value: "number", default: "8081", help: "port of /healthz, /readyz and /metrics; 0 takes a free one" },
  "log-level": { value: "level", default: "info", help: "trace, debug, info, warn, error, fatal or silent" },
  image: {
    value: "major=image",
    default: "",
    multiple: true,
    help: "image for a PostgreSQL major version, may be repeated",
  },
  "instance-cluster-role": {
    value: "name",
    default: "holdfast-instance",
    help: "ClusterRole of the PostgreSQL instances",
  },
  "resync-interval": { value: "duration", default: "10m", help: "how often to look at what cannot be watched" },
  concurrency: { value: "number", default: "4", help: "Databases reconciled side by side" },
} as const satisfies Record<string, Option>;

type Flag = keyof typeof options;
type Environment = Readonly<Record<string, string | undefined>>;

const clusterVariables = ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOME"];
const flags = Object.keys(options) as Flag[];
const parserOptions = Object.fromEntries(flags.map((flag) => [flag, { type: "string", multiple: true } as const]));
const variableOf = (flag: Flag): string => `HOLDFAST_${flag.toUpperCase().replaceAll("-", "_")}`;

/**
 * Flags win over environment variables, which win over defaults; an empty variable counts as absent.
 * @returns "help" when --help was asked for.
 * @throws SettingsError
 */
export function readSettings(
  args: readonly string[] = process.argv.slice(2),
  environment: Environment = process.env,
): Settings | "help" {
  const given = parseFlags(args);
  if (given === "help") return "help";

  const read = <T>(flag: Flag, parse: (text: string) => T | undefined, expected: string): T => {
    const text = given[flag] ?? (environment[variableOf(flag)] || options[flag].default);
    const value = parse(text);
    if (value !== undefined) return value;
    throw new SettingsError(`--${flag} (or ${variableOf(flag)}) must be ${expected}, not "${text}"`);
  };

  const leaderElection = read("leader-election", parseBoolean, '"true" or "false"') && {
    namespace: read("leader-election-namespace", parseName, "the name of a namespace"),
    leaseName: read("leader-election-name", parseName, "the name of a Lease"),
    identity: read("leader-election-identity", parseText, "a name") || `${hostname()}_${randomUUID().slice(0, 8)}`,
  };
  return deepFreeze<Settings>({
    cluster: {
      kubeconfig: read("kubeconfig", parseText, "a file") || undefined,
      context: read("context", parseText, "a name") || undefined,
      environment: Object.fromEntries(clusterVariables.map((name) => [name, environment[name]])),
    },
    namespaces: read("namespace", parseNames, "names of namespaces with commas between"),
    leaderElection,
    port: read("port", wholeNumber(0, 65_535), "a port, 0 to 65535"),
    logLevel: read("log-level", parseLogLevel, `one of ${logLevels.join(", ")}`),
    tracing: tracingFrom(environment),
    images: read("image", parseImages, "like 17=registry.example/postgres:17, with commas between several"),
    instanceClusterRole: read("instance-cluster-role", parseName, "the name of a ClusterRole"),
    resyncEveryMs: read(
      "resync-interval",
      parseDuration,
      "a duration of at least 1s and at most 24h, like 90s, 10m or 1h",
    ),
    concurrency: read("concurrency", wholeNumber(1, 1000), "a whole number, 1 to 1000"),
  });
}

/** What `--help` prints. */
export function usage(): string {
  const lines = flags.map((flag) => {
    const { value, help, default: preset } = options[flag];
    return [`--${flag}=${value}`, `${help}${preset === "" ? "" : ` (default ${preset})`}`] as const;
  });
  const width = Math.max(...lines.map(([left]) => left.length));
  return [
    "Holdfast: a PostgreSQL operator for Kubernetes.",
    "",
    ...lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    "",
    `Each flag can be set as a variable too: --log-level is ${variableOf("log-level")}.`,
  ].join("\n");
}

function parseFlags(args: readonly string[]): Partial<Record<Flag, string>> | "help" {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { help: { type: "boolean", short: "h" }, ...parserOptions },
    });
    if (values.help === true) return "help";
    return Object.fromEntries(
      Object.entries(values as Record<Flag, string[]>).map(([flag, all]) => [
        flag,
        "multiple" in options[flag as Flag] ? all.join(",") : all.at(-1),
      ]),
    );
  } catch (error) {
    throw new SettingsError(`${(error as Error).message.split(". ")[0]}; --help lists the flags`, { cause: error });
  }
}

/**
 * OpenTelemetry's own variables, as far as they decide what the operator does; where to, and with which headers, its SDK reads itself.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
function tracingFrom(environment: Environment): Settings["tracing"] {
  const read = (name: string): string => environment[name]?.trim().toLowerCase() ?? "";
  const oneOf = (name: string, allowed: readonly string[], why: string): string => {
    const value = read(name);
    if (value === "" || allowed.includes(value)) return value;
    throw new SettingsError(`${name} must be ${allowed.join(" or ")}, not "${value}": ${why}`);
  };
  if (read("OTEL_SDK_DISABLED") === "true") return false;
  const exporter = oneOf("OTEL_TRACES_EXPORTER", ["otlp", "none"], "there is no other exporter here");
  const asked =
    exporter === "otlp" || read("OTEL_EXPORTER_OTLP_ENDPOINT") || read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  if (exporter === "none" || !asked) return false;
  for (const name of ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]) {
    oneOf(name, ["http/protobuf"], "traces are sent over HTTP, to port 4318 of most collectors");
  }
  const samplers = ["always_on", "always_off", "traceidratio"].flatMap((name) => [name, `parentbased_${name}`]);
  const sampler = oneOf("OTEL_TRACES_SAMPLER", samplers, "reconciles have no parent, and no other sampler is here");
  if (sampler.endsWith("always_off")) return { ratio: 0 };
  if (!sampler.endsWith("traceidratio")) return { ratio: 1 };
  const text = read("OTEL_TRACES_SAMPLER_ARG");
  const ratio = text === "" ? 1 : Number(text);
  if (ratio >= 0 && ratio <= 1) return { ratio };
  throw new SettingsError(`OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, not "${text}"`);
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const parseText = (text: string): string => text;
const parseLogLevel = (text: string): string | undefined => (logLevels.includes(text) ? text : undefined);
const parseBoolean = (text: string): boolean | undefined => ({ true: true, false: false })[text];
const splitList = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** A DNS-1123 subdomain, which names of namespaces, Leases and ClusterRoles here are. */
function parseName(text: string): string | undefined {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text) ? text : undefined;
}

function parseNames(text: string): string[] | undefined {
  const names = [...new Set(splitList(text))];
  return names.every((name) => parseName(name) !== undefined) ? names : undefined;
}

function parseImages(text: string): Record<string, string> | undefined {
  const pairs = splitList(text).map((pair) => /^(\d+)=(\S+)$/.exec(pair));
  if (pairs.includes(null)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]]));
}

function wholeNumber(least: number, most: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  };
}

function parseDuration(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text) ?? [];
  const ms = Number(amount) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit ?? ""] ?? Number.NaN);
  return ms >= 1000 && ms <= 24 * 3_600_000 ? Math.round(ms) : undefined;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
