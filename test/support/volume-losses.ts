// How volumes get lost, as a scenario sees it.
import { PersistentVolume, PersistentVolumeClaim, Pod, refTo } from "../../src/runtime/index.ts";
import { eventually, type Scenario } from "./scenario.ts";

/** Name → uid. */
export async function podUids({ admin, namespace }: Scenario): Promise<Record<string, string>> {
  const { items } = await admin.list(Pod, { namespace });
  return Object.fromEntries(items.map(({ metadata }) => [metadata.name, metadata.uid ?? ""]));
}

export async function claimOf({ admin, namespace }: Scenario, name: string): Promise<PersistentVolumeClaim> {
  const claim = await admin.get(PersistentVolumeClaim, { namespace, name });
  if (claim === undefined) throw new Error(`no volume ${name}`);
  return claim;
}

/** As somebody with kubectl. It goes with the Pod that uses it, as where a node has that Pod: the real controller sees no node here. */
export async function deleteInUse(scenario: Scenario, name: string): Promise<void> {
  const { admin } = scenario;
  const claim = await claimOf(scenario, name);
  const user = (await podUids(scenario))[`${name}-0`];
  const path = "/metadata/finalizers";
  await admin.patch(PersistentVolumeClaim, refTo(claim), [
    { op: "add", path: `${path}/-`, value: "example.org/in-use" },
  ]);
  await admin.delete(PersistentVolumeClaim, refTo(claim), { uid: claim.metadata.uid ?? "" });
  void eventually(`${name} is used no more`, async () => {
    if ((await podUids(scenario))[`${name}-0`] === user) return undefined;
    return admin.patch(PersistentVolumeClaim, refTo(claim), [
      { op: "test", path: "/metadata/uid", value: claim.metadata.uid },
      { op: "replace", path, value: [] },
    ]);
  }).catch(() => undefined);
}

/** As when a disk dies: its PersistentVolume goes, whatever protects it, and the real controller calls the claim lost. */
export async function loseVolume(scenario: Scenario, name: string): Promise<void> {
  const { admin } = scenario;
  const ref = {
    name: await eventually(`${name} is bound`, async () => (await claimOf(scenario, name)).spec?.volumeName),
  };
  const uid = (await admin.get(PersistentVolume, ref))?.metadata.uid ?? "";
  await admin.delete(PersistentVolume, ref, { uid });
  await eventually(`${ref.name} is gone`, async () => {
    if ((await admin.get(PersistentVolume, ref)) === undefined) return true;
    await admin.patch(PersistentVolume, ref, [{ op: "remove", path: "/metadata/finalizers" }]);
    return undefined;
  });
}

/** As somebody who takes its finalizers away: it is gone at once, and what is on it is there as long as the Pod that uses it. */
export async function vanish(scenario: Scenario, name: string): Promise<void> {
  const { admin } = scenario;
  const claim = await claimOf(scenario, name);
  // Times in the API are of whole seconds.
  await eventually("its Pod is older than whatever is made now", async () => {
    const pod = await admin.get(Pod, { ...refTo(claim), name: `${name}-0` });
    const scheduled = pod?.status?.conditions?.find(({ type }) => type === "PodScheduled")?.lastTransitionTime;
    return Date.now() > Date.parse(scheduled ?? "") + 2_000 ? true : undefined;
  });
  await admin.patch(PersistentVolumeClaim, refTo(claim), [{ op: "remove", path: "/metadata/finalizers" }]);
  await admin.delete(PersistentVolumeClaim, refTo(claim), { uid: claim.metadata.uid ?? "" });
}
