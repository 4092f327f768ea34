import { expect, test } from "vitest";
import type { DatabaseStatus, Reason } from "../../../src/database/api.ts";
import { warnedOf, warningOf } from "../../../src/database/troubles/warnings.ts";
import { orders } from "../../support/orders.ts";

function ready(reason: Reason, message = "why"): DatabaseStatus {
  const condition = {
    type: "Ready",
    status: "False",
    reason,
    message,
    lastTransitionTime: "2026-11-21T10:00:00Z",
  } as const;
  return { conditions: [condition] };
}

/** While instances are restarted one by one. */
function rolling({ conditions: [condition] = [] }: DatabaseStatus): DatabaseStatus {
  return { conditions: [condition!, { ...condition!, type: "Progressing", reason: "RollingOut" }] };
}

const warning = { type: "Warning", reason: "ImageUnavailable", action: "Observe", message: "why" };

test.each([
  { because: "it begins", before: ready("Creating"), after: ready("ImageUnavailable"), warns: warning },
  { because: "nothing was said before", before: undefined, after: ready("ImageUnavailable"), warns: warning },
  {
    because: "one more instance has it",
    before: ready("Unschedulable", "orders-1-0: 0/3 nodes are available"),
    after: ready("Unschedulable", "orders-1-0, orders-2-0: 0/3 nodes are available"),
    warns: { ...warning, reason: "Unschedulable", message: "orders-1-0, orders-2-0: 0/3 nodes are available" },
  },
  {
    because: "one instance less has it",
    before: ready("Unschedulable", "orders-1-0, orders-2-0: 0/3 nodes are available"),
    after: ready("Unschedulable", "orders-2-0: 0/3 nodes are available"),
    warns: undefined,
  },
  {
    because: "other instances serve meanwhile, and the scheduler counts anew",
    before: ready("Unschedulable", "1 of 3 instances serve: orders-3-0: 0/3 nodes are available: 3 Insufficient cpu."),
    after: ready("Unschedulable", "2 of 3 instances serve: orders-3-0: 0/4 nodes are available: 1 node had a taint."),
    warns: undefined,
  },
  {
    because: "a volume and its Pod are one instance",
    before: ready("QuotaExceeded", 'persistentvolumeclaims "orders-1" is forbidden'),
    after: ready("QuotaExceeded", 'pods "orders-1-0" is forbidden'),
    warns: undefined,
  },
  {
    because: "it waits for another edit",
    before: ready("ParameterRefused", "parameter port"),
    after: ready("ParameterRefused", "parameter ssl"),
    warns: { ...warning, reason: "ParameterRefused", message: "parameter ssl" },
  },
  {
    because: "it waits for an edit still",
    before: ready("ParameterRefused"),
    after: ready("ParameterRefused"),
    warns: undefined,
  },
  { because: "it lasts", before: ready("ImageUnavailable"), after: ready("ImageUnavailable"), warns: undefined },
  { because: "it is over", before: ready("ImageUnavailable"), after: ready("AsDeclared"), warns: undefined },
  {
    because: "it belongs to the ordinary course",
    before: ready("Creating"),
    after: ready("VolumePending"),
    warns: undefined,
  },
  {
    because: "a rollout hands the primary over",
    before: ready("RollingOut"),
    after: rolling(ready("NoPrimary")),
    warns: undefined,
  },
  {
    because: "the rollout is over, and still nobody leads",
    before: rolling(ready("NoPrimary")),
    after: ready("NoPrimary"),
    warns: { ...warning, reason: "NoPrimary" },
  },
  {
    because: "nobody leads",
    before: ready("AsDeclared"),
    after: ready("NoPrimary"),
    warns: { ...warning, reason: "NoPrimary" },
  },
  {
    because: "nobody leads, and the instances go through their states",
    before: ready("NoPrimary", "no primary: orders-1-0 is starting, not ready"),
    after: ready("NoPrimary", "no primary: orders-1-0 is stopped, not ready"),
    warns: undefined,
  },
  { because: "nothing is known", before: undefined, after: {}, warns: undefined },
])("warns of $warns.reason: $because", ({ before, after, warns }) => {
  expect(warningOf(orders({}, before === undefined ? {} : { status: before }), after)).toEqual(warns);
});

test.each([
  { status: ready("NameTaken"), warned: { reason: "NameTaken", message: "why" }, because: "it waits for an edit" },
  { status: ready("Unreachable"), warned: undefined, because: "it may pass before anybody reads it" },
  { status: rolling(ready("NoPrimary")), warned: undefined, because: "it passes by itself" },
  { status: undefined, warned: undefined, because: "nothing was said yet" },
])("the status tells of $warned.reason: $because", ({ status, warned }) => {
  expect(warnedOf(status)).toEqual(warned);
});
