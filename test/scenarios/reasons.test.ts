// Reasons that the other scenarios do not come by: each brought about on the real API server, found in the condition that it is said
// in, and gone when that is mended.
import { expect, test } from "vitest";
import { apiCall } from "../../hack/cluster/api-request.ts";
import { Database, type ConditionType, type DatabaseSpec, type Reason } from "../../src/database/api.ts";
import { PortError } from "../../src/database/outside/port-error.ts";
import { ConfigMap, PersistentVolumeClaim, Pod, refTo, type Kind } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { conditionOf, eventsOf } from "../support/observations.ts";
import { eventually, gone, openScenario, type OperatorOptions, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";
import { loseVolume, podUids } from "../support/volume-losses.ts";

const open = async (title: string): Promise<Scenario> => {
  const scenario = await openScenario(await sharedControlPlane(), `reasons-${title}`);
  scenario.standIn.preferLeader("orders-1-0");
  return scenario;
};

interface Case {
  readonly title: string;
  readonly reason: Reason;
  readonly because: string;
  readonly told: readonly [type: ConditionType, status: "True" | "False", message: RegExp];
  readonly spec?: Partial<DatabaseSpec>;
  readonly operator?: OperatorOptions;
  /** Before the Database is applied; else it is Ready first. */
  readonly prepare?: (scenario: Scenario) => unknown;
  readonly strike?: (scenario: Scenario) => unknown;
  readonly mend: (scenario: Scenario) => unknown;
}

const holdBack =
  (...names: readonly string[]) =>
  ({ standIn }: Scenario): void =>
    standIn.holdBack(({ metadata }) => names.includes(metadata.name));
const release = ({ standIn }: Scenario): void => standIn.holdBack(() => false);

async function deletePod({ admin, namespace }: Scenario, name: string): Promise<void> {
  const pod = await admin.get(Pod, { namespace, name });
  await admin.delete(Pod, { namespace, name }, { uid: pod?.metadata.uid ?? "", gracePeriodSeconds: 0 });
}

async function deletePatroniFile({ admin, namespace }: Scenario): Promise<void> {
  const ref = { namespace, name: "orders-patroni" };
  await admin.delete(ConfigMap, ref, { uid: (await admin.get(ConfigMap, ref))?.metadata.uid ?? "" });
}

interface Rule {
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

/** Changes the operator's Role in the scenario's namespace, until the API server goes by it. */
async function letWriteConfigMaps(scenario: Scenario, allowed: boolean): Promise<void> {
  const { controlPlane, namespace, operatorUser: user } = scenario;
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles`;
  const roles = await apiCall<{ items: { metadata: { name: string }; rules: Rule[] }[] }>(
    controlPlane.admin,
    "GET",
    path,
  );
  const [role] = roles.items.filter(({ rules }) => rules.some(({ resources }) => resources?.includes("configmaps")));
  const verbs = ["get", "list", "watch", ...(allowed ? ["create", "patch", "delete"] : [])];
  const rules = role?.rules.flatMap((rule) => {
    if (rule.resources?.includes("configmaps") !== true) return [rule];
    const others = rule.resources.filter((resource) => resource !== "configmaps");
    return [
      ...(others.length > 0 ? [{ ...rule, resources: others }] : []),
      { ...rule, resources: ["configmaps"], verbs },
    ];
  });
  await apiCall(controlPlane.admin, "PUT", `${path}/${role?.metadata.name}`, { ...role, rules });
  await eventually("the Role is in force", async () => {
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user, resourceAttributes: { namespace, verb: "patch", resource: "configmaps" } },
    };
    const reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const { status } = await apiCall<{ status: { allowed: boolean } }>(controlPlane.admin, "POST", reviews, review);
    return status.allowed === allowed ? true : undefined;
  });
}

/** The object stays, once deleted, until it is let go. */
const finalizer =
  (kind: Kind, name: string, value: readonly string[]) =>
  ({ admin, namespace }: Scenario): Promise<unknown> =>
    admin.patch(kind, { namespace, name }, [{ op: "add", path: "/metadata/finalizers", value }]);
const keep = (kind: Kind, name: string) => finalizer(kind, name, ["example.org/held"]);
const letGo = (kind: Kind, name: string) => finalizer(kind, name, []);

const sessionsFail =
  (reason: PortError["reason"], message: string) =>
  ({ postgres }: Scenario): void => {
    postgres.failure = new PortError(message, { reason });
  };
const sessionsSucceed = ({ postgres }: Scenario): void => {
  postgres.failure = undefined;
};

const cases: readonly Case[] = [
  {
    title: "creating",
    reason: "Creating",
    because: "the first instance is on its way",
    told: ["Progressing", "True", /^starting: orders-1-0 is pending, not ready/],
    prepare: holdBack("orders-1-0"),
    mend: release,
  },
  {
    title: "waiting",
    reason: "WaitingForPrimary",
    because: "nobody has ever led",
    told: ["Ready", "False", /^no primary: orders-1-0 is pending, not ready/],
    prepare: holdBack("orders-1-0"),
    mend: release,
  },
  {
    title: "adding",
    reason: "AddingInstances",
    because: "the second instance joins",
    told: ["Progressing", "True", /^joining: orders-2-0 is pending, not ready$/],
    strike: async (scenario) => {
      holdBack("orders-2-0")(scenario);
      await scenario.apply({ replicas: 2 });
    },
    mend: release,
  },
  {
    title: "unready",
    reason: "InstanceNotReady",
    because: "the Pod of a replica was deleted and does not come back",
    told: ["Degraded", "True", /^1 of 2 instances serve: orders-2-0 is pending, not ready$/],
    spec: { replicas: 2 },
    strike: async (scenario) => {
      holdBack("orders-2-0")(scenario);
      await deletePod(scenario, "orders-2-0");
    },
    mend: release,
  },
  {
    title: "deaf",
    reason: "ReplicaNotStreaming",
    because: "its Pod is ready, and it does not follow",
    told: [
      "Ready",
      "False",
      /^1 of 2 instances serve: orders-2-0 not streaming from orders-1-0 on timeline 1\. What to do/,
    ],
    spec: { replicas: 2 },
    strike: async ({ admin, namespace, postgres, standIn }) => {
      const pod = await admin.get(Pod, { namespace, name: "orders-2-0" });
      postgres.behind.add(pod?.status?.podIP ?? "");
      standIn.lookAgain();
    },
    mend: ({ postgres, standIn }) => {
      postgres.behind.clear();
      standIn.lookAgain();
    },
  },
  {
    title: "no-primary",
    reason: "NoPrimary",
    because: "there was one, and its Pod does not come back",
    told: ["Available", "False", /^no primary: orders-1-0 is pending, not ready/],
    strike: async (scenario) => {
      holdBack("orders-1-0")(scenario);
      await deletePod(scenario, "orders-1-0");
    },
    mend: release,
  },
  {
    title: "retiring",
    reason: "RetiringInstances",
    because: "the Pod of the one that goes is held",
    told: ["Ready", "False", /^removing orders-2-0/],
    spec: { replicas: 2 },
    strike: async (scenario) => {
      await keep(Pod, "orders-2-0")(scenario);
      await scenario.apply({ replicas: 1 });
    },
    mend: letGo(Pod, "orders-2-0"),
  },
  {
    title: "resizing",
    reason: "ResizingVolumes",
    because: "the storage takes its time",
    told: ["Ready", "False", /^growing: orders-1/],
    strike: async (scenario) => {
      scenario.standIn.withholdVolumes(() => true);
      await scenario.apply({ storage: { size: "2Gi" } });
    },
    mend: ({ standIn }) => standIn.withholdVolumes(() => false),
  },
  {
    title: "invalid",
    reason: "InvalidSpec",
    because: "what Holdfast writes cannot be the source of a password",
    told: ["Ready", "False", /^spec\.passwordSecretRef: Secret orders-internal is written by Holdfast/],
    strike: (scenario) =>
      scenario.apply({ passwordSecretRef: { name: "orders-internal", key: "application-password" } }),
    mend: (scenario) => scenario.apply(),
  },
  {
    title: "version",
    reason: "UnknownVersion",
    because: "the catalogue has no such version",
    told: ["Ready", "False", /^spec\.version: the catalogue has no PostgreSQL 15, only 17/],
    spec: { version: "15" },
    prepare: () => undefined,
    mend: (scenario) => scenario.apply({ version: "15", image: "registry.example/postgres:15" }),
  },
  {
    title: "refused",
    reason: "Refused",
    because: "the API server takes no such StatefulSet",
    told: ["Ready", "False", /^statefulSets: .*Invalid value: "no label"/],
    spec: { placement: { nodeSelector: { "no label": "x" } } },
    prepare: () => undefined,
    mend: (scenario) => scenario.apply(),
  },
  {
    title: "immutable",
    reason: "ImmutableField",
    because: "somebody made a ConfigMap of ours immutable, and other than declared",
    told: ["Ready", "False", /^configMap: ConfigMap .*orders-patroni cannot be changed this way: data: Forbidden/],
    strike: ({ admin, namespace }) =>
      admin.patch(ConfigMap, { namespace, name: "orders-patroni" }, [
        { op: "add", path: "/data/patroni.yml", value: "scope: theirs" },
        { op: "add", path: "/immutable", value: true },
      ]),
    mend: deletePatroniFile,
  },
  {
    title: "forbidden",
    reason: "Forbidden",
    because: "the operator's Role does not let it write ConfigMaps any more",
    told: [
      "Ready",
      "False",
      /^configMap: .*cannot (patch|create) resource "configmaps".*; it is tried again by itself/,
    ],
    operator: { namespaced: true },
    strike: async (scenario) => {
      await letWriteConfigMaps(scenario, false);
      await deletePatroniFile(scenario);
    },
    mend: (scenario) => letWriteConfigMaps(scenario, true),
  },
  {
    title: "provisioning",
    reason: "ProvisioningRefused",
    because: "PostgreSQL does not make the role",
    told: ["Ready", "False", /^role orders: cannot be made.*; it is tried again by itself/],
    prepare: sessionsFail("ProvisioningRefused", "role orders: cannot be made"),
    mend: sessionsSucceed,
  },
  {
    title: "not-primary",
    reason: "NotPrimary",
    because: "who holds the leader key is still in recovery",
    told: ["Ready", "False", /^orders-1-0 is in recovery: a replica; it is tried again by itself/],
    prepare: sessionsFail("NotPrimary", "orders-1-0 is in recovery: a replica"),
    mend: sessionsSucceed,
  },
  {
    title: "credentials",
    reason: "CredentialsRefused",
    because: "somebody changed the superuser's password",
    told: ["Ready", "False", /^password authentication failed for user "postgres"; it is tried again by itself/],
    prepare: sessionsFail("CredentialsRefused", 'password authentication failed for user "postgres"'),
    mend: sessionsSucceed,
  },
  {
    title: "failed",
    reason: "ReconcileFailed",
    because: "the API server fails, as a webhook does that it has to ask",
    told: ["Ready", "False", /^configMap: .*failed calling webhook.*; it is tried again by itself/],
    prepare: breakConfigMaps,
    mend: ({ controlPlane, namespace }) => apiCall(controlPlane.admin, "DELETE", `${webhooks}/${namespace}`),
  },
];

test.concurrent.for(cases)(
  "$reason: $because",
  async ({ title, reason, because, told: [type, status, message], spec, operator, prepare, strike, mend }) => {
    await using scenario = await open(title);
    await prepare?.(scenario);
    await scenario.start({ backoff: { initialMs: 200, maxMs: 500, factor: 2, jitter: 0.2 }, ...operator });
    if (prepare === undefined) {
      await scenario.apply(spec);
      await scenario.ready();
    }
    const told = await timed(async () => {
      if (prepare !== undefined) await scenario.apply(spec);
      await strike?.(scenario);
      await eventually(`${type} is ${status} for ${reason}`, async () => {
        const condition = conditionOf(await scenario.database(), type);
        expect(condition).toMatchObject({ status, reason, message: expect.stringMatching(message) });
        return true;
      });
    });

    const mended = await timed(async () => {
      await mend(scenario);
      return scenario.ready();
    });
    const healed = mended.value.status?.conditions?.map((condition) => condition.reason);
    expect(healed).not.toContain(reason);
    printSeconds(reason, because, told, mended);
  },
);

const holders = [
  { title: "pod", kind: Pod as Kind, name: "orders-1-0", waitingFor: "waiting for Pods to stop: orders-1-0" },
  {
    title: "volume",
    kind: PersistentVolumeClaim as Kind,
    name: "orders-1",
    waitingFor: "waiting for volumes to go: orders-1",
  },
] as const;

test.concurrent.for(holders)(
  "Deleting: what is held is named: $waitingFor",
  async ({ title, kind, name, waitingFor }) => {
    await using scenario = await open(`deleting-${title}`);
    const { admin, namespace } = scenario;
    await scenario.start();
    await scenario.apply({ deletionPolicy: "Delete" });
    await scenario.ready();
    await keep(kind, name)(scenario);
    const told = await timed(async () => {
      await scenario.remove();
      await eventually(waitingFor, async () => {
        const { status } = (await scenario.database()) ?? {};
        expect(status?.phase).toBe("Deleting");
        for (const type of ["Ready", "Progressing"] as const) {
          const of = { reason: "Deleting", message: waitingFor, status: type === "Ready" ? "False" : "True" };
          expect(conditionOf(await scenario.database(), type)).toMatchObject(of);
        }
        return true;
      });
    });

    const ended = await timed(async () => {
      await letGo(kind, name)(scenario);
      await gone(admin, Database, { namespace, name: "orders" });
    });
    console.log(`Deleting (${waitingFor}): said after ${told.seconds} s, gone ${ended.seconds} s after it was let go`);
  },
);

test.concurrent("ReplacingInstance: an Event says whose volume is made anew", async () => {
  await using scenario = await open("replacing");
  await scenario.start();
  await scenario.apply({ replicas: 2 });
  await scenario.ready();
  const before = (await podUids(scenario))["orders-2-0"];
  const told = await timed(async () => {
    await loseVolume(scenario, "orders-2");
    return eventually("the Event", async () =>
      (await eventsOf(scenario)).find(({ reason }) => reason === "ReplacingInstance"),
    );
  });
  expect(told.value).toMatchObject({
    type: "Normal",
    note: "Volume orders-2 is lost: it is made anew and filled from the primary",
  });
  const mended = await timed(() => scenario.ready());
  expect((await podUids(scenario))["orders-2-0"]).not.toBe(before);
  printSeconds("ReplacingInstance", "a replica's volume is lost; by itself", told, mended);
});

const webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/** Whoever writes a ConfigMap in this namespace hears of a webhook that nobody serves. */
async function breakConfigMaps({ admin, controlPlane, namespace }: Scenario): Promise<void> {
  await apiCall(controlPlane.admin, "POST", webhooks, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: namespace },
    webhooks: [
      {
        name: "nobody.example.org",
        clientConfig: { url: "https://127.0.0.1:9/" },
        rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["configmaps"] }],
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        failurePolicy: "Fail",
        timeoutSeconds: 1,
      },
    ],
  });
  const probe = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "probe", namespace } } as const;
  // It takes the API server a moment to know of it.
  await eventually("the webhook is asked", async () => {
    try {
      const made = await admin.create(ConfigMap, probe);
      await admin.delete(ConfigMap, refTo(made), { uid: made.metadata.uid ?? "" });
      return undefined;
    } catch (error) {
      return String(error).includes("failed calling webhook") ? true : undefined;
    }
  });
}
