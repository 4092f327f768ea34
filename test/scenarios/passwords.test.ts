// The application's password through its life: the user's own or the generated one, rotated, exchanged, lost. What serves goes
// on serving: no Pod is replaced, and PostgreSQL's role has the last password that was there.
import { expect, test } from "vitest";
import type { DatabaseSpec } from "../../src/database/api.ts";
import { Pod, Secret } from "../../src/runtime/index.ts";
import { sharedControlPlane } from "../support/api-server.ts";
import { conditionOf, notReady } from "../support/observations.ts";
import { eventually, openScenario, type Scenario } from "../support/scenario.ts";
import { printSeconds, timed } from "../support/timed.ts";

const ourLabel = { "app.kubernetes.io/managed-by": "holdfast" };

interface World extends AsyncDisposable {
  readonly scenario: Scenario;
  /** Writes a Secret of the user's. */
  give(name: string, data: Record<string, string>, labels?: Record<string, string>): Promise<void>;
  take(name: string): Promise<void>;
  /** The key of a Secret, in clear. */
  read(name: string, key: string): Promise<string | undefined>;
  /** Waits until PostgreSQL and `orders-credentials` have this password, and the Database is Ready. */
  has(password: string): Promise<void>;
  /** What PostgreSQL has now. */
  inForce(): string | undefined;
}

/** A Database that is Ready, with this password. At its end the same Pods run. */
async function open(title: string, spec: Partial<DatabaseSpec> = {}, given?: string): Promise<World> {
  const scenario = await openScenario(await sharedControlPlane(), title);
  const { admin, namespace } = scenario;
  const pods = async () => (await admin.list(Pod, { namespace })).items.map(({ metadata }) => metadata.uid);
  const ref = (name: string) => ({ name, namespace });
  const give: World["give"] = async (name, data, labels = ourLabel) => {
    const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
    const metadata = { ...ref(name), labels };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, data: Object.fromEntries(encoded) } as const;
    await admin.apply(Secret, secret, { fieldManager: "user", force: true });
  };
  const read: World["read"] = async (name, key) => {
    const value = (await admin.get(Secret, ref(name)))?.data?.[key];
    return value === undefined ? undefined : Buffer.from(value, "base64").toString();
  };
  const inForce = () => scenario.postgres.cluster(`${namespace}/orders`).roles.get("orders")?.password;

  await scenario.start();
  if (given !== undefined) await give("mine", { password: given });
  await scenario.apply(spec);
  await scenario.ready();
  const before = await pods();
  return {
    scenario,
    give,
    read,
    inForce,
    take: async (name) => {
      const secret = await admin.get(Secret, ref(name));
      await admin.delete(Secret, ref(name), { uid: secret?.metadata.uid ?? "" });
    },
    has: async (password) => {
      await eventually(`the password is ${password}`, async () => {
        expect([inForce(), await read("orders-credentials", "password")]).toEqual([password, password]);
        return true;
      });
      await scenario.ready();
    },
    [Symbol.asyncDispose]: async () => {
      await using _ = scenario;
      expect(await pods()).toEqual(before);
    },
  };
}

const mine = { passwordSecretRef: { name: "mine", key: "password" } };

test.concurrent("the user's own password is followed as it is rotated", async () => {
  await using world = await open("rotate", mine, "first");
  await world.has("first");
  for (const password of ["second", "third"]) {
    await world.give("mine", { password });
    await world.has(password);
    expect(await world.read("orders-credentials", "uri")).toContain(`://orders:${password}@`);
  }
});

test.concurrent("the generated password is rotated in orders-internal, and nothing else there", async () => {
  await using world = await open("generated");
  const { scenario } = world;
  const keys = ["superuser-password", "replication-password", "rewind-password", "rest-password"];
  const others = () => Promise.all(keys.map((key) => world.read("orders-internal", key)));
  const before = await others();
  const first = await world.read("orders-internal", "application-password");
  await world.has(first ?? "");

  const { admin, namespace } = scenario;
  const path = "/data/application-password";
  const rotate = (text: string) =>
    admin.patch(Secret, { namespace, name: "orders-internal" }, [
      { op: "replace", path, value: Buffer.from(text).toString("base64") },
    ]);
  await rotate("chosen by hand");
  await world.has("chosen by hand");
  expect(await others()).toEqual(before);

  await rotate("with a line break\n");
  expect((await notReady(scenario, "PasswordUnusable")).message).toContain(
    "application-password in Secret orders-internal has a line break or control character",
  );
  expect(world.inForce()).toBe("chosen by hand");
  await rotate("without");
  await world.has("without");
});

test.concurrent("passwordSecretRef is added, pointed to another Secret and key, and removed: back to the generated password", async () => {
  await using world = await open("exchange");
  const { scenario } = world;
  const generated = await world.read("orders-internal", "application-password");
  await world.has(generated ?? "");

  await world.give("mine", { password: "my own" });
  await scenario.apply(mine);
  await world.has("my own");
  expect(await world.read("orders-internal", "application-password")).toBe(generated);

  await world.give("other", { secret: "another" });
  await scenario.apply({ passwordSecretRef: { name: "other", key: "secret" } });
  await world.has("another");
  // Nobody refers to it any more.
  await world.give("mine", { password: "stale" });

  await scenario.apply({});
  await world.has(generated ?? "");
});

test.concurrent.for([
  {
    title: "gone",
    because: "the Secret is deleted",
    spoil: (world: World) => world.take("mine"),
    reason: "PasswordSecretMissing",
    says: "there is no Secret mine",
  },
  {
    title: "keyless",
    because: "the key is taken out",
    spoil: (world: World) => world.give("mine", { other: "x" }),
    reason: "PasswordSecretMissing",
    says: "Secret mine has no key password",
  },
  {
    title: "empty",
    because: "the password is emptied",
    spoil: (world: World) => world.give("mine", { password: "" }),
    reason: "PasswordUnusable",
    says: "password in Secret mine is empty or not UTF-8",
  },
] as const)("it goes on serving with the last password, and a condition says that $because", async (row) => {
  await using world = await open(row.title, mine, "first");
  await world.has("first");
  const told = await timed(async () => {
    await row.spoil(world);
    return notReady(world.scenario, row.reason);
  });
  expect(told.value.message).toContain(row.says);
  const database = await world.scenario.database();
  expect(conditionOf(database, "Available")?.status).toBe("True");
  expect([world.inForce(), await world.read("orders-credentials", "password")]).toEqual(["first", "first"]);

  const mended = await timed(async () => {
    await world.give("mine", { password: "second" });
    await world.has("second");
  });
  printSeconds(row.reason, row.because, told, mended);
});

test.concurrent("a Secret without our label is read again in each pass; with the label changes are followed at once", async () => {
  await using world = await open("unlabelled");
  const { scenario } = world;
  await world.give("mine", { password: "first" }, {});
  await scenario.apply(mine);
  await world.has("first");

  await world.give("mine", { password: "second" }, {});
  await scenario.apply({ ...mine, parameters: { work_mem: "16MB" } });
  await world.has("second");

  await world.give("mine", { password: "second" }, ourLabel);
  await scenario.apply({ ...mine, parameters: { work_mem: "8MB" } });
  await scenario.ready();
  await world.give("mine", { password: "third" });
  await world.has("third");
});

test.concurrent("a new password waits while PostgreSQL does not answer, a condition says so, and then it is set", async () => {
  await using world = await open("waiting", mine, "first");
  const { scenario } = world;
  const [pod] = (await scenario.admin.list(Pod, { namespace: scenario.namespace })).items;
  scenario.postgres.unreachable.add(pod?.status?.podIP ?? "");
  const told = await timed(async () => {
    await world.give("mine", { password: "second" });
    return notReady(scenario, "Unreachable");
  });
  expect(world.inForce()).toBe("first");
  const mended = await timed(async () => {
    scenario.postgres.unreachable.clear();
    await world.has("second");
  });
  printSeconds("Unreachable", "a new password, and PostgreSQL does not answer", told, mended);
});
