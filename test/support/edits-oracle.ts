// What the world must be after an edit: that of a fresh Database of the new spec, with what an existing one keeps. Pure.
import { amountOf } from "../../src/database/quantity.ts";
import { conditionIn, differencesBetween, type World } from "./edits-world.ts";

/**
 * How the world after an edit differs from what it must be, as sentences.
 *
 * A fresh Database of the new spec that is Ready says all. One that is not says only what is declared, since an existing one
 * has more to lose: what the fresh one did not make stays as it was, and it still serves.
 * @param before of the Database that was edited; undefined when that does not matter any more, after several edits
 */
export function differencesAfterEdit(before: World | undefined, fresh: World, after: World): readonly string[] {
  if (conditionIn(fresh, "Ready")?.status === "True") {
    return differencesBetween(before === undefined ? fresh : withKeptVolumes(fresh, before), after);
  }
  const stillServes = conditionIn(after, "Available")?.status === "True" ? [] : ["it does not serve any more"];
  const isReady = conditionIn(after, "Ready")?.status === "True" ? ["it is Ready, but a fresh one is not"] : [];
  const [declared, was, is] = [fresh, before ?? after, after].map(declaredIn) as [World, World, World];
  const kept = withKeptVolumes(declared, was);
  const rolledOut = Object.keys(fresh).some((key) => key.startsWith("StatefulSet "));
  const [expected, found] = [conditionIn(fresh, "Ready")?.reason, conditionIn(after, "Ready")?.reason];
  const verdict = expected === found ? [] : [`Ready is false for ${found}, for a fresh one for ${expected}`];
  if (rolledOut) return [...stillServes, ...isReady, ...verdict, ...differencesBetween({ ...was, ...kept }, is)];

  // Nothing was rolled out, so nothing may have changed but the verdict.
  const standing = before === undefined ? [] : differencesOfStanding(before, kept, after);
  return [...stillServes, ...isReady, ...verdict, ...standing];
}

/** How the world after an edit that was taken back differs from that before it, as sentences. */
export function differencesAfterRevert(before: World, after: World): readonly string[] {
  return differencesBetween(withGrownVolumes(before, after), after);
}

/** A volume that had grown before the edit was taken back does not shrink: it is as large as it is, and says so. */
function withGrownVolumes(before: World, after: World): World {
  const volumes = Object.entries(after).filter(([key]) => key.startsWith("PersistentVolumeClaim "));
  const sizes = volumes.flatMap(([key, { spec, status }]) => {
    const size = spec.resources.requests.storage as string;
    const had = before[key]?.spec.resources.requests.storage as string | undefined;
    const grew = had !== undefined && size === status.capacity?.storage && amountOf(size) > amountOf(had);
    return grew ? [[key, size] as const] : [];
  });
  const world = structuredClone(before) as Record<string, any>;
  for (const [key, size] of sizes) {
    world[key].spec.resources.requests.storage = size;
    world[key].status.capacity.storage = size;
    world["Database orders"].status.volumeSize = size;
  }
  return world;
}

/**
 * Volumes that are there stay what they are, but for their size: a change of the class concerns only those that are made after
 * it, and who was primary last is marked on them where somebody was.
 */
function withKeptVolumes(fresh: World, before: World): World {
  const entries = Object.entries(fresh).map(([key, volume]) => {
    const kept = key.startsWith("PersistentVolumeClaim ") ? before[key] : undefined;
    if (kept === undefined) return [key, volume];
    const { storageClassName } = kept.spec;
    return [key, { ...volume, spec: { ...volume.spec, storageClassName }, metadata: kept.metadata }];
  });
  return Object.fromEntries(entries) as World;
}

/** What the operator declares: without what runs, and what others report. */
function declaredIn(world: World): World {
  const entries = Object.entries(world)
    .filter(([key]) => !/^(Pod|Endpoints|ControllerRevision|PostgreSQL)\b/.test(key))
    .map(([key, object]) => {
      const { status: _, metadata, ...declared } = object;
      const managers = metadata.managers?.filter(
        ({ subresource }: { subresource?: string }) => subresource !== "status",
      );
      return [key, { ...declared, metadata: { ...metadata, managers } }];
    });
  return Object.fromEntries(entries) as World;
}

/** The verdict of the Database aside, everything is as it was. */
function differencesOfStanding(before: World, declared: World, after: World): readonly string[] {
  const expected = Object.entries(before).map(([key, object]) => {
    const { metadata, ...rest } = declared[key] ?? object;
    const managers = metadata?.managers;
    return [key, { ...object, ...rest, ...(metadata === undefined ? {} : { metadata: { ...metadata, managers } }) }];
  });
  const name = "Database orders";
  const silent = ({ [name]: database, ...rest }: World): World => ({ ...rest, ...declaredIn({ [name]: database }) });
  return differencesBetween(silent(Object.fromEntries(expected) as World), silent(after));
}
