// What an operator may never do, whatever happens to it: one rule for each, judged by what there was when it wrote. Pure.
// I6, no Pod without TLS where the spec asks for it, waits for such a field of the spec. I3 and I12 are about states
// (invariants-states.ts), I10 and I13 to I15 about a whole run (fault-oracles.ts, fault-story.ts).
import { Database } from "../../src/database/api.ts";
import { annotations, commonLabels, fieldManager, finalizer, labels } from "../../src/database/names.ts";
import {
  Endpoints,
  PersistentVolumeClaim,
  Pod,
  resourceName,
  Secret,
  StatefulSet,
  type Kind,
  type KubeObject,
} from "../../src/runtime/index.ts";
import { databaseNameOf, ownerUidOf, type Evidence, type Write } from "./invariants-evidence.ts";

export interface Rule {
  readonly name: "I1" | "I2" | "I4" | "I5" | "I7" | "I8" | "I9" | "I16";
  readonly because: string;
  /** Also a write that the API server did not carry out breaks it. */
  readonly ofAttempts?: true;
  /** What is wrong, as the end of a sentence about the object; undefined if nothing is. */
  readonly judge: (evidence: Evidence) => string | undefined;
}

const is = ({ kind }: Write, other: Kind<any>): boolean => resourceName(kind) === resourceName(other);
const isInternal = ({ kind, ref }: Write): boolean => kind.kind === Secret.kind && ref.name.endsWith("-internal");
const isGoing = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;
const isRetired = ({ metadata }: KubeObject): boolean => metadata.annotations?.[annotations.retired] !== undefined;
/** It was retired to be removed. */
const isDoomed = ({ metadata }: KubeObject): boolean => metadata.annotations?.[annotations.retired] === "Delete";
const isBound = (volume: KubeObject): boolean => (volume as PersistentVolumeClaim).status?.phase === "Bound";
/** The deletion concerns the object that was there. */
const hits = ({ write, before }: Evidence): boolean => before !== undefined && before.metadata.uid === write.uid;

export const rules: readonly Rule[] = [
  {
    name: "I1",
    because:
      "a volume holds data: it goes only with its Database, or retired, and both only where the policy is Delete",
    judge: (evidence) => {
      const { write, before, databases } = evidence;
      if (write.verb !== "delete" || !is(write, PersistentVolumeClaim) || !hits(evidence)) return undefined;
      // Never bound, or lost: there is nothing in it.
      if (before === undefined || !isBound(before)) return undefined;
      const owners = databases.filter(({ metadata }) => metadata.uid === ownerUidOf(before));
      const mayGo = owners.some(
        (owner) => owner.spec.deletionPolicy === "Delete" && (isGoing(owner) || isDoomed(before)),
      );
      return mayGo ? undefined : "was deleted, and neither its Database nor a retirement says so";
    },
  },
  {
    name: "I2",
    because: "a namesake made since must not be hit; what holds data or passwords goes only as it was seen",
    ofAttempts: true,
    judge: ({ write }) => {
      if (write.verb !== "delete") return undefined;
      if (!write.uid) return "was deleted without its uid";
      const isPrecious = is(write, PersistentVolumeClaim) || is(write, Secret);
      return isPrecious && !write.resourceVersion ? "was deleted without its resourceVersion" : undefined;
    },
  },
  {
    name: "I4",
    because: "volumes cannot be opened with other passwords than those they were made with",
    judge: ({ write, before, volumes, statefulSets }) => {
      if (!isInternal(write)) return undefined;
      if (write.verb === "apply") return "was applied";
      const isMark = (path: string): boolean => path.startsWith("/metadata/");
      if (write.patch?.some(({ op, path }) => op !== "test" && !isMark(path)) === true) return "was patched";
      const users = [...volumes.filter((volume) => !isRetired(volume)), ...statefulSets].filter(
        (user) => !isGoing(user),
      );
      if (write.verb !== "create" || before !== undefined || users.length === 0) return undefined;
      return `was made anew beside ${users.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(", ")}`;
    },
  },
  {
    name: "I5",
    because: "a Pod that starts without what its template refers to fails, and stays so",
    judge: ({ write, absent }) =>
      absent.length > 0 && write.verb !== "delete" ? `refers to what is not there: ${absent.join(", ")}` : undefined,
  },
  {
    name: "I7",
    because: "what others have made is theirs, whatever it is called",
    judge: (evidence) => {
      const { write, before, database, databases } = evidence;
      if (before === undefined || ["databases", "events", "leases"].includes(write.kind.plural)) return undefined;
      if (write.verb === "delete" && !hits(evidence)) return undefined;
      if (is(write, Endpoints)) {
        const isPatronis = before.metadata.labels?.[labels.database] === database?.metadata.name;
        return isPatronis && databases.some(isGoing)
          ? undefined
          : "is Patroni's, and its Database is not being deleted";
      }
      return isOurs(before) ? undefined : `was written (${write.verb}), and is not ours`;
    },
  },
  {
    name: "I8",
    because: "instances never become fewer than declared but by an edit that declares fewer",
    judge: (evidence) => {
      const { write, before, databases, volumes, statefulSets } = evidence;
      if (is(write, StatefulSet) && write.body !== undefined) {
        const { replicas = 1 } = (write.body as StatefulSet).spec ?? {};
        return replicas < 1 ? `was given ${replicas} replicas` : undefined;
      }
      if (before === undefined || databases.some(isGoing)) return undefined;
      const volumeOf = (name: string): KubeObject | undefined => volumes.find(({ metadata }) => metadata.name === name);
      const isMeantToStay = (set: KubeObject): boolean => {
        const volume = volumeOf(set.metadata.name);
        return !isGoing(set) && (volume === undefined || !isRetired(volume));
      };
      const staying = statefulSets.filter(isMeantToStay);
      const isOneOfThem = staying.some(({ metadata }) => metadata.name === write.ref.name);
      const retires =
        is(write, PersistentVolumeClaim) &&
        write.patch?.some(({ op, path }) => op === "add" && path.includes("retired")) === true;
      const stops = is(write, StatefulSet) && write.verb === "delete" && hits(evidence);
      if (!isOneOfThem || !(retires || stops)) return undefined;
      // An instance without a volume, or with a hopeless one, is made anew.
      const volume = volumeOf(write.ref.name);
      if (stops && (volume === undefined || isGoing(volume) || !isBound(volume))) return undefined;
      const declared = Math.min(...databases.map(({ spec }) => spec.replicas ?? 1));
      return staying.length - 1 < declared
        ? `was taken away, which leaves ${staying.length - 1} of ${declared} instances`
        : undefined;
    },
  },
  {
    name: "I9",
    because: "what is made after the deletion was seen is left behind",
    judge: ({ write, before, database, released }) => {
      const creates = (write.verb === "create" || write.verb === "apply") && before === undefined;
      if (!creates || ["events", "leases"].includes(write.kind.plural) || is(write, Database)) return undefined;
      const seen = database !== undefined && isGoing(database) && database.status?.phase === "Deleting";
      const isItsOwn = database === undefined || ownerUidOf(write.body) === database.metadata.uid;
      return (released || seen) && isItsOwn ? "was made after the deletion of its Database was seen" : undefined;
    },
  },
  {
    name: "I16",
    because: "a volume that is being deleted goes with its Pod: nobody ends one that may hold the only copy",
    judge: (evidence) => {
      const { write, before, databases, volumes, leader } = evidence;
      const ofInstance = is(write, Pod) || is(write, StatefulSet);
      if (write.verb !== "delete" || !ofInstance || !hits(evidence) || databases.some(isGoing)) return undefined;
      const instance = before?.metadata.labels?.[labels.instance];
      const volume = volumes.find(({ metadata }) => metadata.name === instance);
      const isKept = volume !== undefined && !isGoing(volume) && volume.status?.phase !== "Lost";
      const anotherLeads = leader !== undefined && leader !== `${instance}-0`;
      return isKept || anotherLeads
        ? undefined
        : "was stopped, whose volume does not stay, and no other instance leads";
    },
  },
];

/** It says so itself: by its owner, by whose Database's uid it bears, by who wrote it, or by all of our labels. */
function isOurs(object: KubeObject): boolean {
  const { managedFields = [], labels: named } = object.metadata;
  const common = Object.entries(commonLabels(databaseNameOf(object) ?? ""));
  return (
    ownerUidOf(object) !== undefined ||
    managedFields.some(({ manager }) => manager === fieldManager) ||
    common.every(([name, value]) => named?.[name] === value)
  );
}

/** The write takes our finalizer from a Database. */
export function releases({ write, before }: Evidence): boolean {
  const changes = write.patch?.filter(({ op, path }) => op !== "test" && path.startsWith("/metadata/finalizers")) ?? [];
  const had = before?.metadata.finalizers?.includes(finalizer) === true;
  const stays = changes.some((change) => "value" in change && JSON.stringify(change.value).includes(finalizer));
  return is(write, Database) && had && before !== undefined && isGoing(before) && changes.length > 0 && !stays;
}
