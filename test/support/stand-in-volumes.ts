// The stand-in's part for volumes: what a provisioner, a resizer and the volume part of a scheduler do.
import { PersistentVolume, PersistentVolumeClaim, StorageClass, type Pod } from "../../src/runtime/kube/kinds.ts";
import type { KubeClient } from "../../src/runtime/kube/client.ts";
import { refTo, type KubeObject } from "../../src/runtime/kube/object.ts";

export const fieldManager = "stand-in";
const storageClassName = "standard";

/** The body of an apply: who is meant (uid included, so that no namesake is made), and nothing else of the object. */
export function identity<T extends KubeObject>(object: T, fields: { metadata?: object; status?: object }): T {
  const { namespace, name, uid } = object.metadata;
  const { apiVersion, kind } = object;
  return { apiVersion, kind, ...fields, metadata: { ...fields.metadata, namespace, name, uid } } as unknown as T;
}

export async function ensureStorageClass(client: KubeClient): Promise<void> {
  await client.apply(
    StorageClass,
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: storageClassName, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      provisioner: "holdfast.dev/stand-in",
      reclaimPolicy: "Delete",
      volumeBindingMode: "Immediate",
      allowVolumeExpansion: true,
    },
    { fieldManager },
  );
}

/** The provisioner's part: a volume for each claim; the real controller binds the two. Volumes of deleted claims go. */
export async function bindVolumes(
  client: KubeClient,
  namespace: string,
  isWithheld: (claim: PersistentVolumeClaim) => boolean,
): Promise<readonly PersistentVolumeClaim[]> {
  const claims = (await client.list(PersistentVolumeClaim, { namespace })).items;
  const wanted = new Map(claims.map((claim) => [`${namespace}-${claim.metadata.uid}`, claim]));
  for (const [name, claim] of wanted) {
    if (isWithheld(claim)) continue;
    await grow(client, claim);
    if (claim.spec?.volumeName !== undefined || claim.status?.phase === "Bound") continue;
    const { apiVersion, kind } = claim;
    await client.apply(
      PersistentVolume,
      {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name, labels: { "stand-in": namespace } },
        spec: {
          capacity: { storage: claim.spec?.resources?.requests?.["storage"] ?? "1Gi" },
          accessModes: ["ReadWriteOnce"],
          persistentVolumeReclaimPolicy: "Retain",
          storageClassName: claim.spec?.storageClassName ?? storageClassName,
          claimRef: { apiVersion, kind, ...refTo(claim), uid: claim.metadata.uid ?? "" },
          hostPath: { path: `/tmp/never-mounted/${name}` },
        },
      },
      { fieldManager },
    );
  }
  const volumes = (await client.list(PersistentVolume, { labels: `stand-in=${namespace}` })).items;
  for (const volume of volumes) {
    if (wanted.has(volume.metadata.name)) continue;
    await client.delete(PersistentVolume, refTo(volume), { uid: volume.metadata.uid ?? "" });
  }
  return claims;
}

/** Its volume will be there to be used: no node can run it before that. */
export function waitsForVolume(pod: Pod, claims: readonly PersistentVolumeClaim[]): boolean {
  return claims.find(({ metadata }) => metadata.name === claimNameOf(pod))?.status?.phase === "Pending";
}

/** Why the scheduler finds no node for a Pod that has none yet: its volume is not there to be used, nor will be. */
export function lackOf(pod: Pod, claims: readonly PersistentVolumeClaim[]): string | undefined {
  const name = claimNameOf(pod);
  if (name === undefined) return undefined;
  const claim = claims.find(({ metadata }) => metadata.name === name);
  if (claim === undefined) return `persistentvolumeclaim "${name}" not found`;
  if (claim.metadata.deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`;
  return claim.status?.phase === "Lost"
    ? `persistentvolumeclaim "${name}" bound to non-existent persistentvolume`
    : undefined;
}

/** Of a Pod that does not run yet. */
function claimNameOf({ spec, status }: Pod): string | undefined {
  if (status?.phase === "Running") return undefined;
  return spec?.volumes?.find((volume) => volume.persistentVolumeClaim)?.persistentVolumeClaim?.claimName;
}

/** The resizer's part: what is asked for is there at once. */
async function grow(client: KubeClient, claim: PersistentVolumeClaim): Promise<void> {
  const { spec, status } = claim;
  const [asked, there] = [spec?.resources?.requests?.["storage"], status?.capacity?.["storage"]];
  if (status?.phase !== "Bound" || there === undefined || asked === undefined || asked === there) return;
  const capacity = { storage: asked };
  const path = "/spec/capacity/storage";
  await client.patch(PersistentVolume, { name: spec?.volumeName ?? "" }, [{ op: "replace", path, value: asked }]);
  await client.applyStatus(PersistentVolumeClaim, identity(claim, { status: { capacity } }), { fieldManager });
}
