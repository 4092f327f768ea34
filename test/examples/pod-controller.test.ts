// The example pod-controller on a real API server, with the rights of its manifests: Pods are counted.
import { expect, onTestFinished, test } from "vitest";
import { annotation, runPodController } from "../../examples/pod-controller/controller.ts";
import {
  ApiError,
  createHttpClient,
  kubeconfigConnection,
  Namespace,
  Pod,
  type KubeClient,
} from "../../src/runtime/index.ts";
import { isWrite } from "../support/audit.ts";
import { silent } from "../support/controller-world.ts";
import { ExampleWorld, poll } from "../support/example-world.ts";

async function open() {
  const world = await ExampleWorld.open("pod-controller");
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { admin, namespace } = world;
  const create = (name: string): Promise<Pod> =>
    admin.create<Pod>(Pod, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace },
      spec: { containers: [{ name: "web", image: "nginx" }] },
    });
  return {
    world,
    admin,
    namespace,
    create,
    remove: async (pod: Pod) => admin.delete(Pod, { namespace, name: pod.metadata.name }, { uid: pod.metadata.uid! }),
    counted: async () => (await admin.get(Namespace, { name: namespace }))?.metadata.annotations?.[annotation],
    /** Answers how to stop it. */
    start: async (wrap: (client: KubeClient) => KubeClient = (client) => client) => {
      const connection = await kubeconfigConnection({ path: await world.kubeconfig() });
      const client = createHttpClient({ connection, userAgent: "pod-controller" });
      const stopping = new AbortController();
      const ended = runPodController({ client: wrap(client), log: silent }, stopping.signal);
      const stop = async (): Promise<void> => {
        stopping.abort();
        await ended;
        client.close();
      };
      onTestFinished(() => {
        stopping.abort();
        client.close();
      });
      return stop;
    },
  };
}

test("Pods that are there, come and go are counted, and what somebody else writes over it is mended", async () => {
  const { create, remove, start, counted, admin, namespace } = await open();
  const first = await create("first");
  await create("second");
  const stop = await start();
  await poll(counted).toBe("2");
  await create("third");
  await poll(counted).toBe("3");
  await remove(first);
  await poll(counted).toBe("2");

  const metadata = { name: namespace, annotations: { [annotation]: "many" } };
  await admin.apply<Namespace>(Namespace, { apiVersion: "v1", kind: "Namespace", metadata }, { fieldManager: "user" });
  await poll(counted).toBe("2");
  await stop();
});

test("what went while it was stopped is counted at the next start: a Namespace without Pods too", async () => {
  const { create, remove, start, counted } = await open();
  const only = await create("only");
  await (
    await start()
  )();
  await remove(only);
  const stop = await start();
  await poll(counted).toBe("0");
  await stop();
});

test("nothing is counted before all Pods are known", async () => {
  const { create, start, counted, namespace, admin } = await open();
  await create("first");
  const [namespacesKnown, podsKnown] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const counts: unknown[] = [];
  const stop = await start((client) => ({
    ...client,
    // The list of the Pods does not end before that of the Namespaces.
    async *watch(kind, options) {
      for await (const frame of client.watch(kind, options)) {
        if (kind.kind === "Pod" && frame.type === "BOOKMARK") await podsKnown.promise;
        yield frame;
        if (kind.kind === "Namespace" && frame.type === "BOOKMARK") namespacesKnown.resolve();
      }
    },
    apply: (kind, body, how) => {
      if (body.metadata.name === namespace) counts.push(body.metadata.annotations?.[annotation]);
      return client.apply(kind, body, how);
    },
  }));
  await namespacesKnown.promise;
  // Time enough for one who does not wait.
  expect(await counted()).toBeUndefined();
  expect((await admin.list(Namespace)).items).not.toEqual([]);
  podsKnown.resolve();
  await poll(counted).toBe("1");
  expect(counts).toEqual(["1"]);
  await stop();
});

test("a write that fails is tried again, later each time", async () => {
  const { create, start, counted } = await open();
  await create("first");
  let failures = 0;
  const stop = await start((client) => ({
    ...client,
    apply: async (...call) => {
      if (failures++ < 2) throw new ApiError("no answer", { status: 0, reason: "NoAnswer" });
      return client.apply(...call);
    },
  }));
  await poll(counted).toBe("1");
  expect(failures).toBeGreaterThan(2);
  await stop();
});

test("a hundred Pods that come at once are counted by few writes", async () => {
  const { create, start, counted, world } = await open();
  const stop = await start();
  await poll(counted).toBe("0");
  await Promise.all(Array.from({ length: 100 }, (_, index) => create(`pod-${index}`)));
  await poll(counted).toBe("100");
  await stop();
  expect((await world.calls()).filter(isWrite).length).toBeLessThan(100);
});

test("the process of the README ends on SIGTERM without a failure", async () => {
  const { world, create, counted } = await open();
  const { signal } = await world.startProcess();
  await create("first");
  await poll(counted).toBe("1");
  expect(await signal("SIGTERM")).toBe(0);
});
