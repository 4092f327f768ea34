// What one pass over a Database found out: everything that its status may say. Types only.
import type { ChildFailure } from "../runtime/index.ts";
import type { Remark } from "./api.ts";
import type { AppliedDatabase } from "./children/index.ts";
import type { Instance } from "./instances.ts";
import type { ResolvedDatabase } from "./resolve.ts";
import type { Trouble } from "./troubles/troubles.ts";

/** What one pass found out. What it did not come to is absent. */
export interface Pass {
  readonly resolved?: ResolvedDatabase | undefined;
  readonly applied?: AppliedDatabase | undefined;
  readonly instances?: readonly Instance[] | undefined;
  /** What is wrong with instances, the most telling first. */
  readonly troubles?: readonly Trouble[] | undefined;
  /** What was seen outside. */
  readonly facts?: ProvisionedFacts | undefined;
  /** What a planned act (rollout, retirement, cleanup) is doing or waiting for. */
  readonly progress?: Remark | undefined;
  /** What ended the pass early. */
  readonly failure?: unknown;
  /** Children that failed. */
  readonly failures?: readonly ChildFailure[] | undefined;
}

export interface ProvisionedFacts {
  /** Role, database and configuration are as declared. */
  readonly provisioned: boolean;
  /** Pods of replicas that have not taken the parameters up in the time that it can take. */
  readonly behind?: readonly string[];
  readonly serverVersion: string;
}
