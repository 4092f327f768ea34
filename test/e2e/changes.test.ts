// Story: a Database of three instances is changed while an application uses it: what needs no restart restarts nothing, what does
// goes one instance at a time, replicas first, and what is taken back comes back to where it was.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  application,
  apply,
  createNamespace,
  eventually,
  kubectl,
  read,
  readAll,
  untilReady,
} from "../support/kubectl.ts";
import { orders, uidsOf, untilNotReady } from "../support/story.ts";
import { timed } from "../support/timed.ts";

const namespace = "e2e-changes";
const three = (spec: object = {}) => orders(namespace, { replicas: 3, ...spec });
const declared = { resources: { requests: { cpu: "20m", memory: "96Mi" } } };

beforeAll(async () => {
  await createNamespace(namespace);
  await apply(three());
  await untilReady(namespace, "orders");
  const app = await application(namespace, "orders");
  await app.sql("create table item (id int primary key); insert into item select generate_series(1, 100)");
});
afterAll(() => kubectl("delete", "namespace", namespace, "--wait=false"));

const pods = (): Promise<Record<string, any>[]> => readAll(namespace, "pods", "holdfast.dev/database=orders");
const podUids = async () => uidsOf(await pods());
const volumeUids = async () => uidsOf(await readAll(namespace, "pvc"));
const setting = async (name: string): Promise<string> => {
  const app = await application(namespace, "orders");
  return app.sql(`show ${name}`);
};
const rows = async (): Promise<string> => (await application(namespace, "orders")).sql("select count(*) from item");

/** Runs `act` and meanwhile counts the instances that do not serve: the most at once. */
async function mostDown(act: () => Promise<unknown>): Promise<number> {
  let most = 0;
  const ended = new AbortController();
  const watching = (async () => {
    while (!ended.signal.aborted) {
      const ready = (await pods().catch(() => undefined))?.filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined &&
          status.conditions?.some(
            (each: { type: string; status: string }) => each.type === "Ready" && each.status === "True",
          ),
      );
      if (ready !== undefined) most = Math.max(most, 3 - ready.length);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  await act().finally(() => ended.abort());
  await watching;
  return most;
}

test("a parameter that can be reloaded is, and no Pod is replaced", async () => {
  const before = await podUids();
  const { seconds } = await timed(async () => {
    await apply(three({ parameters: { work_mem: "16MB" } }));
    await untilReady(namespace, "orders");
  });
  console.log(`work_mem in force everywhere after ${seconds} s`);
  expect(await setting("work_mem")).toBe("16MB");
  expect(await podUids()).toEqual(before);
});

test.for([
  { because: "raised", value: "120" },
  { because: "lowered again, which the primary has to know first", value: "90" },
])("a parameter that needs a restart is in force when Ready, $because, and no Pod is replaced", async ({ value }) => {
  const before = await podUids();
  const { seconds } = await timed(async () => {
    await apply(three({ parameters: { max_connections: value } }));
    await untilReady(namespace, "orders");
  });
  console.log(`max_connections ${value} in force everywhere after ${seconds} s`);
  expect(await setting("max_connections")).toBe(value);
  const app = await application(namespace, "orders");
  expect(await app.sql("show max_connections", { read: true })).toBe(value);
  expect(await podUids()).toEqual(before);
  expect(await rows()).toBe("100");
});

test("changed resources replace each Pod once, one at a time; volumes and data stay", async () => {
  const [before, volumes] = [await podUids(), await volumeUids()];
  const { value: most, seconds } = await timed(() =>
    mostDown(async () => {
      await apply(three(declared));
      await untilReady(namespace, "orders");
    }),
  );
  console.log(`three instances rolled in ${seconds} s`);
  const after = await podUids();
  expect(Object.keys(after).toSorted()).toEqual(Object.keys(before).toSorted());
  for (const [name, uid] of Object.entries(after)) expect(uid).not.toBe(before[name]);
  expect(await volumeUids()).toEqual(volumes);
  expect(most).toBe(1);
  expect(await rows()).toBe("100");
});

test.for([
  { because: "an image that does not exist", spec: { image: "registry.invalid/pg:17" }, reason: "ImageUnavailable" },
  {
    because: "an affinity that no node meets",
    spec: { placement: { nodeSelector: { "example.org/nowhere": "true" } } },
    reason: "Unschedulable",
  },
])("$because disturbs one replica and nobody else, and taken back all is as before", async ({ spec, reason }) => {
  const before = await podUids();
  const primary = (await read(namespace, "databases.holdfast.dev", "orders"))?.["status"].primary as string;
  await apply(three({ ...declared, ...spec }));
  await untilNotReady(namespace, reason);
  const app = await application(namespace, "orders");
  await app.sql("update item set id = id where id = 1");
  const during = await podUids();
  expect(during[primary]).toBe(before[primary]);
  expect(Object.keys(before).filter((name) => during[name] !== before[name])).toHaveLength(1);

  const { seconds } = await timed(async () => {
    await apply(three(declared));
    await untilReady(namespace, "orders");
  });
  console.log(`${reason} taken back: Ready after ${seconds} s`);
  const after = await podUids();
  expect(Object.keys(before).filter((name) => after[name] !== before[name])).toHaveLength(1);
  expect(await rows()).toBe("100");
});

test("scaled to five, two and three in quick succession it keeps its primary and its data", async () => {
  const primary = (await untilReady(namespace, "orders"))["status"].primary as string;
  for (const replicas of [5, 2, 3])
    await kubectl("scale", "database", "orders", `--replicas=${replicas}`, "-n", namespace);
  const settled = await untilReady(namespace, "orders");
  expect(settled["status"]).toMatchObject({ replicas: 3, readyReplicas: 3, primary });
  expect(await rows()).toBe("100");
  await eventually("three volumes", async () => (await readAll(namespace, "pvc")).length === 3);
});

test("a password that is rotated works without a restart, and who is connected stays connected", async () => {
  await apply(three(declared));
  await untilReady(namespace, "orders");
  const before = await podUids();
  const secret = (password: string) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "chosen", namespace, labels: { "app.kubernetes.io/managed-by": "holdfast" } },
    stringData: { password },
  });
  await apply(secret("first-password"), three({ ...declared, passwordSecretRef: { name: "chosen" } }));
  await untilReady(namespace, "orders");
  const first = await application(namespace, "orders");
  const open = first.sql("select pg_sleep(8), 'still connected'");
  await apply(secret("second-password"));
  await eventually("the new password", async () => {
    const data = (await read(namespace, "secret", "orders-credentials"))?.["data"];
    return Buffer.from(data.password, "base64").toString() === "second-password";
  });
  expect(await rows()).toBe("100");
  expect(await open).toContain("still connected");
  await expect(first.sql("select 1")).rejects.toThrow(/password authentication failed/);
  expect(await podUids()).toEqual(before);
});
