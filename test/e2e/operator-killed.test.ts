// Story: the operator dies while a Database is being made; its successor finishes, and an idle restart writes nothing.
import { afterAll, beforeAll, expect, test } from "vitest";
import { apply, createNamespace, eventually, kubectl, read, readAll, untilReady } from "../support/kubectl.ts";
import { orders } from "../support/story.ts";

const namespace = "e2e-operator";
const operatorNamespace = process.env["HOLDFAST_OPERATOR_NAMESPACE"] ?? "holdfast-system";

beforeAll(() => createNamespace(namespace));
afterAll(() => kubectl("delete", "namespace", namespace, "--wait=false"));

async function killOperator(): Promise<void> {
  const pods = await readAll(operatorNamespace, "pods", "app.kubernetes.io/name=holdfast");
  const names = pods.map((pod) => pod["metadata"].name as string);
  await kubectl("delete", "pod", ...names, "-n", operatorNamespace, "--grace-period=0", "--force");
}

test("killed in the middle of a creation, the operator ends it after its restart", async () => {
  await apply(orders(namespace, { replicas: 3 }));
  await eventually("the first StatefulSet", () => read(namespace, "statefulset", "orders-1"), 60_000);
  await killOperator();
  const database = await untilReady(namespace, "orders");
  expect(database["status"]).toMatchObject({ replicas: 3, readyReplicas: 3 });
});

test("restarted over Databases at rest, the operator writes nothing to them", async () => {
  const versions = async () =>
    (
      await Promise.all(
        ["statefulsets", "services", "secrets", "configmaps", "pvc", "databases"].map((kind) =>
          readAll(namespace, kind),
        ),
      )
    )
      .flat()
      .map((object) => `${object["kind"]}/${object["metadata"].name} ${object["metadata"].resourceVersion}`);
  const before = await versions();
  await killOperator();
  await kubectl("rollout", "status", "deployment", "-n", operatorNamespace, "--timeout=120s");
  await eventually("the new operator leads", async () => {
    const lease = await read(operatorNamespace, "lease", "holdfast");
    const pods = await readAll(operatorNamespace, "pods", "app.kubernetes.io/name=holdfast");
    return pods.some((pod) => (lease?.["spec"].holderIdentity as string | undefined)?.includes(pod["metadata"].name));
  });
  // Leading, it reconciles each Database at once; what it would write would be written within seconds.
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  expect(await versions()).toEqual(before);
});
