// What the claim of an instance says of its data: never bound, lost, on its way out; and what it should ask for. Pure.
import type { PersistentVolumeClaim } from "../runtime/index.ts";
import type { DatabaseSpec } from "./api.ts";
import { fieldManager } from "./names.ts";
import { amountOf, larger } from "./quantity.ts";

type Claim = Readonly<PersistentVolumeClaim>;

/** What a claim asks for. */
export interface Volume {
  readonly size: string;
  /** Absent: the cluster's default class. */
  readonly storageClass?: string;
}

/** Never bound, and not on its way out: it holds nothing. */
export function isUnbound({ metadata, spec, status }: Claim): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    spec?.volumeName === undefined &&
    (status?.phase ?? "Pending") === "Pending"
  );
}

/** Its PersistentVolume is gone. A Pod that runs may still write to what is left of it; none can start. */
export const isLost = ({ status }: Claim): boolean => status?.phase === "Lost";

/** Somebody deletes it: it goes with its Pod (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection). */
export const isGoing = ({ metadata }: Claim): boolean => metadata.deletionTimestamp !== undefined;

/**
 * What a claim should ask for. One that exists keeps its class: the API server would refuse another. Its size is that of the
 * spec where it is bound and larger than what it has; what had been asked for above that, in vain, is taken back.
 */
export function resolveVolume({ size, storageClass }: DatabaseSpec["storage"], claim: Claim | undefined): Volume {
  if (claim === undefined) return { size, ...(storageClass === undefined ? {} : { storageClass }) };
  const keptClass = ownsClass(claim) ? claim.spec?.storageClassName : undefined;
  return { size: resolveSize(size, claim), ...(keptClass === undefined ? {} : { storageClass: keptClass }) };
}

/**
 * It was never bound, and asks for another class or size than the spec. Neither can be changed before it is bound. One that
 * somebody made for a volume or a source of his own is his to change.
 */
export function isMistaken(claim: Claim, { size, storageClass }: DatabaseSpec["storage"]): boolean {
  const { dataSource, dataSourceRef, selector } = claim.spec ?? {};
  const isTheirs = (dataSource ?? dataSourceRef ?? selector) !== undefined || !owns(claim, "f:resources", "f:requests");
  if (!isUnbound(claim) || isTheirs) return false;
  const asked = claim.spec?.storageClassName;
  const otherClass = storageClass === undefined ? ownsClass(claim) : storageClass !== asked;
  return otherClass || amountOf(requestOf(claim) ?? size) !== amountOf(size);
}

/** What the largest of them has; undefined while none is bound. */
export function largestCapacity(claims: readonly Claim[]): string | undefined {
  const capacities = claims.flatMap((claim) => capacityOf(claim) ?? []);
  return capacities.length === 0 ? undefined : capacities.reduce(larger);
}

/** What it has, once it is bound. */
export function capacityOf({ status }: Claim): string | undefined {
  const capacity = status?.capacity?.["storage"];
  return capacity === undefined ? undefined : String(capacity);
}

function resolveSize(size: string, claim: Claim): string {
  const [request, capacity] = [requestOf(claim) ?? size, capacityOf(claim)];
  if (claim.status?.phase !== "Bound") return request;
  // Less than what was asked for is allowed above what there is (RecoverVolumeExpansionFailure, since Kubernetes 1.32):
  // https://kubernetes.io/docs/concepts/storage/persistent-volumes/#recovering-from-failure-when-expanding-volumes
  return capacity !== undefined && amountOf(size) > amountOf(capacity) ? size : larger(size, request);
}

/** What it asks for. */
export function requestOf({ spec }: Claim): string | undefined {
  const request = spec?.resources?.requests?.["storage"];
  return request === undefined ? undefined : String(request);
}

/** The class was asked for by us, not filled in as the cluster's default: it cannot be taken back. */
const ownsClass = (claim: Claim): boolean => owns(claim, "f:storageClassName");

/** Our last apply of it said so: a field of its spec, by the names in managedFields. */
function owns({ metadata }: Claim, ...path: readonly string[]): boolean {
  return (metadata.managedFields ?? []).some(({ manager, operation, fieldsV1 }) => {
    const field = ["f:spec", ...path].reduce<unknown>(
      (fields, name) => (fields as Fields | undefined)?.[name],
      fieldsV1,
    );
    return manager === fieldManager && operation === "Apply" && field !== undefined;
  });
}

type Fields = Readonly<Record<string, unknown>>;
