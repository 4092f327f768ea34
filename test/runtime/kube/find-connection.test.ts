import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findConnection } from "../../../src/runtime/kube/find-connection.ts";

let directory: string;
const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "holdfast-test-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

async function kubeconfig(name: string, file = name): Promise<string> {
  const path = join(directory, file);
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

async function home(name: string): Promise<string> {
  const file = join(name, ".kube", "config");
  await mkdir(join(directory, name, ".kube"), { recursive: true });
  await kubeconfig(name, file);
  return join(directory, name);
}

test("what is asked for goes before what the environment names", async () => {
  const [named, asked] = [await kubeconfig("named"), await kubeconfig("asked")];
  const environment = { ...inPod, KUBECONFIG: named };
  expect(await findConnection(environment, { kubeconfig: asked })).toMatchObject({ server: "http://asked:8001" });
});

test("outside of a Pod it is the user's own kubeconfig", async () => {
  expect(await findConnection({ HOME: await home("jane") })).toMatchObject({ server: "http://jane:8001" });
});

test("in a Pod that goes after the mounted account, unless a context is asked for", async () => {
  const environment = { ...inPod, HOME: await home("pod") };
  await expect(findConnection(environment)).rejects.toThrow("serviceaccount");
  expect(await findConnection(environment, { context: "pod" })).toMatchObject({ server: "http://pod:8001" });
});

test("where there is nothing, the error says what was looked for", async () => {
  const looked = `KUBECONFIG is not set, this is no Pod (KUBERNETES_SERVICE_HOST), and there is no ${join(directory, "empty", ".kube", "config")}`;
  await expect(findConnection({ HOME: join(directory, "empty"), KUBECONFIG: "" })).rejects.toThrow(looked);
});

test("several files are merged, and the first current context counts, as kubectl has it", async () => {
  const [first, second] = [await kubeconfig("first"), await kubeconfig("second")];
  const environment = { KUBECONFIG: ["", first, second, first].join(delimiter) };
  expect(await findConnection(environment)).toMatchObject({ server: "http://first:8001" });
  expect(await findConnection(environment, { context: "second" })).toMatchObject({ server: "http://second:8001" });
  await expect(findConnection(environment, { context: "third" })).rejects.toThrow('it has "first", "second"');
  await writeFile(join(directory, "broken"), "");
  const broken = { KUBECONFIG: [first, join(directory, "broken")].join(delimiter) };
  await expect(findConnection(broken)).rejects.toThrow(`${join(directory, "broken")} cannot be parsed`);
});

test("neither the user's own nor one that is named loads client-node where it says all by itself", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ resolve: (name, context, next) => (loaded.push(name), next(name, context)) });
    const { findConnection } = await import(${JSON.stringify(join(import.meta.dirname, "../../../src/runtime/index.ts"))});
    for (const environment of JSON.parse(process.argv[1])) console.log((await findConnection(environment)).server);
    console.log(loaded.includes("@kubernetes/client-node"));
  `;
  const environments = [{ HOME: await home("own") }, { KUBECONFIG: `${await kubeconfig("named")}${delimiter}` }];
  const args = ["--input-type=module", "--eval", script, JSON.stringify(environments)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  expect(stdout.trim().split("\n")).toEqual(["http://own:8001", "http://named:8001", "false"]);
});

test("in a Pod it is the mounted account, which must be there", async () => {
  await expect(findConnection({ ...inPod, KUBECONFIG: "" })).rejects.toThrow("serviceaccount");
});
