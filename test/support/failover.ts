// A failover, as a scenario sees it.
import { Endpoints } from "../../src/runtime/kube/kinds.ts";
import { eventually, type Scenario } from "./scenario.ts";

/** As Patroni fails over: another holder of the leader key, on the next timeline. */
export async function promote({ admin, namespace }: Scenario, pod: string, database = "orders"): Promise<void> {
  const ref = { namespace, name: database };
  await eventually(`${pod} leads`, async () => {
    const endpoints = await admin.get(Endpoints, ref);
    const timeline = Number(endpoints?.metadata.annotations?.["timeline"] ?? "1");
    return admin.patch(Endpoints, ref, [
      { op: "replace", path: "/metadata/annotations/leader", value: pod },
      { op: "replace", path: "/metadata/annotations/timeline", value: String(timeline + 1) },
    ]);
  });
}
