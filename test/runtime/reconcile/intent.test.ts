import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/runtime/kube/object.ts";
import { intentOf } from "../../../src/runtime/reconcile/intent.ts";

const metadata = { name: "orders", namespace: "shop" };

describe("what is sent (rule 47)", () => {
  test.each<{ because: string; desired: object; sent: object }>([
    {
      because: "what the server writes is not ours to say",
      desired: {
        metadata: {
          ...metadata,
          uid: "1",
          resourceVersion: "5",
          generation: 2,
          creationTimestamp: "2026-01-01T00:00:00Z",
          selfLink: "/x",
          managedFields: [{ manager: "kubectl" }],
          labels: { app: "orders" },
        },
      },
      sent: { metadata: { ...metadata, labels: { app: "orders" } } },
    },
    {
      because: "a status is written apart, at /status",
      desired: { metadata, spec: { a: 1 }, status: { phase: "Ready" } },
      sent: { metadata, spec: { a: 1 } },
    },
    {
      because: "null and undefined mean that we do not say, on every level",
      desired: { metadata, spec: { a: null, b: undefined, c: [{ d: null, e: 0 }], f: false, g: "" }, data: null },
      sent: { metadata, spec: { c: [{ e: 0 }], f: false, g: "" } },
    },
  ])("$because", ({ desired, sent }) => {
    const head = { apiVersion: "example.org/v1", kind: "Shop" };
    const object = { ...head, ...desired } as unknown as KubeObject;
    const before = structuredClone(object);
    expect(intentOf(object)).toEqual({ ...head, ...sent });
    expect(object).toEqual(before);
  });

  test("stringData of a Secret is sent as data, where the server keeps it", () => {
    const secret = { apiVersion: "v1", kind: "Secret", metadata, data: { a: "YQ==" }, stringData: { b: "ü" } };
    expect(intentOf(secret as KubeObject)).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata,
      data: { a: "YQ==", b: "w7w=" },
    });
  });
});
