// What `helm template` makes of the chart, against what the operator does: its flags, its children, and not a permission more.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadAll } from "js-yaml";
import { beforeAll, describe, expect, test } from "vitest";
import { ensureBinaries } from "../hack/cluster/binaries.ts";
import { createProgress } from "../hack/cluster/progress.ts";
import { children } from "../src/database/children/index.ts";
import { resourceName, type Kind, type KubeObject } from "../src/runtime/kube/object.ts";
import { readSettings, type Settings } from "../src/settings.ts";

const root = join(import.meta.dirname, "..");
const run = promisify(execFile);

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

type Rendered = KubeObject & Record<string, any>;

let helm: string;
beforeAll(async () => {
  ({ helm } = await ensureBinaries(["helm"], createProgress()));
}, 600_000);

async function render(...values: string[]): Promise<Rendered[]> {
  const args = ["template", "holdfast", join(root, "charts/holdfast"), "--namespace", "holdfast-system"];
  const { stdout } = await run(helm, [...args, ...values.flatMap((value) => ["--set", value])], { maxBuffer: 2 ** 26 });
  return (loadAll(stdout) as (Rendered | null)[]).filter((object) => object !== null);
}

function find(objects: readonly Rendered[], kind: string, name: string): Rendered {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return found[0] as Rendered;
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
  const settings = readSettings(container.args, { KUBERNETES_SERVICE_HOST: "10.96.0.1" });
  if (settings === "help") throw new Error("the chart asks for help");
  return settings;
}

describe("the operator's permissions", () => {
  test("are what its children and its own work need, and not one more", async () => {
    const kinds = [...new Set(Object.values(children).map((child) => resourceName(child.kind as Kind)))];
    expect(permissions(find(await render(), "ClusterRole", "holdfast"))).toEqual(
      [
        ...kinds.flatMap((kind) => allow(kind, "get", "list", "watch", "create", "patch", "delete")),
        ...allow("databases.holdfast.dev", "get", "list", "watch", "patch"),
        ...allow("databases.holdfast.dev/status", "patch"),
        ...allow("databases.holdfast.dev/finalizers", "update"),
        ...allow("clusterroles.rbac.authorization.k8s.io holdfast-instance", "bind"),
        // Orphaned ones are removed when their Database is.
        ...allow("pods", "get", "list", "watch", "delete"),
        ...allow("endpoints", "get", "list", "watch", "delete"),
        ...allow("events.events.k8s.io", "create", "patch"),
      ].toSorted(),
    );
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
    const all = (await render()).filter((object) => "rules" in object).flatMap(permissions);
    expect(all.filter((permission) => permission.includes("*"))).toEqual([]);
    expect(
      all.filter((permission) => /^(escalate|impersonate)\b|pods\/exec|\broles\.|nodes|^bind \S+$/.test(permission)),
    ).toEqual([]);
  });

  test("go to the account that the Deployment runs as, under any name", async () => {
    for (const values of [[], ["serviceAccount.name=keeper"]]) {
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
    );
    expect(settingsOf(objects)).toMatchObject({
      port: 9090,
      logLevel: "debug",
      concurrency: 8,
      resyncEveryMs: 90_000,
      images: { 17: "registry.example/pg:17" },
      cluster: { type: "inCluster" },
    });
    expect(find(objects, "Deployment", "holdfast")["spec"].replicas).toBe(2);
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
  ])("refuse $value: $because", async ({ value }) => {
    await expect(render(value)).rejects.toThrow("values don't meet the specifications of the schema");
  });
});
