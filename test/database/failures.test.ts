import { expect, test } from "vitest";
import { mostUrgent } from "../../src/database/failures.ts";
import { ApiError, RetryAfterError, TerminalError } from "../../src/runtime/index.ts";

const terminal = new TerminalError("NameTaken", "taken");
const refused = new ApiError("refused", { status: 422, reason: "Invalid" });
const down = new ApiError("down", { status: 500, reason: "InternalError" });
const [soon, late] = [new RetryAfterError("terminating", 10_000), new RetryAfterError("contested", 60_000)];

test.each([
  { failures: [], chosen: undefined, because: "nothing failed" },
  {
    failures: [terminal, down],
    chosen: down,
    because: "what may pass is tried again although another waits for an edit",
  },
  { failures: [late, refused, down], chosen: down, because: "backoff begins at a second" },
  { failures: [late, terminal, soon], chosen: soon, because: "the nearest time comes first" },
  { failures: [refused, terminal], chosen: refused, because: "all wait for an edit" },
])("of $failures.length failures $chosen.message is the most urgent: $because", ({ failures, chosen }) => {
  expect(mostUrgent(failures)).toBe(chosen);
});
