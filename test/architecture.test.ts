// The house rules of ARCHITECTURE.md that no compiler checks: which way imports go, what is pure, who may touch the process.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";

interface Import {
  /** A path under src, or a package's name. */
  readonly to: string;
  readonly typeOnly: boolean;
  /** By `import()`. */
  readonly dynamic: boolean;
}

interface Source {
  /** Without comments and the contents of plain strings, so that words can be looked for. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const src = join(import.meta.dirname, "../src");
const sources: ReadonlyMap<string, Source> = new Map(
  globSync("**/*.ts", { cwd: src }).map((file) => [file, parse(file, readFileSync(join(src, file), "utf8"))]),
);

function parse(file: string, text: string): Source {
  const withoutComments = text.replace(/("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\*[\s\S]*?\*\/|\/\/.*/g, "$1");
  const statement =
    /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|import\(\s*"([^"]+)"\s*\)/g;
  const imports = [...withoutComments.matchAll(statement)].map(([, type, fixed, dynamic]) => {
    const to = fixed ?? dynamic ?? "";
    return {
      to: to.startsWith(".") ? join(dirname(file), to) : to,
      typeOnly: type !== undefined,
      dynamic: dynamic !== undefined,
    };
  });
  return { code: withoutComments.replace(/"(?:[^"\\\n]|\\.)*"/g, '""'), imports };
}

/** "from → to" for every import between files of src that the rule refuses. */
function offending(refused: (from: string, to: string) => boolean): string[] {
  return [...sources].flatMap(([from, { imports }]) =>
    imports.filter(({ to }) => sources.has(to) && refused(from, to)).map(({ to }) => `${from} → ${to}`),
  );
}

function using(pattern: RegExp, files: Iterable<string> = sources.keys()): string[] {
  return [...files].flatMap((file) => {
    const found = pattern.exec(sources.get(file)?.code ?? "");
    return found === null ? [] : [`${file}: ${found[0]}`];
  });
}

const layers = ["main.ts", "external", "database", "postgres", "runtime"];
const layerOf = (file: string): string => file.split("/")[0] ?? "";
const partOf = (file: string): string => file.split("/")[1] ?? "";
const inRuntime = (file: string): boolean => layerOf(file) === "runtime";
const isChild = (file: string): boolean => file.startsWith("database/children/");
const allBut = (allowed: string): string[] => [...sources.keys()].filter((file) => file !== allowed);

const leaves = ["backoff.ts", "clock.ts", "keep-newest.ts"];
/** For each part of the runtime, the other parts that it may know. */
const runtimeParts: Readonly<Record<string, readonly string[]>> = {
  "index.ts": ["kube", "reconcile", "loop", "telemetry", ...leaves],
  loop: ["kube", "telemetry", ...leaves],
  reconcile: ["kube", "telemetry", ...leaves],
  kube: ["telemetry", ...leaves],
};

/** Packages that one place alone may load, so that they can be replaced, and are not loaded by accident. */
const behindOnePlace: Readonly<Record<string, string>> = {
  "@kubernetes/client-node": "runtime/kube/kubeconfig.ts",
  pg: "external/",
  pino: "runtime/telemetry/log.ts",
  "prom-client": "runtime/telemetry/metrics.ts",
  "@opentelemetry/api": "runtime/telemetry/",
  "@opentelemetry/sdk-trace": "runtime/telemetry/otlp.ts",
};

/** Loaded by an `import()` alone, since most processes need nothing of what it loads: the operator's bundle holds that, a package names it. */
const onDemand: Readonly<Record<string, string>> = {
  "runtime/telemetry/otlp.ts": "runtime/telemetry/trace-export.ts",
};

const pure = [
  "runtime/kube/object.ts",
  "runtime/kube/kinds.ts",
  "runtime/kube/errors.ts",
  "runtime/reconcile/diff.ts",
  "runtime/reconcile/conditions.ts",
  "runtime/loop/predicates.ts",
  "postgres/parameters.ts",
  "postgres/hba.ts",
  "postgres/patroni-config.ts",
  "postgres/versions.ts",
  "database/api.ts",
  "database/names.ts",
  "database/instances.ts",
  "database/resolve.ts",
  "database/pod-template.ts",
  "database/failures.ts",
  "database/status/status.ts",
  "database/status/verdicts.ts",
  "database/status/view.ts",
  "database/outside/wishes.ts",
  "database/outside/differences.ts",
  "database/quantity.ts",
  "database/predicates.ts",
  "database/rollout/rollout.ts",
  "database/rollout/retirement.ts",
  "database/rollout/restart.ts",
  "database/rollout/stranded.ts",
  "database/rollout/pod-changes.ts",
  "database/troubles/troubles.ts",
  "database/troubles/container-troubles.ts",
  "database/troubles/last-words.ts",
  "database/troubles/refusals.ts",
  "database/troubles/warnings.ts",
  "postgres/roles.ts",
  ...[...sources.keys()].filter(isChild),
];

describe("imports", () => {
  test("go one way: main → external → database → postgres → runtime", () => {
    expect(
      [...new Set([...sources.keys()].map(layerOf))].filter((layer) => layer !== "settings.ts").toSorted(),
    ).toEqual(layers.toSorted());
    expect(
      offending(
        (from, to) => layers.indexOf(layerOf(to)) < layers.indexOf(layerOf(from)) && layerOf(to) !== "settings.ts",
      ),
    ).toEqual([]);
  });

  test("reach settings from main.ts alone, and settings reach nothing", () => {
    expect(offending((from, to) => (to === "settings.ts" && from !== "main.ts") || from === "settings.ts")).toEqual([]);
  });

  test("enter the runtime through its door, which nothing inside uses", () => {
    expect(offending((from, to) => inRuntime(to) && inRuntime(from) === (to === "runtime/index.ts"))).toEqual([]);
  });

  test("inside of the runtime follow its table: loop and reconcile do not know each other", () => {
    expect(
      offending((from, to) => {
        if (!inRuntime(from) || !inRuntime(to) || partOf(from) === partOf(to)) return false;
        return runtimeParts[partOf(from)]?.includes(partOf(to)) !== true;
      }),
    ).toEqual([]);
  });

  test("never join two children", () => {
    expect(offending((from, to) => isChild(from) && isChild(to) && from !== "database/children/index.ts")).toEqual([]);
  });

  test("keep resolve out of cleanup, directly and through others: an invalid spec must not block deletion", () => {
    const reached = new Set(["database/cleanup.ts"]);
    for (const file of reached) {
      for (const { to, typeOnly } of sources.get(file)?.imports ?? [])
        if (!typeOnly && sources.has(to)) reached.add(to);
    }
    expect([...reached]).not.toContain("database/resolve.ts");
    expect(offending((from, to) => from === "database/cleanup.ts" && to === "database/resolve.ts")).toEqual([]);
  });

  test("form no cycle, not even of types", () => {
    const waiting = new Map(
      [...sources].map(([file, { imports }]) => [file, imports.map(({ to }) => to).filter((to) => sources.has(to))]),
    );
    for (let before = -1; before !== waiting.size;) {
      before = waiting.size;
      for (const [file, targets] of waiting) if (!targets.some((to) => waiting.has(to))) waiting.delete(file);
    }
    expect(Object.fromEntries(waiting)).toEqual({});
  });

  test("point to files that exist and to packages that are installed in production", () => {
    const { dependencies } = JSON.parse(readFileSync(join(src, "../package.json"), "utf8")) as { dependencies: object };
    const always = [...sources].filter(([file]) => !(file in onDemand));
    const unknown = always.flatMap(([file, { imports }]) =>
      imports
        .filter(({ to, typeOnly }) => !typeOnly && !to.startsWith("node:") && !existsSync(join(src, to)))
        .filter(({ to }) => !Object.keys(dependencies).some((name) => to === name || to.startsWith(`${name}/`)))
        .map(({ to }) => `${file} → ${to}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe("the test kit", () => {
  const root = join(src, "..");
  const kit = new Map(
    globSync("testing/**/*.ts", { cwd: root }).map((file) => [
      file,
      parse(file, readFileSync(join(root, file), "utf8")),
    ]),
  );
  const importsOf = [...kit].flatMap(([file, { imports }]) => imports.map(({ to }) => ({ file, to })));

  test("needs the runtime's door, a control plane, and no test runner", () => {
    const strange = importsOf.filter(
      ({ to }) => !/^(node:|testing\/|hack\/cluster\/|src\/runtime\/index\.ts$|js-yaml$)/.test(to),
    );
    expect(strange).toEqual([]);
  });

  test("is known to nothing of the operator", () => {
    expect(
      [...sources].flatMap(([file, { imports }]) =>
        imports.filter(({ to }) => to.includes("testing/")).map(() => file),
      ),
    ).toEqual([]);
  });
});

describe("examples", () => {
  const examples = join(import.meta.dirname, "../examples");
  const imports = globSync("*/**/*.ts", { cwd: examples }).flatMap((file) =>
    parse(file, readFileSync(join(examples, file), "utf8")).imports.map(({ to }) => ({ file, to })),
  );
  const outside = imports.filter(({ file, to }) => dirname(to) !== dirname(file));

  test("enter the runtime through its public entry, and know nothing else of this repository", () => {
    expect(outside.filter(({ to }) => to === "holdfast/runtime")).not.toEqual([]);
    expect(outside.filter(({ to }) => to !== "holdfast/runtime" && to !== "@aws-sdk/client-s3")).toEqual([]);
  });

  test("need no package but the S3 client of bucket-controller, where the store is", () => {
    const users = outside.filter(({ to }) => to === "@aws-sdk/client-s3").map(({ file }) => file);
    expect(users.toSorted()).toEqual(["bucket-controller/main.ts", "bucket-controller/store.ts"]);
  });
});

describe("packages", () => {
  test.each(Object.entries(behindOnePlace))("%s is loaded in %s alone", (name, place) => {
    const users = [...sources].filter(([, { imports }]) =>
      imports.some(({ to, typeOnly }) => to === name && !typeOnly),
    );
    expect(users).not.toEqual([]);
    expect(users.map(([user]) => user).filter((user) => !user.startsWith(place))).toEqual([]);
  });
});

test.each(Object.entries(onDemand))("%s is loaded by %s alone, and only when that asks for it", (file, place) => {
  const users = [...sources].flatMap(([user, { imports }]) =>
    imports.filter(({ to, typeOnly }) => to === file && !typeOnly).map(({ dynamic }) => ({ user, dynamic })),
  );
  expect(users).toEqual([{ user: place, dynamic: true }]);
});

describe("pure files", () => {
  test("exist", () => {
    expect(pure.filter((file) => !sources.has(file))).toEqual([]);
  });

  test("know no waiting, clock, chance or process", () => {
    const impure =
      /\basync\b|\bawait\b|\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bMath\.random\b|\brandom(?:UUID|Bytes|Int)\b|\bgetRandomValues\b|\bprocess\b|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(/;
    expect(using(impure, pure)).toEqual([]);
  });
});

describe("the process", () => {
  test("is read in settings.ts alone and ended in main.ts alone", () => {
    expect(using(/\bprocess\s*\.\s*env\b|\bprocess\[/, allBut("settings.ts"))).toEqual([]);
    expect(using(/\bprocess\s*\.\s*exit\b/, allBut("main.ts"))).toEqual([]);
  });
});
