import { describe, expect, test } from "vitest";
import { podChanges } from "../../../src/database/rollout/pod-changes.ts";
import { podTemplate } from "../../../src/database/pod-template.ts";
import type { Pod } from "../../../src/runtime/index.ts";
import { instances, resolveOrders } from "../../support/orders.ts";
import type { DatabaseSpec } from "../../../src/database/api.ts";

/** What the API server puts into every Pod. */
const added = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
];

const specOf = (spec: Partial<DatabaseSpec>) => {
  const template = podTemplate(resolveOrders(spec), "orders-1");
  if (template.spec === undefined) throw new Error("a template without a spec");
  return template.spec;
};

function changes(from: Partial<DatabaseSpec>, to: Partial<DatabaseSpec>): string {
  const [instance] = instances(undefined, { number: 1 });
  const before = specOf(from);
  const pod = { ...instance?.pod, spec: { ...before, tolerations: [...(before.tolerations ?? []), ...added] } } as Pod;
  const statefulSet = {
    ...instance?.statefulSet,
    spec: { ...instance?.statefulSet?.spec, template: { spec: specOf(to) } },
  };
  return podChanges({ ...instance, pod, statefulSet } as Parameters<typeof podChanges>[0]);
}

describe("what is not as declared", () => {
  const tolerations = [{ key: "dedicated", operator: "Exists" }] as const;
  const resources = { requests: { memory: "1Gi" } };
  test.each<{ from?: Partial<DatabaseSpec>; to: Partial<DatabaseSpec>; said: string }>([
    { to: { image: "holdfast/postgres:17-2" }, said: "image changed" },
    { to: { resources }, said: "resources changed" },
    { to: { placement: { nodeSelector: { disk: "ssd" } } }, said: "placement changed" },
    { to: { placement: { spread: "Required" } }, said: "placement changed" },
    { to: { placement: { tolerations: [...tolerations] } }, said: "placement changed" },
    { from: { placement: { tolerations: [...tolerations] } }, to: {}, said: "placement changed" },
    { to: { image: "holdfast/postgres:17-2", resources }, said: "image, resources changed" },
    { to: {}, said: "its template changed" },
  ])("$said: $to", ({ from = {}, to, said }) => {
    expect(changes(from, to)).toBe(said);
  });
});

test("without a Pod or a StatefulSet nothing is told apart", () => {
  const [instance] = instances(undefined, { number: 1, pod: false });
  expect(instance === undefined ? undefined : podChanges(instance)).toBe("its template changed");
});
