// Which instance is disturbed next, and why: the plan of a pass, at most one act. Pure; acts.ts does it.
import type { Act } from "./acts.ts";
import type { Database } from "../api.ts";
import type { Instance } from "../instances.ts";
import type { Unusable } from "../troubles/unusable-data.ts";
import { planReinitialization } from "./reinitialization.ts";
import { planDiscard, planReplacement } from "./replacement.ts";
import { planRestart, type RestartConditions } from "./restart.ts";
import { planRetirement } from "./retirement.ts";

/** The next act, or undefined when there is nothing to do or something to wait for. */
export function planRollout(
  database: Readonly<Database>,
  instances: readonly Instance[],
  conditions: RestartConditions & { readonly givenUp: ReadonlyMap<string, Unusable> },
): Act | undefined {
  return (
    planReplacement(database, instances) ??
    planRetirement(database, instances) ??
    planRestart(database, instances, conditions) ??
    planDiscard(database, instances) ??
    planReinitialization(instances, conditions)
  );
}
