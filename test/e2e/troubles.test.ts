// Story: what can be wrong with a Database, each brought about on a real cluster: its condition names the cause, and once that is
// mended it becomes Ready by itself. Prints how long both took.
import { afterAll, describe, expect, test } from "vitest";
import { application, apply, createNamespace, kubectl, read, readAll, untilReady } from "../support/kubectl.ts";
import { conditionOf, orders, untilNotReady } from "../support/story.ts";
import { timed } from "../support/timed.ts";

interface Trouble {
  readonly reason: string;
  /** What was done to bring it about. */
  readonly because: string;
  readonly namespace: string;
  /** Of the message: names what a person has to look at. */
  readonly says: RegExp;
  /** Ready before it is broken: it is an edit, not a creation. */
  readonly broken: "from the start" | "while it runs";
  readonly spec?: object;
  readonly breakIt?: (namespace: string) => Promise<unknown>;
  readonly mended?: object;
  readonly mend?: (namespace: string) => Promise<unknown>;
}

/** Each statement in a transaction of its own. */
const superuser = (namespace: string, pod: string, ...statements: string[]): Promise<string> => {
  const psql = ["exec", "-n", namespace, pod, "-c", "postgres", "--", "psql", "-XAtq", "-d", "postgres"];
  return kubectl(...psql, ...statements.flatMap((statement) => ["-c", statement]));
};

const primaryOf = async (namespace: string): Promise<string> =>
  (await read(namespace, "databases.holdfast.dev", "orders"))?.["status"].primary as string;

const operatorImage = async (): Promise<string> => {
  const namespace = process.env["HOLDFAST_OPERATOR_NAMESPACE"] ?? "holdfast-system";
  const [deployment] = await readAll(namespace, "deployments", "app.kubernetes.io/name=holdfast");
  return deployment?.["spec"].template.spec.containers[0].image as string;
};

const foreign = (namespace: string): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "orders-patroni", namespace },
});

const troubles: readonly Trouble[] = [
  {
    reason: "StorageClassMissing",
    because: "storage.storageClass names a class that does not exist",
    namespace: "e2e-class",
    says: /absent/,
    broken: "from the start",
    spec: { storage: { size: "1Gi", storageClass: "absent" } },
    mended: { storage: { size: "1Gi" } },
  },
  {
    reason: "VolumePending",
    because: "the class has a provisioner that nobody runs",
    namespace: "e2e-pending",
    says: /orders-1/,
    broken: "from the start",
    breakIt: () =>
      apply({
        apiVersion: "storage.k8s.io/v1",
        kind: "StorageClass",
        metadata: { name: "e2e-nobody" },
        provisioner: "example.org/nobody",
      }),
    spec: { storage: { size: "1Gi", storageClass: "e2e-nobody" } },
    mended: { storage: { size: "1Gi" } },
  },
  {
    reason: "Unschedulable",
    because: "no node has the label that placement asks for",
    namespace: "e2e-unschedulable",
    says: /orders-1-0/,
    broken: "from the start",
    spec: { placement: { nodeSelector: { "example.org/nowhere": "true" } } },
    mended: {},
  },
  {
    reason: "ImageUnavailable",
    because: "the image does not exist",
    namespace: "e2e-image",
    says: /registry\.invalid\/pg:17/,
    broken: "from the start",
    spec: { image: "registry.invalid/pg:17" },
    mended: {},
  },
  {
    reason: "ImageUnsuitable",
    because: "the image holds neither tini nor Patroni",
    namespace: "e2e-unsuitable",
    says: /lacks what images\/postgres holds: .*tini/,
    broken: "from the start",
    mended: {},
  },
  {
    reason: "PasswordSecretMissing",
    because: "there is no Secret of the name in passwordSecretRef",
    namespace: "e2e-secret",
    says: /chosen/,
    broken: "from the start",
    spec: { passwordSecretRef: { name: "chosen" } },
    mend: (namespace) =>
      apply({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "chosen", namespace, labels: { "app.kubernetes.io/managed-by": "holdfast" } },
        stringData: { password: "correct-horse" },
      }),
  },
  {
    reason: "NameTaken",
    because: "somebody else's ConfigMap has the name of ours",
    namespace: "e2e-taken",
    says: /orders-patroni/,
    broken: "from the start",
    breakIt: (namespace) => apply(foreign(namespace)),
    mend: (namespace) => kubectl("delete", "configmap", "orders-patroni", "-n", namespace),
  },
  {
    reason: "QuotaExceeded",
    because: "the quota of the namespace lets no Pod be created",
    namespace: "e2e-quota",
    says: /exceeded quota/,
    broken: "from the start",
    breakIt: (namespace) =>
      apply({
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "none", namespace },
        spec: { hard: { pods: "0" } },
      }),
    mend: (namespace) => kubectl("delete", "resourcequota", "none", "-n", namespace),
  },
  {
    reason: "ParameterRefused",
    because: "PostgreSQL does not know the parameter",
    namespace: "e2e-parameter",
    says: /no_such_parameter/,
    broken: "while it runs",
    spec: { parameters: { no_such_parameter: "1", work_mem: "16MB" } },
    mended: { parameters: { work_mem: "16MB" } },
  },
  {
    reason: "ParameterRefused",
    because: "the parameter can lose data",
    namespace: "e2e-unsafe",
    says: /fsync/,
    broken: "while it runs",
    spec: { parameters: { fsync: "off" } },
    mended: {},
  },
  {
    reason: "CrashLooping",
    because: "the memory limit is too small, and the container is killed again and again",
    namespace: "e2e-crash",
    says: /orders-1-0.*OOMKilled|OOMKilled.*orders-1-0/s,
    broken: "while it runs",
    spec: { resources: { limits: { memory: "16Mi" } } },
    mended: {},
  },
  {
    reason: "PostgresNotStarting",
    because: "it is to use huge pages, of which the node has none",
    namespace: "e2e-huge-pages",
    says: /FATAL.*memory/,
    broken: "while it runs",
    spec: { parameters: { huge_pages: "on" } },
    mended: {},
  },
  {
    reason: "ReplicaNotStreaming",
    because: "the replication role may not log in",
    namespace: "e2e-streaming",
    says: /not streaming/,
    broken: "while it runs",
    breakIt: async (namespace) => {
      await apply(orders(namespace, { replicas: 2 }));
      await untilReady(namespace, "orders");
      const cut = "select pg_terminate_backend(pid) from pg_stat_replication";
      await superuser(namespace, await primaryOf(namespace), "alter role holdfast_replication nologin", cut);
    },
    spec: { replicas: 2 },
    mend: async (namespace) =>
      superuser(namespace, await primaryOf(namespace), "alter role holdfast_replication login"),
  },
  {
    reason: "Paused",
    because: "spec.paused is true",
    namespace: "e2e-paused",
    says: /paused/,
    broken: "while it runs",
    spec: { paused: true },
    mended: {},
  },
];

afterAll(async () => {
  for (const { namespace } of troubles)
    await kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found");
  await kubectl("delete", "storageclass", "e2e-nobody", "--ignore-not-found");
});

describe("a condition names the cause, and goes with it", () => {
  test.for(troubles)("$reason: $because", async (trouble) => {
    const { namespace, reason, breakIt, mend, mended } = trouble;
    const spec = reason === "ImageUnsuitable" ? { image: await operatorImage() } : trouble.spec;
    await createNamespace(namespace);
    if (trouble.broken === "while it runs") {
      await apply(orders(namespace));
      await untilReady(namespace, "orders");
    }

    const told = await timed(async () => {
      await breakIt?.(namespace);
      await apply(orders(namespace, spec));
      return untilNotReady(namespace, reason);
    });
    expect(told.value.message).toMatch(trouble.says);
    const degraded = await conditionOf(namespace, "Degraded");
    const available = await conditionOf(namespace, "Available");
    console.log(
      `${reason} (${trouble.because}): said after ${told.seconds} s: ${told.value.message}\n` +
        `  Available ${available?.status} ${available?.reason}, Degraded ${degraded?.status} ${degraded?.reason}`,
    );

    const recovery = await timed(async () => {
      await mend?.(namespace);
      if (mended !== undefined) await apply(orders(namespace, mended));
      return untilReady(namespace, "orders");
    });
    console.log(`  mended: Ready after ${recovery.seconds} s`);
    const app = await application(namespace, "orders");
    expect(await app.sql("select 1")).toBe("1");
    await kubectl("delete", "namespace", namespace, "--wait=false");
  });
});
