// What `helm template` makes of the chart, against what the operator does: its flags, its children, and not a permission more.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { beforeAll, describe, expect, test } from "vitest";
import { ensureBinaries } from "../hack/cluster/binaries.ts";
import { createProgress } from "../hack/cluster/progress.ts";
import { children } from "../src/database/children/index.ts";
import { resourceName, type Kind } from "../src/runtime/kube/object.ts";
import { readSettings, type Settings } from "../src/settings.ts";
import { findRendered as find, renderChart, type Rendered } from "./support/chart.ts";

const root = join(import.meta.dirname, "..");

beforeAll(async () => {
  await ensureBinaries(["helm"], createProgress());
}, 600_000);

const render = (...values: readonly string[]): Promise<readonly Rendered[]> => renderChart(values);

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** Each single permission as "verb resource.group", with the object's name behind where a rule names one. */
function permissions(role: Rendered): string[] {
  return (role["rules"] as Rule[])
    .flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => {
          const [plural, subresource] = resource.split("/");
          const name = `${group === "" ? plural : `${plural}.${group}`}${subresource === undefined ? "" : `/${subresource}`}`;
          return verbs.flatMap((verb) => (resourceNames ?? [""]).map((object) => `${verb} ${name} ${object}`.trim()));
        }),
      ),
    )
    .toSorted();
}

const allow = (resource: string, ...verbs: string[]): string[] => verbs.map((verb) => `${verb} ${resource}`);

/** What the operator that this chart starts makes of its flags. */
function settingsOf(objects: readonly Rendered[]): Settings {
  const [container] = find(objects, "Deployment", "holdfast")["spec"].template.spec.containers;
  const variables = (container.env ?? []).map(({ name, value }: { name: string; value?: string }) => [name, value]);
  const environment = { KUBERNETES_SERVICE_HOST: "10.96.0.1", ...Object.fromEntries(variables) };
  const settings = readSettings(container.args, environment);
  if (settings === "help") throw new Error("the chart asks for help");
  return settings;
}

const childKinds = [...new Set(Object.values(children).map((child) => resourceName(child.kind as Kind)))];

/** In every namespace that it looks after. */
const inNamespaces = [
  ...childKinds.flatMap((kind) => allow(kind, "get", "list", "watch", "create", "patch", "delete")),
  ...allow("databases.holdfast.dev", "get", "list", "watch", "patch"),
  ...allow("databases.holdfast.dev/status", "patch"),
  ...allow("databases.holdfast.dev/finalizers", "update"),
  ...allow("clusterroles.rbac.authorization.k8s.io holdfast-instance", "bind"),
  // Orphaned ones are removed when their Database is.
  ...allow("pods", "get", "list", "watch", "delete"),
  ...allow("endpoints", "get", "list", "watch", "delete"),
  // To tell why something does not come about.
  ...allow("pods/log", "get"),
  ...allow("events.events.k8s.io", "list", "watch", "create", "patch"),
];
/** Of what belongs to no namespace. */
const inCluster = allow("storageclasses.storage.k8s.io", "get");

describe("the operator's permissions", () => {
  test("are what its children and its own work need, and not one more", async () => {
    const objects = await render();
    expect(permissions(find(objects, "ClusterRole", "holdfast"))).toEqual([...inNamespaces, ...inCluster].toSorted());
    expect(objects.filter(({ kind }) => kind === "Role").map(({ metadata }) => metadata.name)).toEqual([
      "holdfast-leader-election",
    ]);
  });

  test("hold in the namespaces that it is told to watch, and nowhere else", async () => {
    const objects = await render("watchNamespaces={shop,billing}");
    expect(settingsOf(objects).namespaces).toEqual(["shop", "billing"]);
    for (const namespace of ["shop", "billing"]) {
      expect(permissions(find(objects, "Role", "holdfast", namespace))).toEqual(inNamespaces.toSorted());
      const { roleRef } = find(objects, "RoleBinding", "holdfast", namespace);
      expect(roleRef).toEqual({ apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "holdfast" });
    }
    expect(objects.filter(({ kind, metadata }) => kind === "Role" && metadata.name === "holdfast")).toHaveLength(2);
    expect(permissions(find(objects, "ClusterRole", "holdfast"))).toEqual(inCluster);
  });

  test("are explained one by one", () => {
    const explained = readFileSync(join(root, "docs/security.md"), "utf8");
    const unexplained = [...inNamespaces, ...inCluster]
      .map((permission) => permission.split(" ")[1] ?? "")
      .filter((resource) => !explained.includes(`\`${resource}\``));
    expect(unexplained).toEqual([]);
  });

  test("in its own namespace are one Lease, which is the one that its flags name", async () => {
    const objects = await render();
    const settings = settingsOf(objects);
    expect(settings.leaderElection).toMatchObject({ namespace: "holdfast-system" });
    const lease = `leases.coordination.k8s.io ${Object(settings.leaderElection).leaseName}`;
    const role = find(objects, "Role", "holdfast-leader-election");
    expect(role.metadata.namespace).toBe("holdfast-system");
    expect(permissions(role)).toEqual(
      [...allow("leases.coordination.k8s.io", "create"), ...allow(lease, "get", "patch")].toSorted(),
    );
  });

  test("hold no wildcard and no way to more of them", async () => {
    const rendered = [...(await render()), ...(await render("watchNamespaces={shop}"))];
    const all = rendered.filter((object) => "rules" in object).flatMap(permissions);
    expect(all.filter((permission) => permission.includes("*"))).toEqual([]);
    expect(
      all.filter((permission) => /^(escalate|impersonate)\b|pods\/exec|\broles\.|nodes|^bind \S+$/.test(permission)),
    ).toEqual([]);
  });

  test("go to the account that the Deployment runs as, under any name", async () => {
    for (const values of [[], ["serviceAccount.name=keeper"], ["watchNamespaces={shop}"]]) {
      const objects = await render(...values);
      const { serviceAccountName: name } = find(objects, "Deployment", "holdfast")["spec"].template.spec;
      const account = find(objects, "ServiceAccount", name).metadata;
      const bindings = objects.filter((object) => object.kind.endsWith("RoleBinding"));
      expect(bindings.map((binding) => binding["subjects"])).toEqual(
        bindings.map(() => [{ kind: "ServiceAccount", name: account.name, namespace: account.namespace }]),
      );
      for (const { roleRef, metadata } of bindings) expect(roleRef.name).toBe(metadata.name);
    }
  });
});

describe("the instances' role", () => {
  test("is what Patroni calls, is kept at uninstall, and is the one that the operator refers to", async () => {
    const objects = await render("instanceRole.name=pg-instance");
    expect(settingsOf(objects).instanceClusterRole).toBe("pg-instance");
    expect(permissions(find(objects, "ClusterRole", "holdfast"))).toContain(
      "bind clusterroles.rbac.authorization.k8s.io pg-instance",
    );
    const role = find(objects, "ClusterRole", "pg-instance");
    expect(role.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    expect(permissions(role)).toEqual(
      [
        ...allow("endpoints", "get", "list", "watch", "create", "patch"),
        ...allow("pods", "list", "watch", "patch"),
      ].toSorted(),
    );
  });
});

describe("the CustomResourceDefinitions", () => {
  const definitions = readdirSync(join(root, "crds")).map((file) => readFileSync(join(root, "crds", file), "utf8"));

  test("are those of crds/, unchanged, and kept at uninstall", async () => {
    const rendered = (await render()).filter((object) => object.kind === "CustomResourceDefinition");
    expect(rendered).toEqual(definitions.flatMap((text) => loadAll(text)));
    for (const { metadata } of rendered)
      expect(metadata.annotations).toMatchObject({ "helm.sh/resource-policy": "keep" });
  });

  test("can be left to others", async () => {
    const rendered = await render("crds.create=false");
    expect(rendered.filter((object) => object.kind === "CustomResourceDefinition")).toEqual([]);
  });
});

async function imageWith(...values: string[]): Promise<string> {
  return find(await render(...values), "Deployment", "holdfast")["spec"].template.spec.containers[0].image;
}

describe("the Deployment", () => {
  test("is admitted where Pod Security is restricted, and writes nowhere", async () => {
    const { spec } = find(await render(), "Deployment", "holdfast")["spec"].template;
    expect(spec.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(spec.containers.map((container: Rendered) => container["securityContext"])).toEqual([
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    ]);
    expect(Object.keys(spec).filter((field) => /^host|^volumes$|^initContainers$/.test(field))).toEqual([]);
  });

  test("hands its values on as flags that the operator takes", async () => {
    const objects = await render(
      "port=9090",
      "logLevel=debug",
      "concurrency=8",
      "resyncInterval=90s",
      "replicas=2",
      "postgresImages.17=registry.example/pg:17",
      "tracing.endpoint=http://collector:4318",
      "tracing.ratio=0.25",
    );
    expect(settingsOf(objects)).toMatchObject({
      port: 9090,
      logLevel: "debug",
      concurrency: 8,
      resyncEveryMs: 90_000,
      images: { 17: "registry.example/pg:17" },
      tracing: { ratio: 0.25 },
    });
    expect(find(objects, "Deployment", "holdfast")["spec"].replicas).toBe(2);
  });

  test("is given variables of its own, beside those that values make", async () => {
    const objects = await render("nodeOptions=--trace-warnings", "extraEnv[0].name=A", "extraEnv[0].value=b");
    expect(find(objects, "Deployment", "holdfast")["spec"].template.spec.containers[0].env).toEqual([
      { name: "NODE_OPTIONS", value: "--trace-warnings" },
      { name: "A", value: "b" },
    ]);
  });

  test("changes no default of the operator by itself", async () => {
    const { leaderElection: _, ...rendered } = settingsOf(await render());
    const { leaderElection: __, ...defaults } = readSettings([], { KUBERNETES_SERVICE_HOST: "10.96.0.1" }) as Settings;
    expect(rendered).toEqual(defaults);
  });

  test("is probed where the operator serves, and selected by the metrics Service", async () => {
    const objects = await render("port=9090");
    const { template, selector } = find(objects, "Deployment", "holdfast")["spec"];
    const [{ ports, livenessProbe, readinessProbe, startupProbe }] = template.spec.containers;
    expect(ports).toEqual([{ name: "http", containerPort: settingsOf(objects).port }]);
    expect([livenessProbe, readinessProbe, startupProbe].map((probe) => probe.httpGet)).toEqual(
      ["/healthz", "/readyz", "/healthz"].map((path) => ({ path, port: "http" })),
    );
    const service = find(objects, "Service", "holdfast-metrics")["spec"];
    expect(service.ports).toEqual([{ name: "http", port: 9090, targetPort: "http" }]);
    expect(service.selector).toEqual(selector.matchLabels);
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
  });

  test("runs the image that the values name, by tag or by digest", async () => {
    const digest = `sha256:${"ab".repeat(32)}`;
    expect(await imageWith("image.repository=registry.example/holdfast", "image.tag=1.2.3")).toBe(
      "registry.example/holdfast:1.2.3",
    );
    expect(await imageWith("image.tag=1.2.3", `image.digest=${digest}`)).toBe(`holdfast/operator@${digest}`);
  });
});

describe("the values", () => {
  test.each([
    { value: "replica=2", because: "a misspelt value would silently do nothing" },
    { value: "image.name=holdfast", because: "nested ones too" },
    { value: "replicas=many", because: "not a number" },
    { value: "replicas=-1", because: "below zero" },
    { value: "port=80", because: "the operator may not bind a privileged port" },
    { value: "logLevel=loud", because: "not a level" },
    { value: "resyncInterval=600", because: "600 of what?" },
    { value: "image.digest=latest", because: "not a digest" },
    { value: "instanceRole.name=", because: "a RoleBinding must refer to something" },
    { value: "postgresImages.latest=pg", because: "a major version is a number" },
    { value: "watchNamespaces={Shop}", because: "no namespace is called that" },
    { value: "watchNamespaces=shop", because: "it is a list" },
    { value: "metrics.serviceMonitor.interval=30", because: "30 of what?" },
    { value: "metrics.rules.docsUrl=docs/", because: "nobody could follow that link" },
  ])("refuse $value: $because", async ({ value }) => {
    await expect(render(value)).rejects.toThrow("values don't meet the specifications of the schema");
  });
});
