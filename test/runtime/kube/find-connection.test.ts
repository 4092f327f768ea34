import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findConnection } from "../../../src/runtime/kube/find-connection.ts";

let directory: string;
const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "holdfast-test-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

async function kubeconfig(name: string): Promise<string> {
  const path = join(directory, name);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: `http://${name}:8001` } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

test("a kubeconfig that is named goes before the Pod's own account", async () => {
  const path = await kubeconfig("named");
  expect(await findConnection({ ...inPod, KUBECONFIG: path })).toMatchObject({ server: "http://named:8001" });
});

test("one that is named and is not there is an error, and no reason to look elsewhere", async () => {
  await expect(findConnection({ ...inPod, KUBECONFIG: join(directory, "absent") })).rejects.toThrow("ENOENT");
});

test("in a Pod it is the mounted account, which must be there", async () => {
  await expect(findConnection({ ...inPod, KUBECONFIG: "" })).rejects.toThrow("serviceaccount");
});
