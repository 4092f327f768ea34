// The owner's status on the real API server: written when it differs, and only then.
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeStatus } from "../../src/runtime/reconcile/status.ts";
import { fieldManager, ReconcileWorld, Shop } from "../support/reconcile-world.ts";

let world: ReconcileWorld;
let shop: Readonly<Shop>;
beforeEach(async () => {
  world = await ReconcileWorld.open();
  shop = (await world.owner()).object;
});
afterEach(() => world[Symbol.asyncDispose]());

const ref = (): { namespace: string; name: string } => ({ namespace: world.namespace, name: "orders" });
const write = (object: Readonly<Shop>, status: NonNullable<Shop["status"]>): ReturnType<typeof writeStatus<Shop>> =>
  writeStatus(Shop, object, status, fieldManager, world.context);

test("rule 48: a status is written whole, then only when it differs; what is no longer said goes", async () => {
  const first = await write(shop, { phase: "Creating", labels: { toString: "x" }, primary: undefined });
  expect(first.result).toBe("updated");
  expect(first.object.status).toEqual({ phase: "Creating", labels: { toString: "x" } });

  const again = await write(first.object, { phase: "Creating", labels: { toString: "x" }, primary: undefined });
  expect(again.result).toBe("unchanged");

  const second = await write(first.object, { phase: "Ready" });
  expect(second.object.status).toEqual({ phase: "Ready" });
  expect((await world.client.get(Shop, ref()))?.status).toEqual({ phase: "Ready" });
  expect(second.object.metadata.generation).toBe(first.object.metadata.generation);
});

test("a map or list that becomes empty goes, and then nothing is written", async () => {
  const full = { phase: "Ready", labels: { a: "1" }, nested: { map: { b: "2" } }, list: ["c"] };
  const first = await write(shop, full);
  const empty = { phase: "Ready", labels: {}, nested: { map: {} }, list: [] };
  const second = await write(first.object, empty);
  expect(second).toMatchObject({ result: "updated" });
  expect(second.object.status).toEqual({ phase: "Ready" });
  expect((await write(second.object, empty)).result).toBe("unchanged");
  expect((await write(second.object, full)).object.status).toEqual(full);
});

test("a status is written also over an edit of the spec that the cache has not seen", async () => {
  const edited = await world.client.patch(Shop, ref(), [{ op: "add", path: "/spec", value: { goods: "tea" } }]);
  expect((await write(shop, { phase: "Ready" })).result).toBe("updated");
  expect(await world.client.get(Shop, ref())).toMatchObject({ spec: edited.spec, status: { phase: "Ready" } });
});

test("a status for an object that has gone brings nothing back and touches no namesake", async () => {
  await world.client.delete(Shop, ref(), { uid: shop.metadata.uid! });
  expect((await write(shop, { phase: "Ready" })).result).toBe("gone");
  expect(await world.client.get(Shop, ref())).toBeUndefined();

  const { object } = await world.owner();
  expect((await write(shop, { phase: "Ready" })).result).toBe("gone");
  expect((await world.client.get(Shop, ref()))?.status).toBeUndefined();
  expect(object.metadata.uid).not.toBe(shop.metadata.uid);
});

test("rule 48: what is said of the spec with a status is not written", async () => {
  await world.client.patch(Shop, ref(), [{ op: "add", path: "/spec", value: { goods: "tea" } }]);
  const body = { apiVersion: "example.org/v1", kind: "Shop", metadata: ref(), spec: { goods: "ink" }, status: {} };
  await world.client.applyStatus(Shop, body, { fieldManager });
  expect((await world.client.get(Shop, ref()))?.spec).toEqual({ goods: "tea" });
});
