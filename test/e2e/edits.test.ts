// Story: a handful of the edits that scenarios/edits.test.ts makes, on a real cluster: after each the Database is as a fresh one of its
// spec, after its revert as before. Chance chooses them: HOLDFAST_TEST_SEED repeats a choice, HOLDFAST_TEST_EDITS is how many, "all",
// or a part of their names.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Database, type DatabaseSpec } from "../../src/database/api.ts";
import { imageOf } from "../../src/postgres/versions.ts";
import { createHttpClient, findConnection, type HttpClient } from "../../src/runtime/index.ts";
import { clusterSamples, clusterSpec, editOnCluster, openClusterSubject } from "../support/edits-cluster.ts";
import { databaseOf } from "../support/edits-lane.ts";
import { createRandom } from "../support/edits-random.ts";
import { specSchema } from "../support/edits-samples.ts";
import { createNamespace, kubectl, wouldTake } from "../support/kubectl.ts";
import { edited, editsOf, type Edit } from "../support/schema-edits.ts";
import { timed } from "../support/timed.ts";
import { testSeed } from "../support/test-seed.ts";

const asked = process.env["HOLDFAST_TEST_EDITS"] ?? "2";
const seed = testSeed();
/** Databases that are edited side by side, each with a fresh one beside it: they mostly wait. */
const width = Number(process.env["HOLDFAST_TEST_WIDTH"] ?? 2);
const namespace = "e2e-edits";

let client: HttpClient;
const opened: string[] = [];
beforeAll(async () => {
  client = createHttpClient({ connection: await findConnection(process.env), userAgent: "story" });
  await createNamespace(namespace);
});
afterAll(async () => {
  client.close();
  await kubectl("delete", "namespace", namespace, ...opened, "--wait=false", "--ignore-not-found");
});

test(
  "after an edit the Database is as a fresh one of that spec, after its revert as before",
  { timeout: 7_200_000 },
  async () => {
    const image = imageOf("17") ?? "";
    const base = clusterSpec(image, await defaultClass());
    const cases = (await chosen(editsOf(specSchema(), base, clusterSamples(image)), base)).entries();
    const failures: string[] = [];
    let count = 0;
    async function lane(): Promise<void> {
      for (const [index, edit] of cases) {
        count += 1;
        const [name, fresh] = [`${namespace}-${index}`, `${namespace}-${index}-fresh`];
        opened.push(name, fresh);
        const spec = edited(base, edit);
        const { value: found, seconds } = await timed(async () => {
          await using subject = await openClusterSubject(client, name, base);
          await using compared = await openClusterSubject(client, fresh, spec);
          return await editOnCluster(subject, compared, base, spec);
        }).catch((error: unknown) => ({ value: [String(error)], seconds: "?" }));
        console.log(`${edit.name}: ${found.length === 0 ? "as it must be" : "otherwise"}, ${seconds} s`);
        failures.push(...found.slice(0, 8).map((failure) => `${edit.name}: ${failure}`));
      }
    }
    const { seconds } = await timed(() => Promise.all(Array.from({ length: width }, lane)));
    console.log(`edits on a cluster (seed ${seed}): ${count} in ${seconds} s`);
    const repeat = `HOLDFAST_TEST_SEED=${seed} HOLDFAST_TEST_EDITS="${asked}" npm run e2e -- edits`;
    expect(failures.length === 0 ? "" : `${failures.join("\n")}\nrepeat it with ${repeat}`).toBe("");
  },
);

/** Of those that the API server takes: so many, each of another field, or all that were asked for. */
async function chosen(edits: readonly Edit[], base: DatabaseSpec): Promise<readonly Edit[]> {
  // Of one that is there: what can only be chosen once is taken of a new one.
  await client.apply(Database, databaseOf(namespace, { ...base, paused: true }), { fieldManager: "user" });
  const isTaken = (edit: Edit): Promise<boolean> => wouldTake(databaseOf(namespace, edited(base, edit)), "user");
  const most = Number(asked);
  if (Number.isNaN(most)) {
    const named = asked === "all" ? edits : edits.filter(({ name }) => name.includes(asked));
    const taken: Edit[] = [];
    for (const edit of named) if (await isTaken(edit)) taken.push(edit);
    return taken;
  }
  const fieldOf = ({ place }: Edit): string => place.slice(0, place[0] === "placement" ? 2 : 1).join(".");
  const taken = new Map<string, Edit>();
  for (const edit of createRandom(String(seed)).some(edits, edits.length)) {
    if (taken.size === most) break;
    if (!taken.has(fieldOf(edit)) && (await isTaken(edit))) taken.set(fieldOf(edit), edit);
  }
  expect([...taken.keys()]).toHaveLength(most);
  return [...taken.values()];
}

async function defaultClass(): Promise<string> {
  const { items } = JSON.parse(await kubectl("get", "storageclass", "-o", "json")) as { items: Record<string, any>[] };
  const isDefault = ({ metadata }: Record<string, any>): boolean =>
    metadata["annotations"]?.["storageclass.kubernetes.io/is-default-class"] === "true";
  return items.find(isDefault)?.["metadata"].name as string;
}
