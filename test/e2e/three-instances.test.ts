// Story: three instances replicate, lose their primary, are scaled down and up again, and keep every acknowledged row.
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
import { orders } from "../support/story.ts";

const namespace = "e2e-three";

beforeAll(() => createNamespace(namespace));
afterAll(() => kubectl("delete", "namespace", namespace, "--wait=false"));

test("three instances become Ready, two of them streaming from the primary", async () => {
  await apply(orders(namespace, { replicas: 3 }));
  const { status } = (await untilReady(namespace, "orders")) as { status: Record<string, any> };
  expect(status).toMatchObject({ phase: "Ready", replicas: 3, readyReplicas: 3 });
  expect(status["instances"].filter((instance: { streaming?: boolean }) => instance.streaming === true)).toHaveLength(
    2,
  );
});

test("a row written through the Service is read from a replica", async () => {
  const app = await application(namespace, "orders");
  await app.sql("create table item (id int primary key); insert into item values (1)");
  await eventually(
    "the row on a replica",
    async () => (await app.sql("select count(*) from item", { read: true })) === "1",
  );
  expect(await app.sql("select pg_is_in_recovery()", { read: true })).toBe("t");
});

const primaryOf = async (): Promise<string> => (await untilReady(namespace, "orders"))["status"].primary as string;
const acceptsWrites = (statement: string) =>
  eventually("the application can write again", async () => {
    await (await application(namespace, "orders")).sql(statement);
    return true;
  });

test("when the primary's Pod is killed the application can soon write again, and nothing acknowledged is lost", async () => {
  const app = await application(namespace, "orders");
  await app.sql("insert into item select generate_series(2, 100)");
  await kubectl("delete", "pod", await primaryOf(), "-n", namespace, "--grace-period=0", "--force");
  // Whoever is faster leads: a replica, or the killed one, whose Pod comes back to its data before its leader key expires.
  await acceptsWrites("insert into item values (101) on conflict do nothing");
  await untilReady(namespace, "orders");
  expect(await app.sql("select count(*) from item")).toBe("101");
});

test("when the primary's Pod is deleted in good order another instance leads, and nothing acknowledged is lost", async () => {
  const app = await application(namespace, "orders");
  const before = await primaryOf();
  await kubectl("delete", "pod", before, "-n", namespace, "--wait=false");
  await eventually("another primary", async () => {
    const primary = (await read(namespace, "database", "orders"))?.["status"].primary as string | undefined;
    return primary !== undefined && primary !== before;
  });
  await acceptsWrites("insert into item values (102) on conflict do nothing");
  await untilReady(namespace, "orders");
  expect(await app.sql("select count(*) from item")).toBe("102");
});

test("scaled to one and back to three, the primary is kept and so is the data", async () => {
  const app = await application(namespace, "orders");
  const primary = (await untilReady(namespace, "orders"))["status"].primary as string;
  await kubectl("scale", "database", "orders", "--replicas=1", "-n", namespace);
  const shrunk = await untilReady(namespace, "orders");
  expect(shrunk["status"]).toMatchObject({ replicas: 1, primary });
  await eventually("only one volume is left", async () => (await readAll(namespace, "pvc")).length === 1);
  await kubectl("scale", "database", "orders", "--replicas=3", "-n", namespace);
  const grown = await untilReady(namespace, "orders");
  expect(grown["status"]).toMatchObject({ replicas: 3, readyReplicas: 3, primary });
  expect(await app.sql("select count(*) from item")).toBe("102");
});
