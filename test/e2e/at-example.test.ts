// Story: the example At, started as its README says, on a real cluster: the command really runs, once.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tiedToParent } from "../../hack/cluster/processes.ts";
import { imageOf } from "../../src/postgres/versions.ts";
import { apply, createNamespace, eventually, kubectl, read } from "../support/kubectl.ts";

const namespace = "e2e-at";
const example = fileURLToPath(new URL("../../examples/at-controller/", import.meta.url));
let controller: ChildProcess;

/** With an image that is on the node and has a shell. */
function startController(): ChildProcess {
  const env = { ...process.env, IMAGE: imageOf("17"), PORT: "0", LOG_LEVEL: "warn" };
  return spawn(...tiedToParent(process.execPath, [`${example}main.ts`]), { env, stdio: "inherit" });
}

const applyAt = (name: string, command: string, dueInMs = 0): Promise<void> =>
  apply({
    apiVersion: "cnat.programming-kubernetes.info/v1alpha1",
    kind: "At",
    metadata: { name, namespace },
    spec: { schedule: new Date(Date.now() + dueInMs).toISOString(), command },
  });
const phase = async (name: string): Promise<string | undefined> =>
  (await read(namespace, "ats", name))?.["status"]?.phase as string | undefined;
const uidOfPod = async (name: string): Promise<string | undefined> =>
  (await read(namespace, "pod", name))?.["metadata"].uid as string | undefined;
const until = (name: string, wanted: string): Promise<true> =>
  eventually(`At ${name} is ${wanted}`, async () => (await phase(name)) === wanted);
const succeeded = async (name: string): Promise<Record<string, string>> =>
  (await read(namespace, "ats", name))?.["status"].conditions[0] as Record<string, string>;
/** The container writes, so it runs. */
const untilWritten = (name: string, text: string): Promise<true> =>
  eventually(`Pod ${name} wrote ${text}`, async () => (await kubectl("logs", name, "-n", namespace)).includes(text));

beforeAll(async () => {
  await createNamespace(namespace);
  await kubectl("apply", "-f", `${example}manifests/crd.yaml`);
  controller = startController();
});
afterAll(async () => {
  controller.kill("SIGTERM");
  await kubectl("delete", "namespace", namespace, "--wait=false");
});

test("the command runs at its instant, and describe tells the whole of it", async () => {
  await applyAt("hello", "echo hello", 5_000);
  await until("hello", "PENDING");
  expect(await uidOfPod("hello")).toBeUndefined();
  await kubectl("wait", "--for=condition=Succeeded", "at/hello", "-n", namespace, "--timeout=120s");
  expect(await phase("hello")).toBe("DONE");
  expect(await kubectl("logs", "hello", "-n", namespace)).toBe("hello");
  const pod = await read(namespace, "pod", "hello");
  const due = Date.parse((await read(namespace, "ats", "hello"))?.["spec"].schedule as string);
  expect(Date.parse(pod?.["metadata"].creationTimestamp as string)).toBeGreaterThanOrEqual(
    Math.floor(due / 1000) * 1000,
  );
  expect(await kubectl("get", "ats", "-n", namespace)).toMatch(
    /NAME +SCHEDULE +PHASE +REASON +AGE\nhello .* DONE +PodSucceeded/,
  );
  await eventually("the Events", async () => {
    const text = await kubectl("describe", "at", "hello", "-n", namespace);
    return /Normal +Created .*Created Pod hello/.test(text) && /Normal +PodSucceeded .*exit code 0/.test(text);
  });
});

test("DONE is final: the Pod may be deleted", async () => {
  await kubectl("delete", "pod", "hello", "-n", namespace);
  await applyAt("later", "echo later");
  await until("later", "DONE");
  expect([await uidOfPod("hello"), await phase("hello")]).toEqual([undefined, "DONE"]);
});

test("a command that fails is told with its exit code", async () => {
  await applyAt("failing", "exit 3");
  await until("failing", "DONE");
  expect(await succeeded("failing")).toMatchObject({
    status: "False",
    reason: "PodFailed",
    message: "Pod failing: Error, exit code 3",
  });
});

test("a Pod that is deleted while the command runs is made again", async () => {
  await applyAt("long", "echo began; sleep 20");
  await untilWritten("long", "began");
  const uid = await uidOfPod("long");
  await kubectl("delete", "pod", "long", "-n", namespace, "--grace-period=1");
  await eventually("another Pod", async () => ![undefined, uid].includes(await uidOfPod("long")));
  expect(await phase("long")).toBe("RUNNING");
  await until("long", "DONE");
  expect(await succeeded("long")).toMatchObject({ status: "True" });
});

test("a controller that is killed while the command runs finds it ended when it comes back", async () => {
  await applyAt("alone", "echo began; sleep 5");
  await until("alone", "RUNNING");
  controller.kill("SIGKILL");
  await once(controller, "exit");
  const uid = await uidOfPod("alone");
  await eventually(
    "the Pod ended",
    async () => (await read(namespace, "pod", "alone"))?.["status"].phase === "Succeeded",
  );
  expect(await phase("alone")).toBe("RUNNING");
  controller = startController();
  await until("alone", "DONE");
  expect(await uidOfPod("alone")).toBe(uid);
});
