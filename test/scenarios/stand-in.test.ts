// The stand-in for nodes and Patroni keeps to what real ones do where a test would take it for a fault of the operator's.
import { expect, test } from "vitest";
import { clientAround } from "../../src/runtime/kube/around.ts";
import {
  createHttpClient,
  Endpoints,
  kubeconfigConnection,
  Namespace,
  Pod,
  refTo,
  ServiceAccount,
} from "../../src/runtime/index.ts";
import { randomBytes } from "node:crypto";
import { sharedControlPlane } from "../support/api-server.ts";
import { eventually, gone } from "../support/scenario.ts";
import { startStandIn } from "../support/stand-in.ts";

test("a Pod that goes while its Patroni takes the lead leaves no Endpoints behind", async () => {
  const path = (await sharedControlPlane()).adminKubeconfigPath;
  const admin = createHttpClient({ connection: await kubeconfigConnection({ path }), userAgent: "scenario" });
  const namespace = `stand-in-${randomBytes(4).toString("hex")}`;
  await admin.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const account = { namespace, name: "default" };
  await eventually("Pods can be made", () => admin.get(ServiceAccount, account));
  const pod = await admin.create(Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "orders-1-0", namespace, labels: { "holdfast.dev/database": "orders" } },
    spec: { containers: [{ name: "postgres", image: "registry.example/pg:17" }] },
  });

  const written: string[] = [];
  const late = clientAround(admin, async (call, options, send) => {
    if (call.verb !== "apply" || call.kind.kind !== Endpoints.kind) return send(options);
    // The write is under way while the Pod goes.
    if (written.length === 0) await admin.delete(Pod, refTo(pod), { uid: pod.metadata.uid ?? "" });
    await gone(admin, Pod, refTo(pod));
    const answer = await send(options);
    written.push(call.place.name ?? "");
    return answer;
  });
  const standIn = await startStandIn(late, namespace);
  await eventually("it took the lead", async () => (written.length === 2 ? true : undefined));
  for (const name of written) await gone(admin, Endpoints, { namespace, name });
  await standIn.stop();
  expect(written).toEqual(["orders", "orders-config"]);
  admin.close();
});
