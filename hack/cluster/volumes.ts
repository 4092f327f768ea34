// The provisioner of the local cluster's StorageClass `standard`: claims → loop-mounted volumes, larger ones, none. A process of
// its own on the node: node volumes.ts <kubeconfig> <directory>. Level-triggered: any change makes it look at everything again.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient, ObjectList } from "../../src/runtime/kube/client.ts";
import type { Connection } from "../../src/runtime/kube/connection.ts";
import { createHttpClient } from "../../src/runtime/kube/http-client.ts";
import { PersistentVolume, PersistentVolumeClaim } from "../../src/runtime/kube/kinds.ts";
import { refTo, type Kind, type KubeObject } from "../../src/runtime/kube/object.ts";
import { bytesOf, createVolume, growVolume, removeVolume, smallestVolume } from "./volume-files.ts";

export const provisioner = "holdfast.dev/loop";
const manager = "holdfast-volumes";

async function main(kubeconfigPath: string, directory: string): Promise<never> {
  const client = createHttpClient({ connection: connectionOf(kubeconfigPath), userAgent: manager });
  for (;;) {
    try {
      const claims = await client.list(PersistentVolumeClaim);
      const volumes = await client.list(PersistentVolume);
      const failures = await settle(client, directory, claims.items, volumes.items);
      for (const failure of failures) console.error(failure);
      await change(client, claims, volumes, failures.length > 0 ? 5 : 300);
    } catch (error) {
      console.error(error);
      await sleep(1000);
    }
  }
}

/** Does what is to do for each claim and volume; what failed for one does not keep the others from it. */
async function settle(
  client: KubeClient,
  directory: string,
  claims: readonly PersistentVolumeClaim[],
  volumes: readonly PersistentVolume[],
): Promise<unknown[]> {
  const ours = new Map(
    volumes
      .filter(({ metadata }) => metadata.annotations?.["pv.kubernetes.io/provisioned-by"] === provisioner)
      .map((volume) => [volume.metadata.name, volume]),
  );
  const work = [
    ...claims.map((claim) => settleClaim(client, directory, claim, ours.get(volumeName(claim)))),
    ...[...ours.values()].map((volume) => settleVolume(client, directory, volume)),
  ];
  const outcomes = await Promise.allSettled(work);
  return outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
}

async function settleClaim(
  client: KubeClient,
  directory: string,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
): Promise<void> {
  const asked = sizeFor(claim);
  const bytes = bytesOf(asked);
  const name = volumeName(claim);
  if (volume === undefined) {
    // The scheduler names the node when it has chosen one for the Pod (WaitForFirstConsumer).
    const node = claim.metadata.annotations?.["volume.kubernetes.io/selected-node"];
    const isOurs = claim.metadata.annotations?.["volume.kubernetes.io/storage-provisioner"] === provisioner;
    const isPending = claim.spec?.volumeName === undefined && claim.metadata.deletionTimestamp === undefined;
    if (!isOurs || !isPending || node === undefined) return;
    const path = await createVolume(directory, name, bytes);
    await client.create(PersistentVolume, persistentVolume(claim, name, path, node, asked), { fieldManager: manager });
    return;
  }
  if (claim.spec?.volumeName !== name) return;
  if (bytesOf(String(volume.spec?.capacity?.["storage"])) < bytes) {
    await growVolume(directory, name, bytes);
    const patch = [{ op: "replace", path: "/spec/capacity/storage", value: asked }] as const;
    await client.patch(PersistentVolume, refTo(volume), patch, { fieldManager: manager });
  }
  if (claim.status?.capacity !== undefined && bytesOf(String(claim.status.capacity["storage"])) < bytes) {
    const { namespace } = claim.metadata;
    const status = { ...identity(claim, namespace), status: { capacity: { storage: asked } } };
    await client.applyStatus(PersistentVolumeClaim, status, { fieldManager: manager });
  }
}

async function settleVolume(client: KubeClient, directory: string, volume: PersistentVolume): Promise<void> {
  const { name, uid } = volume.metadata;
  if (volume.status?.phase !== "Released" || volume.spec?.persistentVolumeReclaimPolicy !== "Delete") return;
  await removeVolume(directory, name);
  if (uid !== undefined) await client.delete(PersistentVolume, { name }, { uid });
}

function persistentVolume(
  claim: PersistentVolumeClaim,
  name: string,
  path: string,
  node: string,
  storage: string,
): PersistentVolume {
  const { namespace, uid } = claim.metadata;
  const hostname = { key: "kubernetes.io/hostname", operator: "In" as const, values: [node] };
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": provisioner } },
    spec: {
      capacity: { storage },
      accessModes: claim.spec?.accessModes ?? ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Delete",
      storageClassName: claim.spec?.storageClassName ?? "",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", name: claim.metadata.name, namespace, uid },
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } },
    },
  };
}

/** What the claim asks for, as it says it, or the least that there is. */
function sizeFor(claim: PersistentVolumeClaim): string {
  const asked = String(claim.spec?.resources?.requests?.["storage"] ?? "0");
  return bytesOf(asked) < bytesOf(smallestVolume) ? smallestVolume : asked;
}

function volumeName(claim: PersistentVolumeClaim): string {
  return `pvc-${claim.metadata.uid}`;
}

function identity(claim: PersistentVolumeClaim, namespace: string | undefined): PersistentVolumeClaim {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: claim.metadata.name, ...(namespace === undefined ? {} : { namespace }) },
  };
}

/** Resolves at the first change of a claim or volume after these lists, or after so many seconds. */
async function change(
  client: KubeClient,
  claims: ObjectList<PersistentVolumeClaim>,
  volumes: ObjectList<PersistentVolume>,
  timeoutSeconds: number,
): Promise<void> {
  const first = new AbortController();
  const next = async <T extends KubeObject>(kind: Kind<T>, resourceVersion: string): Promise<void> => {
    for await (const frame of client.watch(kind, { resourceVersion, timeoutSeconds, signal: first.signal })) {
      if (frame.type !== "BOOKMARK") return;
    }
  };
  try {
    await Promise.race([
      next(PersistentVolumeClaim, claims.resourceVersion),
      next(PersistentVolume, volumes.resourceVersion),
    ]);
  } finally {
    first.abort();
  }
}

/** The connection of a kubeconfig as kubeconfig.ts (here) writes it: JSON, with everything embedded. */
function connectionOf(path: string): Connection {
  const config = JSON.parse(readFileSync(path, "utf8")) as {
    clusters: [{ cluster: { server: string; "certificate-authority-data": string } }];
    users: [{ user: { "client-certificate-data": string; "client-key-data": string } }];
  };
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  const access = {
    headers: {},
    ca: decode(cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
  };
  return { server: cluster.server, namespace: "default", access: async () => access };
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString();
}

if (import.meta.main) {
  const [kubeconfig, directory] = process.argv.slice(2);
  if (kubeconfig === undefined || directory === undefined)
    throw new Error("usage: node volumes.ts <kubeconfig> <directory>");
  await main(kubeconfig, directory);
}
