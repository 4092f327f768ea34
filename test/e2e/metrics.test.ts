// Story: what Prometheus would be told by the operator of a real Patroni that is asked for a switchover, and of one that is not.
import { afterAll, beforeAll, expect, test } from "vitest";
import { apply, createNamespace, eventually, kubectl, untilReady } from "../support/kubectl.ts";
import { orders } from "../support/story.ts";

const namespace = "e2e-metrics";
const operators = process.env["HOLDFAST_OPERATOR_NAMESPACE"] ?? "holdfast-system";

beforeAll(() => createNamespace(namespace));
afterAll(() => kubectl("delete", "namespace", namespace, "--wait=false"));

/** The value of a series of `orders`, or undefined while there is none. */
async function served(metric: string, labels = ""): Promise<number | undefined> {
  const service = `/api/v1/namespaces/${operators}/services/holdfast-metrics:http/proxy/metrics`;
  const lines = (await kubectl("get", "--raw", service)).split("\n");
  const line = lines.find((text) => text.startsWith(`${metric}{namespace="${namespace}",name="orders"${labels}} `));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

const changes = async (): Promise<readonly (number | undefined)[]> => [
  await served("holdfast_database_failovers_total"),
  await served("holdfast_database_switchovers_total"),
];

async function untilChanges(expected: readonly number[]): Promise<void> {
  await eventually(`${expected[0]} failovers and ${expected[1]} switchovers`, async () => {
    expect(await changes()).toEqual(expected);
    return true;
  });
}

test("a Database is served as soon as it is Ready", async () => {
  await apply(orders(namespace, { replicas: 2 }));
  await untilReady(namespace, "orders");
  await eventually("it is served as ready", async () => (await served("holdfast_database_ready")) === 1);
  expect(await served("holdfast_database_instances", ',role="replica",state="serving"')).toBe(1);
  expect(await changes()).toEqual([0, 0]);
});

test("a switchover that Patroni was asked for is one, and a primary that is deleted is a failover", async () => {
  const before = (await untilReady(namespace, "orders"))["status"].primary as string;
  await kubectl("exec", "-n", namespace, before, "-c", "postgres", "--", "patronictl", "switchover", "--force");
  await untilChanges([0, 1]);
  const after = (await untilReady(namespace, "orders"))["status"].primary as string;
  expect(after).not.toBe(before);

  await kubectl("delete", "pod", after, "-n", namespace, "--wait=false");
  await untilChanges([1, 1]);
});
