import { expect, test } from "vitest";
import type { DatabaseStatus, Reason } from "../../src/database/api.ts";
import { warningOf } from "../../src/database/warnings.ts";

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

const warning = { type: "Warning", reason: "ImageUnavailable", action: "Observe", message: "why" };

test.each([
  { because: "it begins", before: ready("Creating"), after: ready("ImageUnavailable"), warns: warning },
  { because: "nothing was said before", before: undefined, after: ready("ImageUnavailable"), warns: warning },
  {
    because: "the cause is another one now",
    before: ready("ImageUnavailable", "because"),
    after: ready("ImageUnavailable"),
    warns: warning,
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
    after: {
      conditions: [...ready("NoPrimary").conditions!, { ...ready("RollingOut").conditions![0]!, type: "Progressing" }],
    },
    warns: undefined,
  },
  {
    because: "nobody leads",
    before: ready("AsDeclared"),
    after: ready("NoPrimary"),
    warns: { ...warning, reason: "NoPrimary" },
  },
  { because: "nothing is known", before: undefined, after: {}, warns: undefined },
])("warns of $warns.reason: $because", ({ before, after, warns }) => {
  expect(warningOf(before, after)).toEqual(warns);
});
