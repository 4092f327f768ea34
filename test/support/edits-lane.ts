// A Database that is edited, and fresh ones to compare it with: opens them, edits, waits until the world is as it must be.
import { setTimeout as sleep } from "node:timers/promises";
import { apiRequest } from "../../hack/cluster/api-request.ts";
import type { ControlPlane } from "../../hack/cluster/control-plane.ts";
import { Database, type DatabaseSpec } from "../../src/database/api.ts";
import { managedByHoldfast } from "../../src/database/names.ts";
import { ApiError, isRefused, resourcePath, Secret, type KubeClient, type Pod } from "../../src/runtime/index.ts";
import { differencesAfterEdit, differencesAfterRevert } from "./edits-oracle.ts";
import { hopeless, secrets } from "./edits-samples.ts";
import { conditionIn, differencesBetween, worldOf, type World } from "./edits-world.ts";
import { passes } from "./observations.ts";
import { isReady, openScenario, type RunningOperator, type Scenario } from "./scenario.ts";
import { snapshotOf } from "./snapshot.ts";

/** A retry is not what is tested here, so it need not be waited for. */
const backoff = { initialMs: 50, maxMs: 1_000, factor: 2, jitter: 0.2 };
/** For a machine that is busy with other things; what ends well never takes so long. */
const patienceMs = 180_000;
/** What waits for an edit has settled when nothing has changed for so long. */
const quietMs = 1_500;

/** A Database `orders` of some spec in a namespace of its own. */
export interface Subject extends AsyncDisposable {
  readonly scenario: Scenario;
  /** How many writes the operator has made. */
  readonly writes: () => number;
  /** @returns false when the API server refuses the spec, and has changed nothing */
  apply(spec: DatabaseSpec): Promise<boolean>;
  /** Whether the API server would take the spec. Changes nothing. */
  wouldTake(spec: DatabaseSpec): Promise<boolean>;
  look(): Promise<World>;
  /** Resolves with the world when it is Ready, or rests otherwise. */
  settled(): Promise<World>;
  /** Resolves when there are no differences and nothing is left to do; or with those that patience did not mend. */
  until(differences: (world: World) => readonly string[]): Promise<readonly string[]>;
}

export async function openSubject(controlPlane: ControlPlane, title: string, spec: DatabaseSpec): Promise<Subject> {
  const scenario = await openScenario(controlPlane, title);
  const { admin, namespace, postgres, standIn } = scenario;
  standIn.missImages((image) => image.includes(hopeless));
  standIn.refuseNodes((pod) => (wantsHopelessNode(pod) ? "0/1 nodes are available" : undefined));
  for (const [name, data] of Object.entries(secrets)) {
    const metadata = { name, namespace, labels: managedByHoldfast };
    await admin.create(Secret, { apiVersion: "v1", kind: "Secret", metadata, stringData: data });
  }
  let writes = 0;
  const operator = await scenario.start({ backoff, wrap: (inner) => counted(inner, () => (writes += 1)) });

  const look = async (): Promise<World> =>
    worldOf(await snapshotOf(admin, namespace, postgres.cluster(`${namespace}/orders`)));
  const subject: Subject = {
    scenario,
    writes: () => writes,
    apply: async (newSpec) => {
      const before = await scenario.database();
      try {
        await admin.apply(Database, databaseOf(namespace, newSpec), { fieldManager: "user" });
        return true;
      } catch (error) {
        if (!isInvalid(error)) throw error;
        const { generation } = (await scenario.database())?.metadata ?? {};
        if (generation !== before?.metadata.generation)
          throw new Error("a refused edit changed the spec", { cause: error });
        return false;
      }
    },
    wouldTake: async (newSpec) => {
      const path = `${resourcePath(Database, { namespace, name: "orders" })}?fieldManager=user&force=true&dryRun=All`;
      const contentType = "application/apply-patch+yaml";
      const body = databaseOf(namespace, newSpec);
      const { status } = await apiRequest(controlPlane.admin, "PATCH", path, body, { contentType });
      return status < 300;
    },
    look,
    settled: () => settled(scenario, operator, look),
    until: (differences) => until(operator, look, differences),
    [Symbol.asyncDispose]: () => scenario[Symbol.asyncDispose](),
  };
  if (!(await subject.apply(spec))) throw new Error(`${title}: the spec is refused`);
  return subject;
}

/** Only what must be met counts, not what is preferred. */
function wantsHopelessNode({ spec }: Pod): boolean {
  const { nodeAffinity, podAffinity } = spec?.affinity ?? {};
  const field = "requiredDuringSchedulingIgnoredDuringExecution";
  return JSON.stringify([spec?.nodeSelector, nodeAffinity?.[field], podAffinity?.[field]]).includes(hopeless);
}

export const databaseOf = (namespace: string, spec: DatabaseSpec): Database => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "Database",
  metadata: { name: "orders", namespace },
  spec,
});

/** By the schema or one of its rules. A value of a wrong type fails already where server-side apply reads it, with a 500. */
export const isInvalid = (error: unknown): boolean =>
  isRefused(error) || (error instanceof ApiError && error.status === 500 && /typed patch/.test(error.message));

/** The worlds of fresh Databases, each made once. Those that are not Ready stay open: they may only have been slow. */
export class FreshWorlds implements AsyncDisposable {
  readonly #controlPlane: ControlPlane;
  readonly #known = new Map<string, Promise<() => Promise<World>>>();
  readonly #open: Subject[] = [];

  constructor(controlPlane: ControlPlane) {
    this.#controlPlane = controlPlane;
  }

  /** The world of a fresh Database of that spec, as it is now. */
  async of(spec: DatabaseSpec): Promise<World> {
    const key = JSON.stringify(spec);
    const known = this.#known.get(key) ?? this.#make(spec);
    this.#known.set(key, known);
    return (await known)();
  }

  async #make(spec: DatabaseSpec): Promise<() => Promise<World>> {
    const subject = await openSubject(this.#controlPlane, "fresh", spec);
    const world = await subject.settled();
    if (conditionIn(world, "Ready")?.status === "True") {
      await subject[Symbol.asyncDispose]();
      return () => Promise.resolve(world);
    }
    this.#open.push(subject);
    return () => subject.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((subject) => subject[Symbol.asyncDispose]()));
  }
}

export interface Verdict {
  /** What is otherwise than it must be. */
  readonly failures: readonly string[];
  /** It is again as it was before: not after a failure, nor where an edit cannot be taken back. */
  readonly reverted: boolean;
}

/**
 * Edits, and compares with a fresh Database; puts it back, and compares with before.
 * @param specs one after the other, without waiting for what comes of them
 */
export async function editAndRevert(
  subject: Subject,
  fresh: FreshWorlds,
  base: DatabaseSpec,
  ...specs: readonly [DatabaseSpec, ...DatabaseSpec[]]
): Promise<Verdict> {
  const before = await subject.settled();
  // In a walk one edit may not go with another.
  let last: DatabaseSpec | undefined;
  for (const spec of specs) if (await subject.apply(spec)) last = spec;
  if (last === undefined) return { failures: ["it is refused now, and was not before"], reverted: false };
  const single = specs.length === 1 ? before : undefined;
  const spec = last;
  let expected = await fresh.of(spec);
  let lookAgainAt = performance.now() + 5_000;
  const failures = await subject.until((world) => {
    const differences = differencesAfterEdit(single, expected, world);
    if (differences.length > 0 && performance.now() > lookAgainAt) {
      lookAgainAt += 5_000;
      fresh.of(spec).then(
        (again) => (expected = again),
        () => undefined,
      );
    }
    return differences;
  });
  if (failures.length > 0) return { failures, reverted: false };
  return revert(subject, before, base);
}

/** Edits, and reverts when the operator has made some writes since, or had the time to. */
export async function editAndThinkBetter(
  subject: Subject,
  base: DatabaseSpec,
  spec: DatabaseSpec,
  writes: number,
): Promise<Verdict> {
  const before = await subject.settled();
  const enough = subject.writes() + writes;
  await subject.apply(spec);
  const deadline = performance.now() + 2_000;
  while (subject.writes() < enough && performance.now() < deadline) await sleep(5);
  return revert(subject, before, base);
}

async function revert(subject: Subject, before: World, base: DatabaseSpec): Promise<Verdict> {
  if (!(await subject.apply(base))) return { failures: [], reverted: false };
  const failures = await subject.until((world) => differencesAfterRevert(before, world));
  // Volumes that grew meanwhile stay as large as they are: the next edit would be compared with smaller ones.
  const reverted = failures.length === 0 && differencesBetween(before, await subject.look()).length === 0;
  return { failures: failures.map((failure) => `after the revert: ${failure}`), reverted };
}

async function settled(scenario: Scenario, operator: RunningOperator, look: () => Promise<World>): Promise<World> {
  const deadline = performance.now() + patienceMs;
  let last: { world: World; count: number; since: number } | undefined;
  while (performance.now() < deadline) {
    const [world, count] = [await look(), await passes(operator)];
    const database = await scenario.database();
    const same = last?.count === count && differencesBetween(last.world, world).length === 0;
    if (!same) last = { world, count, since: performance.now() };
    const quietFor = performance.now() - (last?.since ?? 0);
    if (isReady(database) ? quietFor > 250 : hasVerdict(world) && quietFor > quietMs) return world;
    await sleep(200);
  }
  throw new Error(`the Database does not come to rest: ${JSON.stringify(last?.world["Database orders"].status)}`);
}

export const hasVerdict = (world: World): boolean =>
  (conditionIn(world, "Ready") as { observedGeneration?: string } | undefined)?.observedGeneration === "<current>";

async function until(
  operator: RunningOperator,
  look: () => Promise<World>,
  differences: (world: World) => readonly string[],
): Promise<readonly string[]> {
  const deadline = performance.now() + patienceMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 1.3, 1_000)) {
    const count = await passes(operator);
    const found = differences(await look());
    if (found.length === 0) {
      await sleep(200);
      if ((await passes(operator)) === count && differences(await look()).length === 0) return [];
    }
    if (performance.now() > deadline) return found.length > 0 ? found : ["the operator does not come to rest"];
    await sleep(pauseMs);
  }
}

function counted(inner: KubeClient, count: () => void): KubeClient {
  const isNews = ({ plural }: { plural: string }): boolean => plural !== "events" && plural !== "leases";
  return {
    ...inner,
    create: (kind, ...rest) => (isNews(kind) && count(), inner.create(kind, ...rest)),
    apply: (kind, ...rest) => (isNews(kind) && count(), inner.apply(kind, ...rest)),
    patch: (kind, ...rest) => (isNews(kind) && count(), inner.patch(kind, ...rest)),
    delete: (kind, ...rest) => (isNews(kind) && count(), inner.delete(kind, ...rest)),
  };
}
