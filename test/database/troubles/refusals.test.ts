import { describe, expect, test } from "vitest";
import { asRefusal, occurredAtMs, refusalChanged } from "../../../src/database/troubles/refusals.ts";
import type { KubeEvent } from "../../../src/runtime/index.ts";

/** As the StatefulSet controller's Event looks in events.k8s.io/v1. */
function event(more: Partial<KubeEvent> = {}): KubeEvent {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: {
      name: "orders-1.18",
      namespace: "shop",
      uid: "1",
      resourceVersion: "7",
      creationTimestamp: "2026-11-21T10:00:00Z",
    },
    eventTime: "",
    reportingController: "statefulset-controller",
    reportingInstance: "",
    action: "",
    reason: "FailedCreate",
    regarding: { apiVersion: "apps/v1", kind: "StatefulSet", name: "orders-1", namespace: "shop", uid: "set-1" },
    note: "exceeded quota: small",
    type: "Warning",
    deprecatedLastTimestamp: "2026-11-21T10:00:00Z",
    ...more,
  };
}

const at = (second: number): string => new Date(Date.UTC(2026, 10, 21, 10, 0, second)).toISOString();

test.each([
  { because: "it was written in the old way", given: event(), says: at(0) },
  { because: "it was counted", given: event({ deprecatedLastTimestamp: at(40) }), says: at(40) },
  { because: "it is a series", given: event({ series: { count: 2, lastObservedTime: at(50) } }), says: at(50) },
  {
    because: "it was written in the new way",
    given: event({ deprecatedLastTimestamp: undefined as never, eventTime: at(20) }),
    says: at(20),
  },
])("it happened last at $says: $because", ({ given, says }) => {
  expect(new Date(occurredAtMs(given)).toISOString()).toBe(says);
});

describe("a change of an Event", () => {
  const old = event();
  test.each([
    {
      because: "the controller tries again, and counts",
      object: event({ deprecatedLastTimestamp: at(20) }),
      news: false,
    },
    { because: "it is refused for another reason", object: event({ note: "denied" }), news: true },
    { because: "after a while it is another occasion", object: event({ deprecatedLastTimestamp: at(45) }), news: true },
  ])("is news: $news, since $because", ({ object, news }) => {
    expect(refusalChanged({ type: "updated", old, object })).toBe(news);
  });

  test("is news when it appears", () => {
    expect(refusalChanged({ type: "added", object: old })).toBe(true);
  });
});

test("what nobody reads is not kept", () => {
  const { metadata } = asRefusal(
    event({ metadata: { ...event().metadata, managedFields: [], annotations: { a: "b" } } }),
  );
  expect(metadata).toEqual(event().metadata);
});
