// Edits: every field of the spec is changed in every way that the schema and the samples know. After each edit the world is that
// of a fresh Database of the new spec, and after its revert the earlier one. HOLDFAST_TEST_EDITS=all makes all edits, a part of
// their names only those; HOLDFAST_TEST_SEED repeats a choice.
import { expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import {
  editAndRevert,
  editAndThinkBetter,
  FreshWorlds,
  openSubject,
  type Subject,
  type Verdict,
} from "../support/edits-lane.ts";
import { createRandom, type Random } from "../support/edits-random.ts";
import { samples, specSchema, wholeSpec } from "../support/edits-samples.ts";
import { edited, editsOf, type Edit } from "../support/schema-edits.ts";
import { testSeed } from "../support/test-seed.ts";

const asked = process.env["HOLDFAST_TEST_EDITS"] ?? "";
const seed = testSeed();
/** Databases that are edited side by side: enough to keep two cores busy while each waits for something. */
const width = Number(process.env["HOLDFAST_TEST_WIDTH"] ?? 6);
/** Where not all edits are made: so many of each field of the spec, and of each of placement. */
const share = 2;
const walks = asked === "" ? 6 : 40;
const timeout = 4 * 3_600_000;

interface Case {
  readonly name: string;
  readonly run: (subject: Subject) => Promise<Verdict>;
}

test(
  "after each edit the world is that of a fresh Database, after its revert the earlier one",
  { timeout },
  async () => {
    const startedAt = performance.now();
    const controlPlane = await sharedControlPlane();
    await using fresh = new FreshWorlds(controlPlane);
    const edits = editsOf(specSchema(), wholeSpec, samples);
    const open = (): Promise<Subject> => openSubject(controlPlane, "edits", wholeSpec);
    const taken = await takenOf(edits, await open());

    const cases = [...chosen(taken).flatMap((edit) => casesOf(edit, fresh)), ...walksOf(taken, fresh)];
    const failures: string[] = [];
    const waiting = cases.values();
    /** Goes on with the same Database as long as it is again as it was. */
    async function lane(): Promise<void> {
      let subject: Subject | undefined;
      for (const { name, run } of waiting) {
        const fail = (what: string): number => failures.push(`${name}\n    ${what}`);
        try {
          subject ??= await open();
          const { failures: found, reverted } = await run(subject);
          if (found.length > 0) fail(found.slice(0, 8).join("\n    "));
          if (reverted) continue;
        } catch (error) {
          fail(String(error));
        }
        const last: Subject | undefined = subject;
        subject = undefined;
        await Promise.resolve(last?.[Symbol.asyncDispose]()).catch((error: unknown) => fail(String(error)));
      }
      await subject?.[Symbol.asyncDispose]();
    }
    await Promise.all(Array.from({ length: width }, lane));

    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(
      `edits (seed ${seed}): ${edits.length} of ${new Set(edits.map(({ field }) => field)).size} fields, ` +
        `${edits.length - taken.length} refused, ${cases.length} runs, ${failures.length} failures, ${seconds} s`,
    );
    const repeat = `HOLDFAST_TEST_SEED=${seed} HOLDFAST_TEST_EDITS="<name>" npx vitest run --project scenarios edits`;
    expect(failures.length === 0 ? "" : `${failures.join("\n")}\nrepeat one with ${repeat}`).toBe("");
  },
);

/** Those that the API server takes. It refuses the others and changes nothing. */
async function takenOf(edits: readonly Edit[], subject: Subject): Promise<readonly Edit[]> {
  await using _ = subject;
  const before = await subject.settled();
  const taken: Edit[] = [];
  for (const edit of edits) {
    const spec = edited(wholeSpec, edit);
    if (await subject.wouldTake(spec)) taken.push(edit);
    else expect(await subject.apply(spec), edit.name).toBe(false);
  }
  expect(await subject.look()).toEqual(before);
  return taken;
}

function chosen(taken: readonly Edit[]): readonly Edit[] {
  if (asked === "all") return taken;
  if (asked !== "") return taken.filter(({ name }) => asked.includes(name) || name.includes(asked));
  const fieldOf = ({ place }: Edit): string => place.slice(0, place[0] === "placement" ? 2 : 1).join(".");
  return [...Map.groupBy(taken, fieldOf)].flatMap(([field, edits]) => randomOf(field).some(edits, share));
}

/** Each is made and taken back twice: when it has come about, and while it is under way. */
function casesOf(edit: Edit, fresh: FreshWorlds): readonly Case[] {
  const spec = edited(wholeSpec, edit);
  const writes = randomOf(edit.name).upTo(8);
  return [
    { name: edit.name, run: (subject) => editAndRevert(subject, fresh, wholeSpec, spec) },
    {
      name: `${edit.name}, reverted after ${writes} writes`,
      run: (subject) => editAndThinkBetter(subject, wholeSpec, spec, writes),
    },
  ];
}

/** Several edits on top of each other, at once. What the first one did to volumes stays: sizes and classes are left out. */
function walksOf(taken: readonly Edit[], fresh: FreshWorlds): readonly Case[] {
  const edits = taken.filter(({ field }) => !field.startsWith("storage"));
  const all = Array.from({ length: walks }, (_, index): Case => {
    const name = `walk ${index + 1}`;
    const steps = randomOf(name).some(edits, 4);
    const specs = steps.map((_, last) => steps.slice(0, last + 1).reduce<DatabaseSpec>(edited, wholeSpec));
    return {
      name: `${name} (${steps.map((step) => step.name).join("; ")})`,
      run: (subject) => editAndRevert(subject, fresh, wholeSpec, ...(specs as [DatabaseSpec, ...DatabaseSpec[]])),
    };
  });
  return asked === "" || asked === "all" ? all : all.filter(({ name }) => name.startsWith(`${asked} `));
}

/** Of its own for each case, so that one alone goes as it went among others. */
const randomOf = (name: string): Random => createRandom(`${seed} ${name}`);
