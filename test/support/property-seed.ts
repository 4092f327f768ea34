// Properties take the run's seed, as everything else that is left to chance: a failing one prints its own, and the path to its case.
import * as fc from "fast-check";
import { testSeed } from "./test-seed.ts";

fc.configureGlobal({ seed: testSeed() });
