// Children on the real API server with the real garbage collector: created, repaired, pruned, refused, recreated.
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import type { KubeClient } from "../../src/runtime/kube/client.ts";
import { isConflict, RetryAfterError, TerminalError } from "../../src/runtime/kube/errors.ts";
import { ConfigMap, Pod, Secret, Service, StatefulSet } from "../../src/runtime/kube/kinds.ts";
import type { Kind, KubeObject } from "../../src/runtime/kube/object.ts";
import { boundClient } from "../../src/runtime/loop/bound-client.ts";
import {
  type Applied,
  applyChildren,
  type ApplyResult,
  type Child,
  type Children,
} from "../../src/runtime/reconcile/children.ts";
import { apply } from "../../src/runtime/reconcile/apply.ts";
import type { Owner } from "../../src/runtime/reconcile/ownership.ts";
import { eventually, fieldManager, managed, ownerUid, ReconcileWorld, Shop } from "../support/reconcile-world.ts";

/** What the children are built from. */
interface Plan {
  readonly namespace: string;
  readonly text?: string;
  readonly maps?: readonly string[];
  readonly image?: string;
  readonly serviceName?: string;
  readonly services?: boolean;
}

const app = { app: "orders" };

const maps = {
  kind: ConfigMap,
  desired: ({ namespace, text = "one", maps = ["orders"] }: Plan) =>
    maps.map((name) => configMap(namespace, name, { text })),
} satisfies Child<Plan, ConfigMap>;

const secrets = {
  kind: Secret,
  mode: "createOnce",
  ownership: "annotation",
  desired: ({ namespace, text = "one" }: Plan) => [
    { apiVersion: "v1", kind: "Secret", metadata: { name: "orders-internal", namespace }, stringData: { text } },
  ],
} satisfies Child<Plan, Secret>;

const services = {
  kind: Service,
  absent: ["spec.selector"],
  desired: ({ namespace, services = true }: Plan) =>
    services
      ? [
          {
            apiVersion: "v1",
            kind: "Service",
            metadata: { name: "orders", namespace },
            spec: { ports: [{ port: 5432 }] },
          },
        ]
      : [],
} satisfies Child<Plan, Service>;

const statefulSets = {
  kind: StatefulSet,
  prune: "never",
  needs: ["maps"],
  desired: ({ namespace, image = "example.org/pg:17", serviceName = "orders-pods" }: Plan) => [
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "orders-1", namespace },
      spec: {
        serviceName,
        replicas: 1,
        selector: { matchLabels: app },
        template: { metadata: { labels: app }, spec: { containers: [{ name: "postgres", image }] } },
      },
    },
  ],
} satisfies Child<Plan, StatefulSet>;

const children = { maps, secrets, services, statefulSets } as const satisfies Children<Plan>;
const kinds = [ConfigMap, Secret, Service, StatefulSet];

function configMap(namespace: string, name: string, data: Record<string, string>): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

let world: ReconcileWorld;
let owner: Owner & { object: Shop };
beforeEach(async () => {
  world = await ReconcileWorld.open();
  owner = await world.owner();
});
afterEach(() => world[Symbol.asyncDispose]());

/** One pass with a fresh cache. */
async function pass<const C extends Children<Plan>>(plan: Partial<Plan>, of: C): Promise<ApplyResult<C>> {
  await world.read(...kinds);
  return applyChildren({ namespace: world.namespace, ...plan }, owner, of, world.config, world.context);
}

async function live<T extends KubeObject>(kind: Kind<T>, name: string): Promise<T | undefined> {
  return world.client.get(kind, { namespace: world.namespace, name });
}

async function mustLive<T extends KubeObject>(kind: Kind<T>, name: string): Promise<T> {
  const object = await live(kind, name);
  if (object === undefined) throw new Error(`no ${kind.kind} ${name}`);
  return object;
}

/** Somebody else with kubectl. */
function edit<T extends KubeObject>(kind: Kind<T>, name: string, path: string, value: unknown): Promise<T> {
  const ref = { namespace: world.namespace, name };
  return world.client.patch(kind, ref, [{ op: "add", path, value }], { fieldManager: "kubectl-edit" });
}

describe("a pass", () => {
  test("creates every child with our labels and owner, and says so", async () => {
    const { applied, failures, changes } = await pass({}, children);

    expect(failures).toEqual([]);
    expect(changes.map(({ child, key, result }) => [child, key, result])).toEqual([
      ["maps", `${world.namespace}/orders`, "created"],
      ["secrets", `${world.namespace}/orders-internal`, "created"],
      ["services", `${world.namespace}/orders`, "created"],
      ["statefulSets", `${world.namespace}/orders-1`, "created"],
    ]);
    const { uid } = owner.object.metadata;
    for (const [kind, name] of [
      [ConfigMap, "orders"],
      [Service, "orders"],
      [StatefulSet, "orders-1"],
    ] as const) {
      const { metadata } = await mustLive<KubeObject>(kind, name);
      expect(metadata.labels).toMatchObject(managed);
      expect(metadata.ownerReferences).toMatchObject([{ kind: "Shop", name: "orders", uid, controller: true }]);
    }
    const secret = await mustLive(Secret, "orders-internal");
    expect(secret.metadata.ownerReferences).toBeUndefined();
    expect(secret.metadata.annotations).toEqual({ [ownerUid]: uid });
    expect(applied.statefulSets?.[0]?.metadata.uid).toBe((await mustLive(StatefulSet, "orders-1")).metadata.uid);
    expect(world.emitted.map(({ message }) => message)).toContain("Created StatefulSet orders-1");
  });

  test("rule 47: that finds everything as desired writes nothing", async () => {
    await pass({}, children);
    world.emitted.length = 0;
    const before = await Promise.all([
      mustLive(ConfigMap, "orders"),
      mustLive(Service, "orders"),
      mustLive(Secret, "orders-internal"),
    ]);

    let writes = 0;
    const client = boundClient(world.client, { beforeWrite: () => void (writes += 1) });
    await world.read(...kinds);
    const plan = { namespace: world.namespace };
    const context = { ...world.context, client };
    const { applied, failures, changes } = await applyChildren(plan, owner, children, world.config, context);

    expect([failures, changes, world.emitted]).toEqual([[], [], []]);
    // An apply that changes nothing is a request all the same, and leaves no trace.
    expect(writes).toBe(0);
    expect(Object.keys(applied)).toEqual(["maps", "secrets", "services", "statefulSets"]);
    const after = await Promise.all([
      mustLive(ConfigMap, "orders"),
      mustLive(Service, "orders"),
      mustLive(Secret, "orders-internal"),
    ]);
    expect(after).toEqual(before);
  });

  test("changes only what differs, and the Event names the path and no value", async () => {
    await pass({}, children);
    const { changes } = await pass({ image: "example.org/pg:18" }, children);

    const path = "spec.template.spec.containers[name=postgres].image";
    expect(changes).toMatchObject([{ child: "statefulSets", result: "updated", paths: [path] }]);
    expect(world.emitted.at(-1)).toEqual({
      type: "Normal",
      reason: "Updated",
      message: `Updated StatefulSet orders-1: ${path}`,
    });
  });

  test("takes back what somebody else changed, and leaves what they added", async () => {
    await pass({}, { maps });
    await edit(ConfigMap, "orders", "/data/text", "theirs");
    await edit(ConfigMap, "orders", "/data/more", "theirs");

    const { changes } = await pass({}, { maps });

    expect(changes).toMatchObject([{ result: "updated", paths: ["data.text"] }]);
    expect((await mustLive(ConfigMap, "orders")).data).toEqual({ text: "one", more: "theirs" });
  });

  test("rule 35: finds a child from which our label was taken, though the watch lost it, and puts it back", async () => {
    await pass({}, { maps });
    const name = Object.keys(managed)[0]!.replace("/", "~1");
    const ref = { namespace: world.namespace, name: "orders" };
    await world.client.patch(ConfigMap, ref, [{ op: "remove", path: `/metadata/labels/${name}` }]);

    const { changes } = await pass({}, { maps });

    expect(changes).toMatchObject([{ result: "updated", paths: ["metadata.labels"] }]);
  });

  test("removes what nobody may set, whoever set it", async () => {
    await pass({}, { services });
    await edit(Service, "orders", "/spec/selector", { app: "wrong" });

    const { changes } = await pass({}, { services });

    expect(changes).toMatchObject([{ result: "updated", paths: ["spec.selector"] }]);
    expect((await mustLive(Service, "orders")).spec).not.toHaveProperty("selector");
  });

  test("never writes again what is created once, but marks as its own what a former owner retained", async () => {
    await pass({}, { secrets });
    await world.client.delete(
      Shop,
      { namespace: world.namespace, name: "orders" },
      { uid: owner.object.metadata.uid! },
    );
    owner = await world.owner();

    const { applied, changes, failures } = await pass({ text: "two" }, { secrets });

    const mark = `metadata.annotations[${world.config.ownerUidAnnotation}]`;
    expect([failures, changes]).toMatchObject([[], [{ result: "updated", paths: [mark] }]]);
    expect((await mustLive(Secret, "orders-internal")).metadata.annotations).toMatchObject({
      [world.config.ownerUidAnnotation]: owner.object.metadata.uid,
    });
    expect((await pass({ text: "two" }, { secrets })).changes).toEqual([]);
    expect(applied.secrets?.[0]?.data).toEqual({ text: Buffer.from("one").toString("base64") });
  });

  test("asks for what only a creation needs at the creation alone", async () => {
    let asked = 0;
    const generated = {
      kind: Secret,
      mode: "createOnce",
      atCreation: ({ metadata }) => ({ stringData: { password: `${metadata.name} ${(asked += 1)}` } }),
      desired: ({ namespace }: Plan) => [
        { apiVersion: "v1", kind: "Secret", metadata: { name: "orders-key", namespace } },
      ],
    } satisfies Child<Plan, Secret>;

    await pass({}, { generated });
    const { applied, changes } = await pass({}, { generated });

    expect([asked, changes]).toEqual([1, []]);
    expect(applied.generated?.[0]?.data).toEqual({ password: Buffer.from("orders-key 1").toString("base64") });
    const { mode: _, ...again } = generated;
    await expect(pass({}, { again })).rejects.toThrow("again has atCreation, which is only for mode createOnce");
  });
});

describe("prune", () => {
  test("deletes what is no longer desired, and nothing that is not ours", async () => {
    await pass({ maps: ["a", "b"] }, { maps, services });
    await world.client.create(ConfigMap, {
      ...configMap(world.namespace, "labelled", {}),
      metadata: { name: "labelled", namespace: world.namespace, labels: managed },
    });

    const { changes } = await pass({ maps: ["b"], services: false }, { maps, services });

    expect(changes.map(({ child, key, result }) => [child, key, result])).toEqual([
      ["maps", `${world.namespace}/a`, "deleted"],
      ["services", `${world.namespace}/orders`, "deleted"],
    ]);
    expect(await live(ConfigMap, "a")).toBeUndefined();
    expect(await live(ConfigMap, "b")).toBeDefined();
    expect(await live(ConfigMap, "labelled")).toBeDefined();
    expect(world.emitted.at(-1)?.message).toBe("Deleted Service orders: no longer wanted");
  });

  test("leaves alone what another child of the same kind desires", async () => {
    const more = { ...maps, desired: ({ namespace }: Plan) => [configMap(namespace, "more", {})] };
    await pass({}, { maps, more });
    expect((await pass({}, { maps, more })).changes).toEqual([]);
  });

  test("leaves alone what goes by a planned act", async () => {
    const none = { ...statefulSets, desired: () => [] };
    await pass({}, { maps, statefulSets });
    await pass({}, { maps, statefulSets: none });
    expect(await live(StatefulSet, "orders-1")).toBeDefined();
  });

  test("is off while it is unknown what is desired, and while the owner is being deleted", async () => {
    await pass({ maps: ["a", "b"] }, { maps });
    const broken: Child<Plan, ConfigMap> = {
      ...maps,
      desired: () => {
        throw new Error("cannot build");
      },
    };
    const { failures } = await pass({ maps: [] }, { maps, broken });
    expect(failures).toMatchObject([{ child: "broken", error: { message: "cannot build" } }]);

    const { metadata } = owner.object;
    owner = {
      ...owner,
      object: { ...owner.object, metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } },
    };
    expect((await pass({ maps: [] }, { maps })).changes).toEqual([]);
    expect(await live(ConfigMap, "a")).toBeDefined();
  });
});

test("nothing is made for an owner that is being deleted in the foreground: its end would never come", async () => {
  await pass({ maps: ["a"] }, { maps });
  const { metadata } = owner.object;
  const going = { ...owner.object, metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  owner = { ...owner, object: going };

  expect(await pass({ maps: ["a", "b"] }, { maps })).toEqual({ applied: {}, failures: [], changes: [] });
  const b = configMap(world.namespace, "b", { text: "one" });
  await expect(apply(b, ConfigMap, owner, {}, world.config, world.context)).rejects.toThrow(
    `Shop ${world.namespace}/${metadata.name} is being deleted: nothing is made for it`,
  );
  expect(await live(ConfigMap, "b")).toBeUndefined();
});

describe("a failure", () => {
  test("of a name that somebody else has stops only the children that need it, and touches nothing of theirs", async () => {
    const theirs = await world.client.create(ConfigMap, configMap(world.namespace, "orders", { text: "theirs" }));

    const { applied, failures } = await pass({}, children);

    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ child: "maps", error: { reason: "NameTaken" } });
    expect(failures[0]!.error).toBeInstanceOf(TerminalError);
    expect(failures[0]!.error.message).toBe(
      `ConfigMap ${world.namespace}/orders exists already and is not ours: delete or rename it, or give the Shop another name`,
    );
    expect(Object.keys(applied)).toEqual(["secrets", "services"]);
    expect(await live(StatefulSet, "orders-1")).toBeUndefined();
    expect(await live(ConfigMap, "orders")).toEqual(theirs);
  });

  test("of a name that somebody else takes between the look and the creation is a conflict, and touches nothing of theirs", async () => {
    const theirs = configMap(world.namespace, "orders", { text: "theirs" });
    const client: KubeClient = {
      ...world.client,
      get: async (...call) => {
        const seen = await world.client.get(...call);
        if (seen === undefined) await world.client.create(ConfigMap, theirs);
        return seen;
      },
    };
    const plan = { namespace: world.namespace };
    const { failures } = await applyChildren(plan, owner, { maps }, world.config, { ...world.context, client });

    expect(failures).toHaveLength(1);
    expect(isConflict(failures[0]!.error)).toBe(true);
    expect((await mustLive(ConfigMap, "orders")).data).toEqual(theirs.data);
    expect((await mustLive(ConfigMap, "orders")).metadata.ownerReferences).toBeUndefined();
  });

  test("of one object leaves its siblings applied", async () => {
    await world.client.create(ConfigMap, configMap(world.namespace, "b", {}));
    const { applied, failures } = await pass({ maps: ["a", "b", "c"] }, { maps });
    expect(failures).toHaveLength(1);
    expect(applied.maps).toBeUndefined();
    expect(await live(ConfigMap, "a")).toBeDefined();
    expect(await live(ConfigMap, "c")).toBeDefined();
  });

  describe("of one object stops what needs its namesake", () => {
    const keys = {
      kind: Secret,
      needsNamesake: "maps",
      desired: ({ namespace }: Plan) =>
        ["a", "b"].map((name) => ({
          apiVersion: "v1" as const,
          kind: "Secret" as const,
          metadata: { name, namespace },
        })),
    } satisfies Child<Plan, Secret>;

    test("and not its siblings", async () => {
      await world.client.create(ConfigMap, configMap(world.namespace, "b", {}));
      const { applied, failures } = await pass({ maps: ["a", "b"] }, { maps, keys });
      expect(failures).toMatchObject([{ child: "maps", error: { reason: "NameTaken" } }]);
      expect(applied).toEqual({});
      expect(await live(Secret, "a")).toBeDefined();
      expect(await live(Secret, "b")).toBeUndefined();
    });

    test("unless that is there already and only cannot be changed, or is not desired any more", async () => {
      await pass({ maps: ["a", "b"] }, { maps });
      await edit(ConfigMap, "b", "/metadata/finalizers", ["example.org/hold"]);
      const { metadata } = await mustLive(ConfigMap, "b");
      await world.client.delete(ConfigMap, { namespace: world.namespace, name: "b" }, { uid: metadata.uid! });

      const failed = await pass({ maps: ["a", "b"] }, { maps, keys });
      expect(failed.failures).toMatchObject([{ child: "maps", error: { reason: "WaitingForDeletion" } }]);
      expect(failed.applied.keys?.map(({ metadata: { name } }) => name)).toEqual(["a", "b"]);
      expect((await pass({ maps: ["a"] }, { maps: { ...maps, prune: "never" }, keys })).failures).toEqual([]);
    });

    test("which has to be a child before it", async () => {
      await expect(pass({}, { keys })).rejects.toThrow("needs maps, which is not a child before it");
    });
  });

  test("to know its object any more is a conflict: what was deleted meanwhile is not brought back by mistake", async () => {
    await pass({}, { maps });
    await world.read(ConfigMap);
    const { metadata } = await mustLive(ConfigMap, "orders");
    await world.client.delete(ConfigMap, { namespace: world.namespace, name: "orders" }, { uid: metadata.uid! });

    const plan = { namespace: world.namespace, text: "two" };
    const { failures } = await applyChildren(plan, owner, { maps }, world.config, world.context);

    expect(failures).toHaveLength(1);
    expect(isConflict(failures[0]!.error)).toBe(true);
    expect(await live(ConfigMap, "orders")).toBeUndefined();
    expect((await pass({ text: "two" }, { maps })).changes).toMatchObject([{ result: "created" }]);
  });

  test("to build the same object once is told before anything is written", async () => {
    const { failures } = await pass({ maps: ["a", "a"] }, { maps });
    expect(failures).toMatchObject([{ child: "maps", error: { message: expect.stringContaining("desired twice") } }]);
    expect(await live(ConfigMap, "a")).toBeUndefined();
  });

  test("to name a child in `needs` is a mistake of the programmer", async () => {
    await expect(pass({}, { statefulSets })).rejects.toThrow("needs maps, which is not a child before it");
  });

  test("of the whole pass is what an aborted signal brings", async () => {
    const context = { ...world.context, signal: AbortSignal.abort(new Error("lease lost")) };
    const plan = { namespace: world.namespace };
    await expect(applyChildren(plan, owner, { maps }, world.config, context)).rejects.toThrow("lease lost");
    expect(await live(ConfigMap, "orders")).toBeUndefined();
  });
});

describe("an object that is on its way out", () => {
  test("because a namesake of its owner has gone is waited for, then created anew", async () => {
    await pass({}, { maps });
    const before = await mustLive(ConfigMap, "orders");
    // The namesake is there before the garbage collector has come.
    const orphan = { ...before.metadata.ownerReferences![0]!, uid: "00000000-0000-4000-8000-000000000000" };
    await world.client.patch(ConfigMap, { namespace: world.namespace, name: "orders" }, [
      { op: "replace", path: "/metadata/ownerReferences", value: [orphan] },
    ]);
    const first = await pass({}, { maps });
    if (first.failures.length > 0) expect(first.failures[0]!.error).toBeInstanceOf(RetryAfterError);

    const after = await eventually(async () => (await pass({}, { maps })).applied.maps?.[0]);
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
  });

  test("is waited for while a finalizer holds it", async () => {
    await pass({}, { maps });
    await edit(ConfigMap, "orders", "/metadata/finalizers", ["example.org/hold"]);
    const { metadata } = await mustLive(ConfigMap, "orders");
    await world.client.delete(ConfigMap, { namespace: world.namespace, name: "orders" }, { uid: metadata.uid! });

    const { applied, failures } = await pass({ text: "two" }, { maps });

    expect(applied.maps).toBeUndefined();
    expect(failures[0]!.error).toBeInstanceOf(RetryAfterError);
    expect((await mustLive(ConfigMap, "orders")).data).toEqual({ text: "one" });
  });
});

describe("a change of an immutable field", () => {
  test("is refused as terminal, with the field", async () => {
    await pass({}, { maps, statefulSets });
    const { failures } = await pass({ serviceName: "other" }, { maps, statefulSets });
    expect(failures).toMatchObject([
      { child: "statefulSets", error: { name: "TerminalError", reason: "ImmutableField" } },
    ]);
    expect(failures[0]!.error.message).toContain("spec: Forbidden: updates to statefulset spec");
  });

  test("recreates the object where that was chosen", async () => {
    const recreating = { ...statefulSets, onImmutable: "recreate" } as const;
    await pass({}, { maps, statefulSets: recreating });
    const before = await mustLive(StatefulSet, "orders-1");

    const after = await eventually(async () => {
      const { applied } = await pass({ serviceName: "other" }, { maps, statefulSets: recreating });
      return applied.statefulSets?.[0];
    });

    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(after.spec?.serviceName).toBe("other");
  });

  test("recreates it around its living Pods where that was chosen", async () => {
    const orphaning = { ...statefulSets, onImmutable: "recreate-orphaning" } as const;
    await pass({}, { maps, statefulSets: orphaning });
    const before = await eventually(() => live(Pod, "orders-1-0"));

    const after = await eventually(async () => {
      const { applied } = await pass({ serviceName: "other" }, { maps, statefulSets: orphaning });
      return applied.statefulSets?.[0];
    });

    expect(after.spec?.serviceName).toBe("other");
    const pod = await eventually(async () => {
      const pod = await live(Pod, "orders-1-0");
      return pod?.metadata.ownerReferences?.[0]?.uid === after.metadata.uid ? pod : undefined;
    });
    expect(pod.metadata.uid).toBe(before.metadata.uid);
  });
});

test("a path that another manager keeps taking is left alone, and an Event names both", async () => {
  await pass({}, { maps });
  const take = (): Promise<ConfigMap> =>
    world.client.apply(ConfigMap, configMap(world.namespace, "orders", { text: "theirs" }), { fieldManager: "argocd" });
  for (let i = 0; i < 5; i++) {
    await take();
    expect((await pass({}, { maps })).changes).toMatchObject([{ result: "updated", paths: ["data.text"] }]);
  }
  await take();
  const first = await pass({}, { maps });
  const second = await pass({}, { maps });

  for (const { failures } of [first, second]) expect(failures[0]!.error).toBeInstanceOf(RetryAfterError);
  expect((await mustLive(ConfigMap, "orders")).data).toEqual({ text: "theirs" });
  expect(world.emitted.filter(({ type }) => type === "Warning")).toEqual([
    {
      type: "Warning",
      reason: "Contested",
      message: `data.text of ConfigMap ${world.namespace}/orders is contested: argocd keeps changing it; left alone for 60 s`,
    },
  ]);
});

test("a spec that changes five times in a minute is not contested", async () => {
  for (let i = 0; i < 8; i++) {
    expect((await pass({ text: String(i) }, { maps })).failures).toEqual([]);
  }
});

test("an object that was only built is none that was applied", () => {
  type Result = ApplyResult<typeof children>["applied"];
  expectTypeOf<Result["statefulSets"]>().toEqualTypeOf<readonly Applied<StatefulSet>[] | undefined>();
  expectTypeOf<Result["secrets"]>().toEqualTypeOf<readonly Applied<Secret>[] | undefined>();
  expectTypeOf<StatefulSet>().not.toExtend<Applied<StatefulSet>>();
  expectTypeOf<Applied<StatefulSet>>().toExtend<Readonly<StatefulSet>>();
  expectTypeOf<Result>().not.toHaveProperty("forgotten");
  expectTypeOf(fieldManager).toBeString();
});
