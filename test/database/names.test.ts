import { describe, expect, test } from "vitest";
import {
  commonLabels,
  instanceLabels,
  instanceName,
  instanceNumber,
  instanceOfPod,
  namesOf,
  podName,
  serviceHost,
} from "../../src/database/names.ts";

test("every object of a Database has a name of its own", () => {
  const { patroniServices, service, serviceAccount, roleBinding, podDisruptionBudget, ...rest } = namesOf("orders");
  const services = [service, ...patroniServices, rest.replicasService, rest.podsService];
  const secrets = [rest.internalSecret, rest.credentialsSecret];
  expect(new Set(services).size).toBe(services.length);
  expect(new Set(secrets).size).toBe(secrets.length);
  expect([serviceAccount, roleBinding, podDisruptionBudget]).toEqual(["orders", "orders", "orders"]);
});

test.each([
  { name: "orders-1", number: 1, because: "an instance" },
  { name: "orders-12", number: 12, because: "two digits" },
  { name: "orders-0", number: undefined, because: "numbers begin with one" },
  { name: "orders-01", number: undefined, because: "orders-1 is written otherwise" },
  { name: "orders-1-0", number: undefined, because: "a Pod, of this Database or an instance of orders-1" },
  { name: "orders", number: undefined, because: "the Database itself" },
  { name: "orders-eu-1", number: undefined, because: "of another Database" },
  { name: "shop-1", number: undefined, because: "of another Database" },
])("the number of $name is $number: $because", ({ name, number }) => {
  expect(instanceNumber("orders", name)).toBe(number);
});

test.each([
  { pod: "orders-1-0", instance: "orders-1", because: "its StatefulSet has one Pod" },
  { pod: "orders-1-1", instance: undefined, because: "a second Pod is none of ours" },
  { pod: "orders-0", instance: undefined, because: "a StatefulSet of that name is none of ours" },
])("the instance of Pod $pod is $instance: $because", ({ pod, instance }) => {
  expect(instanceOfPod(pod)).toBe(instance);
});

describe("the longest name that is allowed", () => {
  const longest = "x".repeat(49);
  const instance = instanceName(longest, 99);

  test("leaves room for a StatefulSet's revision in a label", () => {
    // "<StatefulSet>-<ten characters>" is the label controller-revision-hash of its Pods.
    expect(`${instance}-${"h".repeat(10)}`.length).toBeLessThanOrEqual(63);
  });

  test("makes names and labels of at most 63 characters", () => {
    const names = Object.values(namesOf(longest)).flat();
    const labels = Object.values(instanceLabels(longest, instance));
    const tooLong = [...names, ...labels, podName(instance)].filter((text) => text.length > 63);
    expect(tooLong).toEqual([]);
  });
});

test("labels say what it is, whose it is and who made it", () => {
  expect(commonLabels("orders")).toEqual({
    "app.kubernetes.io/managed-by": "holdfast",
    "app.kubernetes.io/name": "postgresql",
    "app.kubernetes.io/instance": "orders",
  });
  expect(instanceLabels("orders", "orders-1")).toEqual({
    ...commonLabels("orders"),
    "holdfast.dev/database": "orders",
    "holdfast.dev/instance": "orders-1",
  });
});

test("a Service is reached by a name that holds in every namespace", () => {
  expect(serviceHost("orders", "shop")).toBe("orders.shop.svc");
});
