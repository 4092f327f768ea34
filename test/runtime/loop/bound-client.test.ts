import { describe, expect, test } from "vitest";
import type { CallOptions, KubeClient } from "../../../src/runtime/kube/client.ts";
import { Secret } from "../../../src/runtime/kube/kinds.ts";
import { boundClient } from "../../../src/runtime/loop/bound-client.ts";

const ref = { namespace: "shop", name: "orders" };
const secret: Secret = { apiVersion: "v1", kind: "Secret", metadata: { ...ref, uid: "1", resourceVersion: "7" } };

/** Answers everything, and keeps what it was asked. */
function recording() {
  const calls: { call: string; signal: AbortSignal | undefined }[] = [];
  const answer =
    (call: string, value: unknown) =>
    async (...given: unknown[]) => {
      calls.push({ call, signal: (given.at(-1) as CallOptions | undefined)?.signal });
      return value;
    };
  const writes = Object.fromEntries(
    ["create", "apply", "applyStatus", "patch"].map((call) => [call, answer(call, secret)]),
  );
  const reads = { get: answer("get", secret), list: answer("list", { items: [], resourceVersion: "1" }) };
  return { calls, client: { ...reads, ...writes, delete: answer("delete", undefined) } as unknown as KubeClient };
}

const applyOptions = { fieldManager: "holdfast" };
const reads = (client: KubeClient) => [() => client.get(Secret, ref), () => client.list(Secret)];
const writes = (client: KubeClient) => [
  () => client.create(Secret, secret),
  () => client.apply(Secret, secret, applyOptions),
  () => client.applyStatus(Secret, secret, applyOptions),
  () => client.patch(Secret, ref, []),
  () => client.delete(Secret, ref, { uid: "1" }),
];

describe("a bound client", () => {
  test("gives every call its signal, unless the call has one of its own", async () => {
    const { calls, client } = recording();
    const { signal } = new AbortController();
    const bound = boundClient(client, { signal });
    for (const call of [...reads(bound), ...writes(bound)]) await call();
    expect(calls).toHaveLength(7);
    expect(calls.every((each) => each.signal === signal)).toBe(true);
    const own = new AbortController().signal;
    await bound.get(Secret, ref, { signal: own });
    expect(calls.at(-1)?.signal).toBe(own);
  });

  test("sends no write whose condition does not hold any more, and still reads", async () => {
    const { calls, client } = recording();
    const bound = boundClient(client, {
      beforeWrite: () => {
        throw new Error("the lease is lost");
      },
    });
    for (const write of writes(bound)) await expect(write()).rejects.toThrow("the lease is lost");
    expect(calls).toEqual([]);
    for (const read of reads(bound)) await read();
    expect(calls.map((each) => each.call)).toEqual(["get", "list"]);
  });

  test("tells what was written, but not what was deleted", async () => {
    const told: unknown[] = [];
    const bound = boundClient(recording().client, { afterWrite: (object) => told.push(object) });
    for (const call of [...reads(bound), ...writes(bound)]) await call();
    expect(told).toEqual([secret, secret, secret, secret]);
  });
});
