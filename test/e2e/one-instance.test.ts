// Story: one instance, from apply to Ready, used by an application, and deleted with its data kept and taken up again.
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

const namespace = "e2e-one";

/** Volumes are kept. */
const byDefault = { deletionPolicy: undefined };

beforeAll(() => createNamespace(namespace));
afterAll(() => kubectl("delete", "namespace", namespace, "--wait=false"));

test("a Database of one instance becomes Ready and its application can write and read", async () => {
  await apply(orders(namespace, byDefault));
  const database = await untilReady(namespace, "orders");
  expect(database["status"]).toMatchObject({ phase: "Ready", ready: true, replicas: 1, readyReplicas: 1 });
  const app = await application(namespace, "orders");
  await app.sql("create table item (id int primary key); insert into item values (1)");
  expect(await app.sql("select id from item")).toBe("1");
});

test("the application is no superuser and PUBLIC cannot connect", async () => {
  const app = await application(namespace, "orders");
  expect(
    await app.sql(
      "select rolsuper or rolcreatedb or rolcreaterole or rolreplication from pg_roles where rolname = current_user",
    ),
  ).toBe("f");
  expect(await app.sql("select has_database_privilege('public', current_database(), 'connect')")).toBe("f");
});

test("deleted with Retain, the data is still on the volume, and a new Database of that name finds it", async () => {
  const [volume] = await readAll(namespace, "pvc");
  await kubectl("delete", "database", "orders", "-n", namespace, "--timeout=120s");
  expect(await readAll(namespace, "statefulsets")).toEqual([]);
  const kept = await readAll(namespace, "pvc");
  expect(kept.map((claim) => claim["metadata"].uid)).toEqual([volume?.["metadata"].uid]);
  await apply(orders(namespace, byDefault));
  await untilReady(namespace, "orders");
  expect(await (await application(namespace, "orders")).sql("select id from item")).toBe("1");
});

test("deleted with Delete, nothing is left", async () => {
  await apply(orders(namespace));
  await untilReady(namespace, "orders");
  await kubectl("delete", "database", "orders", "-n", namespace, "--timeout=120s");
  await eventually("everything of the Database is gone", async () => {
    const left = await kubectl(
      "get",
      "statefulsets,pods,pvc,services,endpoints,secrets,configmaps,serviceaccounts,rolebindings,pdb",
      "-n",
      namespace,
      "-l",
      "app.kubernetes.io/instance=orders",
      "-o",
      "name",
    );
    return left === "";
  });
  expect(await read(namespace, "secret", "orders-internal")).toBeUndefined();
});
