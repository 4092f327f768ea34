import { expect, test } from "vitest";
import { ApiError, ConfigMap, type KubeClient } from "../../src/runtime/index.ts";
import { patientClient } from "./patient-client.ts";

const orders = { namespace: "shop", name: "orders" };
const failure = (status: number): ApiError => new ApiError("in vain", { status, reason: "Test" });

/** Each call fails with the next of these, then succeeds. */
function world(...statuses: readonly number[]) {
  const failures = statuses.map(failure);
  let calls = 0;
  const answer = async (): Promise<unknown> => {
    const error = failures[(calls += 1) - 1];
    if (error !== undefined) throw error;
    return undefined;
  };
  const inner = { get: answer, delete: answer, create: answer, patch: answer } as unknown as KubeClient;
  return { client: patientClient(inner), calls: () => calls };
}

test("what got no answer, or one of a server that is not well, is asked again", async () => {
  const { client, calls } = world(0, 429, 503);
  expect(await client.get(ConfigMap, orders)).toBeUndefined();
  expect(calls()).toBe(4);
});

test.for([403, 500])("an answer is an answer: %i", async (status) => {
  const { client, calls } = world(status);
  await expect(client.get(ConfigMap, orders)).rejects.toThrow("in vain");
  expect(calls()).toBe(1);
});

test.for([404, 409])(
  "a deletion of which the answer was lost is one, though the next is answered with %i",
  async (status) => {
    const { client } = world(0, status);
    await client.delete(ConfigMap, orders, { uid: "uid-1" });
  },
);

test("a deletion of what is not there fails", async () => {
  await expect(world(404).client.delete(ConfigMap, orders, { uid: "uid-1" })).rejects.toThrow("in vain");
});

test("what may have been done is not done twice", async () => {
  const { client, calls } = world(0);
  await expect(client.patch(ConfigMap, orders, [])).rejects.toThrow("in vain");
  expect(calls()).toBe(1);
});
