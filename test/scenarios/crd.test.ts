// The definition of Database on a real API server: what it accepts, what it fills in, what it refuses and how it says so.
import { randomUUID } from "node:crypto";
import { request } from "node:https";
import { json } from "node:stream/consumers";
import { beforeAll, describe, expect, test } from "vitest";
import { apiCall, apiRequest, type ApiConnection } from "../../hack/cluster/api-request.ts";
import type { Database, DatabaseSpec } from "../../src/database/api.ts";
import { computeStatus } from "../../src/database/status/status.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { instances, leading, orders } from "../support/orders.ts";

let api: ApiConnection;
let namespace: string;

beforeAll(async () => {
  api = (await sharedControlPlane()).admin;
  namespace = `shop-${randomUUID().slice(0, 8)}`;
  await apiCall(api, "POST", "/api/v1/namespaces", { metadata: { name: namespace } });
});

const path = (name = "", suffix = ""): string =>
  `/apis/holdfast.dev/v1alpha1/namespaces/${namespace}/databases${name === "" ? "" : `/${name}`}${suffix}`;

/** A Database with nothing but what is required. */
const database = (name: string, spec: object = {}) => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "Database",
  metadata: { name },
  spec: { storage: { size: "1Gi" }, ...spec },
});

/** What the API server says to a creation that is not carried out. */
async function tryCreate(name: string, spec: object = {}): Promise<{ status: number; message: string }> {
  const { status, body } = await apiRequest(api, "POST", `${path()}?dryRun=All`, database(name, spec));
  return { status, message: (body as { message?: string }).message ?? "" };
}

/** The table that `kubectl get` prints; a star marks the columns of `-o wide`. */
async function printed(of: string): Promise<{ columns: string[]; cells: unknown[] }> {
  const { credential } = api;
  const client = "token" in credential ? {} : { cert: credential.certificatePem, key: credential.privateKeyPem };
  const headers: Record<string, string> = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
  if ("token" in credential) headers["authorization"] = `Bearer ${credential.token}`;
  interface Table {
    columnDefinitions: { name: string; priority: number }[];
    rows: { cells: unknown[] }[];
  }
  const table = await new Promise<Table>((resolve, reject) => {
    request(api.url + of, { ca: api.caPem, agent: false, headers, ...client }, (answer) => {
      json(answer).then((body) => resolve(body as Table), reject);
    })
      .on("error", reject)
      .end();
  });
  const columns = table.columnDefinitions.map(({ name, priority }) => `${name}${priority === 0 ? "" : "*"}`);
  return { columns, cells: table.rows[0]?.cells ?? [] };
}

const mergePatch = { contentType: "application/merge-patch+json" };

let serial = 0;
async function create(spec: object = {}): Promise<Database> {
  serial += 1;
  return apiCall<Database>(api, "POST", path(), database(`orders-${serial}x`, spec));
}

test("the smallest Database gets the defaults", async () => {
  const { spec } = await create();
  expect(spec).toEqual({
    version: "17",
    replicas: 1,
    storage: { size: "1Gi" },
    deletionPolicy: "Retain",
    paused: false,
  } satisfies DatabaseSpec);
});

test("a reference to a password means its key `password`, placement prefers nodes of their own", async () => {
  const { spec } = await create({ passwordSecretRef: { name: "mine" }, placement: {} });
  expect([spec.passwordSecretRef, spec.placement]).toEqual([
    { name: "mine", key: "password" },
    { spread: "Preferred" },
  ]);
});

test("parameters are taken as YAML makes them: strings, numbers, booleans", async () => {
  const parameters = { work_mem: "16MB", max_connections: 200, random_page_cost: 1.1, jit: false };
  expect((await create({ parameters })).spec.parameters).toEqual(parameters);
});

test("everything that a Pod's placement and resources may be is kept", async () => {
  const labelSelector = { matchLabels: { app: "noisy" }, matchExpressions: [{ key: "app", operator: "Exists" }] };
  const term = { topologyKey: "zone", labelSelector };
  const pods = {
    requiredDuringSchedulingIgnoredDuringExecution: [term],
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }],
  };
  const node = { matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] };
  const spec = {
    resources: { requests: { cpu: "500m", memory: "1Gi" }, limits: { cpu: 2 } },
    placement: {
      spread: "Required",
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "db", operator: "Equal", value: "x", effect: "NoExecute", tolerationSeconds: 5 }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [node] },
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, preference: node }],
        },
        podAffinity: pods,
        podAntiAffinity: pods,
      },
      topologySpreadConstraints: [
        { maxSkew: 1, minDomains: 2, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", labelSelector },
      ],
    },
  };
  expect((await create(spec)).spec).toMatchObject(spec);
});

describe("names", () => {
  test.each([
    { name: "orders", because: "the sample" },
    { name: "x".repeat(49), because: "the longest" },
    { name: "a", because: "the shortest" },
    { name: "orders-2b", because: "a number with a letter is no instance's" },
    { name: "config", because: "only endings are taken" },
    { name: "orders-configs", because: "only these very endings are taken" },
  ])("$name is accepted: $because", async ({ name }) => {
    expect((await tryCreate(name)).status).toBe(201);
  });

  const form = "must be at most 49 lower case letters";
  const ending = "metadata.name must not end in";
  test.each([
    { name: "x".repeat(50), says: form, because: "objects and labels would become too long" },
    { name: "1orders", says: form, because: "a Service cannot be called so" },
    { name: "orders.eu", says: form, because: "a Service cannot be called so" },
    ...["config", "sync", "failover", "replicas", "pods", "internal", "credentials", "patroni", "1", "42"].map(
      (end) => ({
        name: `orders-${end}`,
        says: ending,
        because: "objects of a Database orders bear such names",
      }),
    ),
  ])("$name is refused: $because", async ({ name, says }) => {
    const { status, message } = await tryCreate(name);
    expect([status, message]).toEqual([422, expect.stringContaining(says)]);
  });
});

describe("a new Database is refused", () => {
  test.each([
    { name: "postgres", spec: {}, says: "the database cannot be called postgres" },
    { name: "postgres", spec: { databaseName: "app" }, says: "the role cannot be called postgres" },
    { name: "public", spec: {}, says: "the role cannot be called" },
    { name: "x", spec: { databaseName: "template1" }, says: "the database cannot be called" },
    { name: "x", spec: { username: "holdfast_rewind" }, says: "the role cannot be called" },
    { name: "x", spec: { username: "pg_monitor" }, says: "names that begin with pg_ are PostgreSQL's own" },
    { name: "x", spec: { username: 'a"b' }, says: "spec.username" },
    { name: "x", spec: { databaseName: "a/b" }, says: "spec.databaseName" },
    { name: "x", spec: { storage: {} }, says: "spec.storage.size: Required value" },
    { name: "x", spec: { storage: { size: "big" } }, says: "must be a quantity above zero" },
    { name: "x", spec: { storage: { size: "0" } }, says: "must be a quantity above zero" },
    { name: "x", spec: { storage: { size: "-1Gi" } }, says: "must be a quantity above zero" },
    { name: "x", spec: { replicas: 0 }, says: "greater than or equal to 1" },
    { name: "x", spec: { replicas: 11 }, says: "less than or equal to 10" },
    { name: "x", spec: { version: "17.2" }, says: "spec.version" },
    { name: "x", spec: { image: "a b" }, says: "spec.image" },
    { name: "x", spec: { deletionPolicy: "Keep" }, says: "spec.deletionPolicy" },
    { name: "x", spec: { placement: { spread: "Maybe" } }, says: "spec.placement.spread" },
    { name: "x", spec: { passwordSecretRef: { name: "other/mine" } }, says: "spec.passwordSecretRef.name" },
    { name: "x", spec: { resources: { limits: { cpu: "lots" } } }, says: "spec.resources.limits" },
    { name: "x", spec: { parameters: "work_mem=1" }, says: "spec.parameters" },
  ])("called $name with $spec: $says", async ({ name, spec, says }) => {
    const { status, message } = await tryCreate(name, spec);
    expect([status, message]).toEqual([422, expect.stringContaining(says)]);
  });
});

const edit = async (before: object, patch: object) => {
  const { metadata } = await create(before);
  const { status, body } = await apiRequest(api, "PATCH", path(metadata.name), { spec: patch }, mergePatch);
  return { status, message: (body as { message?: string }).message ?? "", name: metadata.name };
};

describe("an edit", () => {
  test.each([
    { before: { databaseName: "app" }, patch: { databaseName: "other" }, says: "spec.databaseName is immutable" },
    { before: { databaseName: "app" }, patch: { databaseName: null }, says: "spec.databaseName is immutable" },
    { before: {}, patch: { databaseName: "app" }, says: "spec.databaseName is immutable" },
    { before: { username: "app" }, patch: { username: "other" }, says: "spec.username is immutable" },
    { before: { username: "app" }, patch: { username: null }, says: "spec.username is immutable" },
    { before: {}, patch: { username: "app" }, says: "spec.username is immutable" },
    { before: {}, patch: { version: "16" }, says: "spec.version cannot be changed yet" },
  ])("from $before to $patch is refused: $says", async ({ before, patch, says }) => {
    const { status, message } = await edit(before, patch);
    expect([status, message]).toEqual([422, expect.stringContaining(says)]);
  });

  test.each([
    { before: {}, patch: { storage: { size: "2Gi" } }, because: "volumes grow" },
    { before: {}, patch: { storage: { size: "1024Mi" } }, because: "it is the same size" },
    { before: {}, patch: { storage: { storageClass: "fast" } }, because: "new volumes can be of another class" },
    { before: {}, patch: { replicas: 3 }, because: "instances come and go" },
    { before: {}, patch: { image: "registry.example/pg:17" }, because: "images change" },
    {
      before: { passwordSecretRef: { name: "mine" } },
      patch: { passwordSecretRef: null },
      because: "passwords change",
    },
    { before: {}, patch: { deletionPolicy: "Delete" }, because: "minds change" },
  ])("from $before to $patch is accepted: $because", async ({ before, patch }) => {
    expect((await edit(before, patch)).status).toBe(200);
  });

  test.each([
    { volumeSize: "1Gi", size: "512Mi", code: 422, because: "volumes cannot shrink" },
    { volumeSize: "1Gi", size: "1G", code: 422, because: "that is less, though only a little" },
    {
      volumeSize: "10Gi",
      size: "20Gi",
      code: 200,
      because: "a volume that is larger than declared keeps nobody from growing",
    },
    { volumeSize: "512Mi", size: "768Mi", code: 200, because: "the volumes have not grown that far" },
    { volumeSize: "512Mi", size: "512Mi", code: 200, because: "the growth was refused, and is taken back" },
    { volumeSize: undefined, size: "512Mi", code: 200, because: "no volume is bound, so there is none to shrink" },
  ])("of the size from 1Gi to $size with volumes of $volumeSize is answered $code: $because", async (row) => {
    const { metadata } = await create();
    const patch = (subresource: string, body: object) =>
      apiRequest(api, "PATCH", path(metadata.name, subresource), body, mergePatch);
    expect((await patch("/status", { status: { volumeSize: row.volumeSize } })).status).toBe(200);
    expect((await patch("", { spec: { storage: { size: row.size } } })).status).toBe(row.code);
  });

  test("that writes out the name which the Database has anyway is accepted", async () => {
    const { metadata } = await create();
    const spec = { databaseName: metadata.name, username: metadata.name };
    expect((await apiRequest(api, "PATCH", path(metadata.name), { spec }, mergePatch)).status).toBe(200);
  });
});

const ready = (name: string) => {
  const found = instances(1, { number: 1, patroni: leading });
  return { ...orders(), metadata: { ...orders().metadata, name, namespace }, found };
};

async function withStatus(): Promise<string> {
  const { metadata } = await create({ replicas: 3 });
  const { found, ...sample } = ready(metadata.name);
  const status = computeStatus(
    sample,
    { instances: found, facts: { provisioned: true, serverVersion: "17.11" } },
    new Date(),
  );
  const body = { apiVersion: sample.apiVersion, kind: sample.kind, metadata: { name: metadata.name }, status };
  const apply = `${path(metadata.name, "/status")}?fieldManager=holdfast&force=true`;
  const answer = await apiCall<Database>(api, "PATCH", apply, body, { contentType: "application/apply-patch+yaml" });
  expect(answer.status).toEqual(status);
  return metadata.name;
}

describe("status", () => {
  test("keeps all that we compute, and is not written with the spec", async () => {
    const name = await withStatus();
    const before = await apiCall<Database>(api, "GET", path(name));
    await apiCall(api, "PATCH", path(name), { status: { phase: "Failed" } }, mergePatch);
    const after = await apiCall<Database>(api, "GET", path(name));
    expect([after.status, after.metadata.generation]).toEqual([before.status, 1]);
  });

  test("refuses a phase and a reason that nobody could read", async () => {
    const { metadata } = await create();
    const condition = {
      type: "Ready",
      status: "True",
      reason: "no reason",
      message: "",
      lastTransitionTime: "2026-11-21T10:00:00Z",
    };
    const status = { phase: "Fine", conditions: [condition] };
    const answer = await apiRequest(api, "PATCH", path(metadata.name, "/status"), { status }, mergePatch);
    const { message } = answer.body as { message: string };
    expect(answer.status).toBe(422);
    expect(message).toContain("status.phase: Unsupported value");
    expect(message).toContain("status.conditions[0].reason: Invalid value");
  });

  test("is printed in columns", async () => {
    const name = await withStatus();
    const table = await printed(path(name));
    expect(table.columns).toEqual(["Name", "Phase", "Ready", "Primary", "Version", "Age", "Endpoint*", "Message*"]);
    expect(table.cells.filter((_, index) => index !== 5)).toEqual([
      name,
      "Updating",
      "1/1",
      "orders-1-0",
      "17.11",
      `${name}.${namespace}.svc:5432`,
      "the spec has not been looked at yet",
    ]);
  });

  test("gives the scale subresource its selector and count; scaling changes the spec", async () => {
    const name = await withStatus();
    interface Scale {
      spec: { replicas: number };
      status: { replicas: number; selector: string };
    }
    const scale = await apiCall<Scale>(api, "GET", path(name, "/scale"));
    expect([scale.spec, scale.status]).toEqual([
      { replicas: 3 },
      { replicas: 1, selector: `holdfast.dev/database=${name}` },
    ]);
    await apiCall(api, "PATCH", path(name, "/scale"), { spec: { replicas: 5 } }, mergePatch);
    expect((await apiCall<Database>(api, "GET", path(name))).spec.replicas).toBe(5);
    const tooMany = await apiRequest(api, "PATCH", path(name, "/scale"), { spec: { replicas: 11 } }, mergePatch);
    expect(tooMany.status).toBe(422);
  });
});
