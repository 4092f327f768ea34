import { expect, test } from "vitest";
import { InvalidSpec } from "../../src/database/api.ts";
import { errorPolicy } from "../../src/database/controller.ts";
import { ApiError, awaitChange, requeue, RetryAfterError, TerminalError } from "../../src/runtime/index.ts";

test.each([
  {
    error: new TerminalError("NameTaken", "Service shop/orders exists already"),
    outcome: requeue(30_000),
    because: "what is in the way is not watched",
  },
  { error: new InvalidSpec("ParameterRefused", "port"), outcome: awaitChange, because: "only an edit can help" },
  { error: new RetryAfterError("contested", 60_000), outcome: requeue(60_000), because: "it says itself when" },
  {
    error: new ApiError("down", { status: 503, reason: "ServiceUnavailable" }),
    outcome: { type: "backoff" },
    because: "it may pass",
  },
])("after $error.message: $outcome.type, because $because", ({ error, outcome }) => {
  expect(errorPolicy(error)).toEqual(outcome);
});
