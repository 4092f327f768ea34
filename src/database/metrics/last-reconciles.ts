// What came of the last pass over each Database, for the metrics: also of one that could not write a status.
import type { Database, Reason } from "../api.ts";
import { reasonOf, waitsForEdit } from "../failures.ts";

export interface LastReconcile {
  /** `waits`: it failed, and waits for an edit; `error`: it failed, and is tried again. */
  readonly outcome: "success" | "waits" | "error";
  /** "" of a success. */
  readonly reason: Reason | "";
}

/** Held in memory, from one pass to the next, until the Database is forgotten. */
export class LastReconciles {
  readonly #last = new Map<string, LastReconcile>();

  /** @param failure undefined: the pass came to its end */
  tell({ metadata }: Readonly<Database>, failure?: unknown): void {
    this.#last.set(
      metadata.uid ?? "",
      failure === undefined
        ? { outcome: "success", reason: "" }
        : { outcome: waitsForEdit(failure) ? "waits" : "error", reason: reasonOf(failure) },
    );
  }

  /** undefined: nobody has looked at it yet. A namesake is another Database. */
  of({ metadata }: Readonly<Database>): LastReconcile | undefined {
    return this.#last.get(metadata.uid ?? "");
  }

  forget({ metadata }: Readonly<Database>): void {
    this.#last.delete(metadata.uid ?? "");
  }

  /** How many Databases are remembered. */
  get size(): number {
    return this.#last.size;
  }
}
