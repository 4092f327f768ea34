import { describe, expect, test } from "vitest";
import { readSettings, type Settings, SettingsError, usage } from "../src/settings.ts";

const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

function settings(args: string[], environment: Record<string, string | undefined> = inPod): Settings {
  const read = readSettings(args, environment);
  if (read === "help") throw new Error("asked for help");
  return read;
}

describe("settings", () => {
  test("nothing given is an operator in a Pod that watches every namespace and takes part in an election", () => {
    expect(settings(["--leader-election-identity=holdfast-0"])).toEqual({
      cluster: { kubeconfig: undefined, context: undefined, environment: inPod },
      namespaces: [],
      leaderElection: { namespace: "default", leaseName: "holdfast", identity: "holdfast-0" },
      port: 8081,
      logLevel: "info",
      images: {},
      instanceClusterRole: "holdfast-instance",
      resyncEveryMs: 600_000,
      concurrency: 4,
      tracing: false,
    });
  });

  test.each([
    {
      args: ["--namespace=shop", "--namespace=web"],
      is: { namespaces: ["shop", "web"] },
      because: "a list flag repeats",
    },
    {
      args: ["--namespace", "shop, web,shop"],
      is: { namespaces: ["shop", "web"] },
      because: "commas do as well, once each",
    },
    { args: ["--port=1", "--port=2"], is: { port: 2 }, because: "the last of a single flag counts" },
    {
      args: ["--leader-election=false"],
      is: { leaderElection: false },
      because: "one operator on a desk needs no Lease",
    },
    {
      args: ["--image=17=reg:5000/pg:17", "--image=16=pg@sha256:ab"],
      is: { images: { 17: "reg:5000/pg:17", 16: "pg@sha256:ab" } },
      because: "only the first = separates",
    },
    { args: ["--resync-interval=1.5m"], is: { resyncEveryMs: 90_000 }, because: "durations carry their unit" },
    {
      args: ["--context=kind-shop"],
      is: { cluster: { kubeconfig: undefined, context: "kind-shop", environment: inPod } },
      because: "a context is a kubeconfig's, which is looked for",
    },
    {
      args: ["--kubeconfig=/tmp/k"],
      is: { cluster: { kubeconfig: "/tmp/k", context: undefined, environment: inPod } },
      because: "a file need not be looked for",
    },
  ])("$args: $because", ({ args, is }) => {
    expect(settings(args)).toMatchObject(is);
  });

  test("a flag wins over its variable, a variable over the default, and an empty variable is none", () => {
    const environment = { ...inPod, HOLDFAST_LOG_LEVEL: "debug", HOLDFAST_PORT: "9000", HOLDFAST_CONCURRENCY: "" };
    expect(settings(["--port=9001"], environment)).toMatchObject({ logLevel: "debug", port: 9001, concurrency: 4 });
  });

  test("of the environment, what says where the cluster is goes on, and nothing else", () => {
    const where = { ...inPod, KUBECONFIG: "/a:/b", HOME: "/root" };
    expect(settings([], { ...where, PGPASSWORD: "secret" }).cluster.environment).toEqual(where);
  });

  test("two processes never share an identity that was made up", () => {
    const [first, second] = [settings([]), settings([])].map((made) => made.leaderElection);
    expect(first).toHaveProperty("identity", expect.stringMatching(/_[0-9a-f]{8}$/));
    expect(first).not.toEqual(second);
  });

  test("settings are frozen to the bottom", () => {
    const made = settings(["--namespace=shop", "--image=17=pg:17"]);
    for (const part of [made, made.cluster, made.namespaces, made.images, made.leaderElection]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test.each([
    { args: ["--port=http"], says: "--port", because: "not a number" },
    { args: ["--port=65536"], says: "--port", because: "no such port" },
    { args: ["--port=-1"], says: "--port", because: "negative" },
    { args: ["--concurrency=0"], says: "--concurrency", because: "nobody would work" },
    { args: ["--concurrency=1e2"], says: "--concurrency", because: "only digits" },
    { args: ["--log-level=loud"], says: "--log-level", because: "not a level" },
    { args: ["--leader-election=yes"], says: "--leader-election", because: "neither true nor false" },
    { args: ["--leader-election-namespace=A_B"], says: "--leader-election-namespace", because: "not a name" },
    { args: ["--namespace=shop,Web"], says: "--namespace", because: "capitals are not allowed in names" },
    { args: ["--image=pg:17"], says: "--image", because: "which version?" },
    { args: ["--image=latest=pg"], says: "--image", because: "a major version is a number" },
    { args: ["--resync-interval=600"], says: "--resync-interval", because: "600 of what?" },
    { args: ["--resync-interval=0s"], says: "--resync-interval", because: "would never rest" },
    { args: ["--resync-interval=48h"], says: "--resync-interval", because: "longer than a day" },
    { args: ["--instance-cluster-role="], says: "--instance-cluster-role", because: "empty" },
    { args: ["--colour=red"], says: "--colour", because: "no such flag" },
    { args: ["--port"], says: "--port", because: "its value is missing" },
    { args: ["orders"], says: "orders", because: "no arguments are taken" },
  ])("$args is refused by name: $because", ({ args, says }) => {
    expect(() => settings(args)).toThrow(SettingsError);
    expect(() => settings(args)).toThrow(says);
  });

  test("a bad variable is refused with the variable's name", () => {
    expect(() => settings([], { HOLDFAST_PORT: "x" })).toThrow(
      '--port (or HOLDFAST_PORT) must be a port, 0 to 65535, not "x"',
    );
  });

  describe("traces are asked for by OpenTelemetry's own variables", () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

    test.each([
      { given: {}, is: false, because: "nobody asked" },
      { given: endpoint, is: { ratio: 1 }, because: "who names a collector wants to see something there" },
      {
        given: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4318/v1/traces" },
        is: { ratio: 1 },
        because: "or one for traces alone",
      },
      { given: { OTEL_TRACES_EXPORTER: "otlp" }, is: { ratio: 1 }, because: "the SDK knows a default address" },
      { given: { ...endpoint, OTEL_TRACES_EXPORTER: "none" }, is: false, because: "the address may be for metrics" },
      { given: { ...endpoint, OTEL_SDK_DISABLED: "TRUE" }, is: false, because: "the switch for all of it" },
      {
        given: { ...endpoint, OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" },
        is: { ratio: 0.25 },
        because: "a reconcile has no parent",
      },
      { given: { ...endpoint, OTEL_TRACES_SAMPLER: "always_off" }, is: { ratio: 0 }, because: "as said" },
    ])("$given: $because", ({ given, is }) => {
      expect(settings([], { ...inPod, ...given }).tracing).toEqual(is);
    });

    test.each([
      { given: { OTEL_TRACES_EXPORTER: "zipkin" }, says: "OTEL_TRACES_EXPORTER", because: "it is not there" },
      { given: { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, says: "4318", because: "the usual mistake" },
      { given: { ...endpoint, OTEL_TRACES_SAMPLER: "jaeger_remote" }, says: "OTEL_TRACES_SAMPLER", because: "unknown" },
      {
        given: { ...endpoint, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "25%" },
        says: "OTEL_TRACES_SAMPLER_ARG",
        because: "a part of 1",
      },
    ])("$given is refused by name: $because", ({ given, says }) => {
      expect(() => settings([], { ...inPod, ...given })).toThrow(SettingsError);
      expect(() => settings([], { ...inPod, ...given })).toThrow(says);
    });
  });

  test("help is an answer, not a failure, and names every flag and its default", () => {
    expect(readSettings(["--help"], {})).toBe("help");
    expect(usage()).toContain("--resync-interval=duration");
    expect(usage()).toContain("(default 10m)");
  });
});
