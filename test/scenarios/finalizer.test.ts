// Finalizers on the real API server, which is the one that refuses and forgets.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isConflict } from "../../src/runtime/kube/errors.ts";
import { addFinalizer, finalize, removeFinalizer } from "../../src/runtime/reconcile/finalizer.ts";
import { writeStatus } from "../../src/runtime/reconcile/status.ts";
import { fieldManager, ReconcileWorld, Shop } from "../support/reconcile-world.ts";

const ours = "holdfast.dev/cleanup";
const theirs = "example.org/hold";

let world: ReconcileWorld;
let shop: Readonly<Shop>;
beforeEach(async () => {
  world = await ReconcileWorld.open();
  shop = (await world.owner()).object;
});
afterEach(() => world[Symbol.asyncDispose]());

const ref = (): { namespace: string; name: string } => ({ namespace: world.namespace, name: "orders" });
const live = (): Promise<Shop | undefined> => world.client.get(Shop, ref());
const finalizers = async (): Promise<readonly string[] | undefined> => (await live())?.metadata.finalizers;

async function setFinalizers(value: readonly string[]): Promise<Shop> {
  return world.client.patch(Shop, ref(), [{ op: "add", path: "/metadata/finalizers", value }]);
}

async function deleteShop(): Promise<Shop> {
  await world.client.delete(Shop, ref(), { uid: shop.metadata.uid! });
  return (await live())!;
}

describe("adding", () => {
  test("works on an object with none and beside those of others, and a second time writes nothing", async () => {
    const first = await addFinalizer(world.client, Shop, shop, ours);
    expect(await finalizers()).toEqual([ours]);
    expect(await addFinalizer(world.client, Shop, first, ours)).toBe(first);

    const both = await setFinalizers([theirs]);
    await addFinalizer(world.client, Shop, both, ours);
    expect(await finalizers()).toEqual([theirs, ours]);
  });

  test("rule 45: to a list that others have changed meanwhile is a conflict, and theirs stays", async () => {
    await setFinalizers([theirs]);
    const error: unknown = await addFinalizer(world.client, Shop, shop, ours).catch((error: unknown) => error);
    expect(isConflict(error)).toBe(true);
    expect(await finalizers()).toEqual([theirs]);
  });

  test("rule 44: to an object that is being deleted is refused, also when only the API server knows", async () => {
    await setFinalizers([theirs]);
    const seen = (await live())!;
    const terminating = await deleteShop();
    await expect(addFinalizer(world.client, Shop, terminating, ours)).rejects.toThrow("too late");
    await expect(addFinalizer(world.client, Shop, seen, ours)).rejects.toMatchObject({ status: expect.any(Number) });
    expect(await finalizers()).toEqual([theirs]);
  });

  test("rules 13, 45: to a namesake of what was seen is a conflict", async () => {
    await deleteShop();
    await world.owner();
    const error: unknown = await addFinalizer(world.client, Shop, shop, ours).catch((error: unknown) => error);
    expect(isConflict(error)).toBe(true);
    expect(await finalizers()).toBeUndefined();
  });
});

describe("removing", () => {
  test("takes only our own, wherever it stands", async () => {
    for (const list of [[ours], [ours, theirs], [theirs, ours, "example.org/b"]]) {
      await removeFinalizer(world.client, Shop, await setFinalizers(list), ours);
      expect((await finalizers()) ?? []).toEqual(list.filter((name) => name !== ours));
    }
  });

  test("rule 45: from an object that is gone, has it no more, or has a namesake, is success", async () => {
    const held = await setFinalizers([ours]);
    await setFinalizers([]);
    await removeFinalizer(world.client, Shop, held, ours);
    await deleteShop();
    await removeFinalizer(world.client, Shop, held, ours);
    await world.owner();
    await setFinalizers([ours]);
    await removeFinalizer(world.client, Shop, held, ours);
    expect(await finalizers()).toEqual([ours]);
  });

  test("rule 45: from a list that others have changed meanwhile is a conflict", async () => {
    const held = await setFinalizers([ours]);
    await setFinalizers([theirs, ours]);
    const error: unknown = await removeFinalizer(world.client, Shop, held, ours).catch((error: unknown) => error);
    expect(isConflict(error)).toBe(true);
    expect(await finalizers()).toEqual([theirs, ours]);
  });
});

const never = (): Promise<"done"> => Promise.reject(new Error("cleanup of a living object"));

test("rule 44: a whole life: added first, present, kept while cleanup waits or fails, removed at the end", async () => {
  const step = async (cleanup: () => Promise<"done" | "waiting">): Promise<string> =>
    finalize(Shop, (await live())!, ours, cleanup, world.context);

  expect(await step(never)).toBe("added");
  expect(await step(never)).toBe("present");
  await deleteShop();
  expect(await step(() => Promise.resolve("waiting"))).toBe("waiting");
  await expect(step(() => Promise.reject(new Error("store down")))).rejects.toThrow("store down");
  expect(await finalizers()).toEqual([ours]);
  expect(await step(() => Promise.resolve("done"))).toBe("removed");
  expect(await live()).toBeUndefined();
});

// Rule 46 (an apply of the main object must carry the finalizer) does not arise: the finalizer is patched, never applied, so it
// belongs to no apply, and the owner itself is only applied to at /status.
test("rule 46: an apply of the object without the finalizer, or of its status, does not remove it", async () => {
  await finalize(Shop, shop, ours, never, world.context);
  const intent: Shop = { apiVersion: "example.org/v1", kind: "Shop", metadata: ref(), spec: { goods: "tea" } };
  for (let i = 0; i < 2; i++) {
    await world.client.apply(Shop, { ...intent, spec: { goods: `tea ${i}` } }, { fieldManager });
    await writeStatus(Shop, (await live())!, { phase: `${i}` }, fieldManager, world.context);
  }
  expect(await live()).toMatchObject({
    metadata: { finalizers: [ours] },
    spec: { goods: "tea 1" },
    status: { phase: "1" },
  });
});
