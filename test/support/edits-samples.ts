// The Database whose every field is edited, and what the schema of the resource cannot know: other values for its fields.
// A new field of the schema needs a value in the spec, and where the schema leaves its values open, samples.
import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import type { DatabaseSpec } from "../../src/database/api.ts";
import type { EditableSchema, SampleTable } from "./schema-edits.ts";

/** The schema of `spec` in the CRD, as it is served. */
export function specSchema(): EditableSchema {
  const file = new URL("../../crds/databases.holdfast.dev.yaml", import.meta.url);
  const definition = load(readFileSync(file, "utf8")) as {
    spec: { versions: { schema: { openAPIV3Schema: EditableSchema } }[] };
  };
  const schema = definition.spec.versions[0]?.schema.openAPIV3Schema.properties?.["spec"];
  if (schema === undefined) throw new Error("the CRD has no schema of spec");
  return schema;
}

/** Pods of which anything is called so stay pending, as for want of an image or of a node. */
export const hopeless = "no-such";

/** Secrets of the user's that are there before anything is edited. */
export const secrets: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "shop-password": { password: "of the shop", other: "of the shop, too" },
  "other-password": { password: "other" },
};

const nodeRequirement = { key: "disk", operator: "In" as const, values: ["ssd", "nvme"] };
const nodeName = { key: "metadata.name", operator: "NotIn" as const, values: ["node-9"] };
const nodeTerm = { matchExpressions: [nodeRequirement], matchFields: [nodeName] };
const podRequirement = { key: "tier", operator: "In" as const, values: ["cache", "queue"] };
const podTerm = {
  topologyKey: "topology.kubernetes.io/zone",
  labelSelector: { matchLabels: { app: "shop", part: "front" }, matchExpressions: [podRequirement] },
};
const podTerms = {
  requiredDuringSchedulingIgnoredDuringExecution: [podTerm],
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: podTerm }],
};

/** Every field is set. */
export const wholeSpec: DatabaseSpec = {
  version: "17",
  image: "registry.example/pg:17-1",
  replicas: 2,
  databaseName: "goods",
  username: "clerk",
  passwordSecretRef: { name: "shop-password", key: "password" },
  storage: { size: "1Gi", storageClass: "standard" },
  resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "512Mi" } },
  parameters: { work_mem: "16MB", max_connections: 120 },
  placement: {
    spread: "Preferred",
    nodeSelector: { disk: "ssd", rack: "one" },
    tolerations: [
      { key: "dedicated", operator: "Equal", value: "postgres", effect: "NoExecute", tolerationSeconds: 60 },
      { key: "spot", operator: "Exists" },
    ],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [nodeTerm] },
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, preference: nodeTerm }],
      },
      podAffinity: podTerms,
      podAntiAffinity: podTerms,
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        minDomains: 1,
        topologyKey: "topology.kubernetes.io/zone",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: podTerm.labelSelector,
        nodeAffinityPolicy: "Honor",
        nodeTaintsPolicy: "Ignore",
      },
      { maxSkew: 2, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" },
    ],
  },
  deletionPolicy: "Retain",
  paused: false,
};

/** Only what must be there: what an edit takes away from the other. */
export const leastSpec: DatabaseSpec = { storage: { size: "1Gi" } };

const quantities = { raised: "1Ti", lowered: "10m", number: 2, "no quantity": "much" };

export const samples: SampleTable = {
  version: { unknown: "99" },
  image: { other: "registry.example/pg:17-2", missing: `registry.example/${hopeless}:17` },
  databaseName: { other: "wares", reserved: "postgres" },
  username: { other: "cashier", reserved: "pg_monitor" },
  "passwordSecretRef.name": { other: "other-password", missing: `${hopeless}-password`, ours: "orders-internal" },
  "passwordSecretRef.key": { other: "other", missing: `${hopeless}-key` },
  "storage.size": {
    raised: "2Gi",
    lowered: "512Mi",
    "the same otherwise": "1024Mi",
    "no quantity": "big",
    nothing: "0",
  },
  "storage.storageClass": { other: "fast", missing: `${hopeless}-class` },
  "resources.requests": { disk: { "ephemeral-storage": "1Gi" }, unknown: { gold: "1" } },
  "resources.limits": { disk: { "ephemeral-storage": "2Gi" } },
  "requests{}": quantities,
  "limits{}": quantities,
  parameters: {
    reloaded: { log_statement: "ddl" },
    boolean: { log_connections: true },
    fewer: { max_connections: 60 },
    more: { max_connections: 200 },
    library: { shared_preload_libraries: "pg_stat_statements" },
    owned: { port: "5433" },
    unsafe: { fsync: false },
    "no name": { "Work Mem": "1MB" },
  },
  "parameters{}": { other: "32MB", number: 8192, "line break": "1\n2" },
  nodeSelector: { other: { zone: "a" }, unmet: { zone: hopeless }, "no label": { "a b": "c" } },
  "nodeSelector{}": { other: "hdd", unmet: hopeless, "no label": "a b" },
  tolerations: { other: { key: "gpu", operator: "Exists", effect: "NoSchedule" }, all: { operator: "Exists" } },
  "tolerations[].key": { other: "reserved", "no key": "a b" },
  "tolerations[].value": { other: "mysql" },
  nodeSelectorTerms: { other: { matchExpressions: [{ key: "cpu", operator: "Gt", values: ["4"] }] } },
  matchExpressions: { other: { key: "gpu", operator: "DoesNotExist" } },
  "matchExpressions[].key": { other: "memory", "no key": "a b" },
  matchFields: { other: { key: "metadata.name", operator: "NotIn", values: ["node-8"] } },
  "matchFields[].key": { other: "metadata.labels" },
  values: { other: "hdd", unmet: hopeless },
  "values[]": { other: "hdd", number: "4" },
  topologyKey: { other: "rack", "no label": "a b" },
  matchLabels: { other: { tier: "web" }, "no label": { "a b": "c" } },
  "matchLabels{}": { other: "stock", "no label": "a b" },
  topologySpreadConstraints: {
    other: { maxSkew: 3, topologyKey: "rack", whenUnsatisfiable: "ScheduleAnyway" },
  },
};
