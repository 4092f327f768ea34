import { describe, expect, test } from "vitest";
import type { ManagedFieldsEntry, ObjectMeta } from "../../../src/runtime/kube/object.ts";
import { Store } from "../../../src/runtime/kube/store.ts";

interface ConfigMap {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  data?: Record<string, string>;
}

/** A ConfigMap `orders` in `shop` at this version. */
function at(version: number | string, metadata: Partial<ObjectMeta> = {}): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "orders", namespace: "shop", uid: "uid-1", resourceVersion: String(version), ...metadata },
  };
}

function syncedStore(...items: ConfigMap[]): Store<ConfigMap> {
  const store = new Store<ConfigMap>({ fieldManager: "holdfast" });
  store.replace(
    items.map((item) => store.prepare(item)),
    "100",
  );
  return store;
}

const orders = { namespace: "shop", name: "orders" };

describe("deltas", () => {
  test("rule 26: the first list is initial, a later one tells only what differs, deletions with the last state known", () => {
    const store = new Store<ConfigMap>();
    expect(store.replace([at(5), at(6, { name: "shop" })], "10").map(({ type }) => type)).toEqual([
      "initial",
      "initial",
    ]);

    const deltas = store.replace([at(5), at(12, { name: "new" })], "20");
    expect(deltas).toEqual([
      { type: "deleted", object: at(6, { name: "shop" }), finalStateUnknown: true },
      { type: "added", object: at(12, { name: "new" }) },
    ]);
  });

  test("an update has both sides", () => {
    const store = syncedStore(at(5));
    expect(store.change("MODIFIED", at(101))).toEqual([{ type: "updated", old: at(5), object: at(101) }]);
  });

  test("rule 27: a deletion carries the object as it was in the end", () => {
    const store = syncedStore(at(5));
    const last = at(101, { labels: { app: "orders" } });
    expect(store.change("DELETED", last)).toEqual([{ type: "deleted", object: last, finalStateUnknown: false }]);
    expect(store.get(orders)).toBeUndefined();
  });

  test("rule 13: a namesake with another uid is another object: the old one is deleted, the new one added", () => {
    const store = syncedStore(at(5));
    expect(store.replace([at(120, { uid: "uid-2" })], "130")).toEqual([
      { type: "deleted", object: at(5), finalStateUnknown: true },
      { type: "added", object: at(120, { uid: "uid-2" }) },
    ]);
  });

  test("a frame that was told before changes nothing and raises nothing from the dead", () => {
    const store = syncedStore();
    store.change("ADDED", at(101));
    store.change("DELETED", at(102));
    expect(store.change("ADDED", at(101))).toEqual([]);
    expect(store.size).toBe(0);
  });
});

describe("own writes", () => {
  test("rule 37: are seen at once, and the watch's own copy takes over when it comes", () => {
    const store = syncedStore(at(5));
    const answer = at(101);
    store.written(answer, "changed");
    expect(store.get(orders)).toBe(answer);

    const told = at(101);
    store.change("MODIFIED", told);
    expect(store.get(orders)).toBe(told);
  });

  test("rule 38: are not undone by older events that are still on their way", () => {
    const store = syncedStore(at(5));
    store.written(at(103), "changed");
    store.change("MODIFIED", at(101));
    expect(store.get(orders)?.metadata.resourceVersion).toBe("103");
  });

  test("rule 38: do not hide what others wrote after them", () => {
    const store = syncedStore(at(5));
    store.change("MODIFIED", at(104));
    store.written(at(103), "changed");
    expect(store.get(orders)?.metadata.resourceVersion).toBe("104");
  });

  test("rule 38: whose object was deleted before the answer came stay unseen", () => {
    const store = syncedStore();
    store.change("ADDED", at(101));
    store.change("DELETED", at(102));
    store.written(at(101), "created");
    expect(store.get(orders)).toBeUndefined();
  });

  test("rule 38: go when a bookmark says that the watch has passed them without a word (created and deleted in a gap)", () => {
    const store = syncedStore();
    store.written(at(101), "created");
    store.bookmark("100");
    expect(store.size).toBe(1);
    store.bookmark("101");
    expect(store.size).toBe(0);
  });

  test("rule 38: go with a newer list that lacks them, and stay with an older one", () => {
    const store = syncedStore();
    store.written(at(105), "created");
    store.replace([], "104");
    expect(store.size).toBe(1);
    store.replace([], "106");
    expect(store.size).toBe(0);
  });

  test("rule 34: are not remembered where versions cannot be ordered", () => {
    const store = new Store<ConfigMap>();
    store.replace([at("abc")], "abc");
    store.written(at("abd"), "changed");
    store.deleted(orders, "uid-1");
    expect(store.get(orders)?.metadata.resourceVersion).toBe("abc");
    store.change("DELETED", at("abe"));
    expect(store.size).toBe(0);
  });

  test("of objects that the watch does not cover are not remembered", () => {
    const store = new Store<ConfigMap>({ watches: ({ metadata }) => metadata.labels?.["app"] === "orders" });
    store.replace([], "100");
    store.written(at(101), "created");
    expect(store.size).toBe(0);
  });
});

describe("own deletes", () => {
  test("hide the object until the watch tells of its end", () => {
    const store = syncedStore(at(5));
    store.deleted(orders, "uid-1");
    expect(store.get(orders)).toBeUndefined();
    expect(store.list()).toEqual([]);
    store.change("MODIFIED", at(101));
    expect(store.get(orders)).toBeUndefined();
    expect(store.change("DELETED", at(102))).toHaveLength(1);
  });

  test("rule 38: show it again when the watch tells that it is still terminating", () => {
    const store = syncedStore(at(5));
    store.deleted(orders, "uid-1");
    store.change(
      "MODIFIED",
      at(101, { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["holdfast.dev/cleanup"] }),
    );
    expect(store.get(orders)?.metadata.deletionTimestamp).toBeDefined();
  });

  test("leave a namesake alone", () => {
    const store = syncedStore(at(5, { uid: "uid-2" }));
    store.deleted(orders, "uid-1");
    expect(store.get(orders)).toBeDefined();
  });

  test("do not hide what takes its name afterwards", () => {
    const store = syncedStore(at(5));
    store.deleted(orders, "uid-1");
    store.written(at(110, { uid: "uid-2" }), "created");
    expect(store.get(orders)?.metadata.uid).toBe("uid-2");
    store.change("DELETED", at(102));
    store.change("ADDED", at(110, { uid: "uid-2" }));
    expect(store.get(orders)?.metadata.uid).toBe("uid-2");
  });

  test("of what the watch has not told of yet hide it when it does", () => {
    const store = syncedStore();
    store.written(at(101), "created");
    store.deleted(orders, "uid-1");
    store.change("ADDED", at(101));
    expect(store.get(orders)).toBeUndefined();
    store.change("DELETED", at(102));
    store.change("ADDED", at(103, { uid: "uid-2" }));
    expect(store.get(orders)?.metadata.uid).toBe("uid-2");
  });

  test("of what is terminating already change nothing: the watch would never tell of it", () => {
    const store = syncedStore(at(5, { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["x"] }));
    store.deleted(orders, "uid-1");
    expect(store.get(orders)).toBeDefined();
  });

  test("come about also by removing the last finalizer, which is answered with the version before it", () => {
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    const before = at(105, { deletionTimestamp, finalizers: ["holdfast.dev/cleanup"] });
    const store = syncedStore(at(5));
    store.change("MODIFIED", before);
    store.written(at(105, { deletionTimestamp, finalizers: [] }), "changed");
    expect(store.get(orders)).toBeUndefined();
    store.bookmark("110");
    expect(store.get(orders)).toBeUndefined();
    expect(store.change("DELETED", at(111, { deletionTimestamp }))).toMatchObject([{ type: "deleted" }]);
    store.change("ADDED", at(112, { uid: "uid-2" }));
    expect(store.get(orders)?.metadata.uid).toBe("uid-2");
  });

  test("by removing the last finalizer leave a namesake alone that was seen already", () => {
    const store = syncedStore(at(5, { uid: "uid-2" }));
    store.written(at(101, { deletionTimestamp: "2026-01-01T00:00:00Z" }), "changed");
    expect(store.get(orders)).toBeDefined();
  });

  test("by removing the last finalizer, answered late, do not show again who had the name since and was deleted", () => {
    const store = syncedStore(at(5));
    store.written(at(110, { uid: "uid-2" }), "created");
    store.deleted(orders, "uid-2");
    store.written(at(101, { deletionTimestamp: "2026-01-01T00:00:00Z" }), "changed");
    store.change("DELETED", at(102));
    store.change("ADDED", at(110, { uid: "uid-2" }));
    expect(store.get(orders)).toBeUndefined();
  });

  test("a Namespace that is going is held by the finalizers of its spec: what we write of it is seen", () => {
    const store = syncedStore(at(5));
    const going = at(101, { deletionTimestamp: "2026-01-01T00:00:00Z" });
    store.written({ ...going, spec: { finalizers: ["kubernetes"] } } as ConfigMap, "changed");
    expect(store.get(orders)?.metadata.resourceVersion).toBe("101");
  });
});

describe("live reads", () => {
  const terminating = { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["holdfast.dev/cleanup"] };

  test("that find nothing hide the object for good, whatever the watch still tells of its last hours", () => {
    const seen = at(5);
    const store = syncedStore(seen);
    store.change("MODIFIED", at(101, terminating));
    store.read(orders, seen, undefined);
    expect(store.get(orders)).toBeUndefined();
    store.change("MODIFIED", at(102, { ...terminating, labels: { app: "orders" } }));
    expect(store.get(orders)).toBeUndefined();
    store.change("DELETED", at(103, terminating));
    store.change("ADDED", at(104, { uid: "uid-2" }));
    expect(store.get(orders)?.metadata.uid).toBe("uid-2");
  });

  test("that find nothing of what our delete has hidden hide it for good as well", () => {
    const seen = at(5);
    const store = syncedStore(seen);
    store.deleted(orders, "uid-1");
    store.read(orders, seen, undefined);
    store.change("MODIFIED", at(101, terminating));
    expect(store.get(orders)).toBeUndefined();
  });

  test("that find nothing do not hide for ever what two lists have all the same: etcd was restored", () => {
    const seen = at(5);
    const store = syncedStore(seen);
    store.read(orders, seen, undefined);
    const listed = (): ConfigMap[] => [store.prepare(at(5))];
    store.replace(listed(), "200");
    expect(store.get(orders), "that list may be older than the read").toBeUndefined();
    store.replace(listed(), "201");
    expect(store.get(orders)).toBeDefined();
  });

  test("that found it terminating do not bring it back once another one did not find it", () => {
    const seen = at(5);
    const store = syncedStore(seen);
    store.read(orders, seen, undefined);
    store.read(orders, seen, at(101, terminating));
    expect(store.get(orders)).toBeUndefined();
  });
});

const entry = (manager: string, second: number): ManagedFieldsEntry => ({
  manager,
  time: `2026-01-01T00:00:0${second}Z`,
});

describe("echoes", () => {
  const echo = (version: number, ...managedFields: ManagedFieldsEntry[]): boolean | undefined => {
    const store = syncedStore(at(5, { managedFields: [entry("holdfast", 1)] }));
    store.written(at(101, { managedFields: structuredClone(managedFields) }), "changed");
    const [delta] = store.change("MODIFIED", at(version, { managedFields }));
    return delta?.type === "updated" ? delta.own : undefined;
  };

  test.each([
    {
      version: 101,
      fields: [entry("holdfast", 3), entry("kubectl", 2)],
      own: true,
      because: "our entry is the newest",
    },
    {
      version: 101,
      fields: [entry("holdfast", 1)],
      own: undefined,
      because: "our entry did not change: our write was empty",
    },
    {
      version: 101,
      fields: [entry("holdfast", 2), entry("kubectl", 3)],
      own: undefined,
      because: "others wrote later",
    },
    {
      version: 101,
      fields: [entry("holdfast", 3), entry("kubectl", 3)],
      own: undefined,
      because: "it cannot be told who was last",
    },
    {
      version: 102,
      fields: [entry("holdfast", 3)],
      own: undefined,
      because: "it is not the version that was answered",
    },
  ])("rule 39: version $version is marked own: $own, because $because", ({ version, fields, own }) => {
    expect(echo(version, ...fields)).toBe(own);
  });

  test("a creation of ours is own", () => {
    const store = syncedStore();
    store.written(at(101), "created");
    expect(store.change("ADDED", at(101))).toEqual([{ type: "added", object: at(101), own: true }]);
  });

  test.each([
    { fields: [entry("holdfast", 3)], mayBeOwn: true, because: "our entry is the newest" },
    { fields: [entry("holdfast", 3), entry("kubectl", 4)], mayBeOwn: undefined, because: "others wrote later" },
  ])("rule 39: before an answer a change may be own: $mayBeOwn, because $because", ({ fields, mayBeOwn }) => {
    const store = syncedStore(at(5, { managedFields: [entry("holdfast", 1)] }));
    const [delta] = store.change("MODIFIED", at(101, { managedFields: fields }));
    expect(delta?.type === "updated" ? [delta.own, delta.mayBeOwn] : []).toEqual([undefined, mayBeOwn]);
  });

  test("an echo that comes after a list is own, a version that a restored etcd gives out again is not", () => {
    const store = syncedStore();
    store.written(at(105), "created");
    store.written(at(106, { name: "other" }), "created");
    store.replace([], "104");
    expect(store.change("ADDED", at(105))).toMatchObject([{ own: true }]);
    store.replace([], "50");
    const [delta] = store.change("ADDED", at(106, { name: "other" }));
    expect(delta).not.toHaveProperty("own");
  });

  test("rule 39: nothing is own after a relist, since changes of others may have been missed", () => {
    const store = syncedStore();
    store.written(at(101), "created");
    expect(store.replace([at(101)], "101")).toEqual([{ type: "added", object: at(101) }]);
  });
});

const owner = (uid: string) => [{ apiVersion: "v1", kind: "Database", name: "orders", uid }];

describe("lists", () => {
  test("are the truth even when they lie behind: etcd was restored from a backup", () => {
    const store = syncedStore(at(90));
    store.written(at(140), "changed");
    store.replace([at(40)], "50");
    expect(store.get(orders)?.metadata.resourceVersion).toBe("40");
    store.change("MODIFIED", at(51));
    expect(store.get(orders)?.metadata.resourceVersion).toBe("51");
  });

  test("of one namespace leave the other namespaces alone", () => {
    const store = new Store<ConfigMap>();
    store.replace([at(5)], "10", "shop");
    expect(store.replace([at(6, { namespace: "bar" })], "11", "bar").map(({ type }) => type)).toEqual(["initial"]);
    expect(store.replace([], "12", "shop").map(({ type }) => type)).toEqual(["deleted"]);
    expect(store.list().map(({ metadata }) => metadata.namespace)).toEqual(["bar"]);
  });

  test("can be read by namespace, labels and owner, own writes included", () => {
    const store = syncedStore(
      at(1, { name: "a", labels: { app: "orders", tier: "db" }, ownerReferences: owner("owner-1") }),
      at(2, { name: "b", namespace: "bar", labels: { app: "orders" }, ownerReferences: owner("owner-1") }),
      at(3, { name: "c", ownerReferences: owner("owner-2") }),
    );
    const names = (options: Parameters<typeof store.list>[0]) =>
      store.list(options).map(({ metadata }) => metadata.name);
    expect(names({ namespace: "shop" })).toEqual(["a", "c"]);
    expect(names({ labels: { app: "orders" } })).toEqual(["a", "b"]);
    expect(names({ labels: { app: "orders", tier: "db" } })).toEqual(["a"]);
    expect(names({ ownerUid: "owner-1" })).toEqual(["a", "b"]);
    expect(names({ ownerUid: "owner-1", namespace: "bar" })).toEqual(["b"]);
    expect(names({ ownerUid: "owner-3" })).toEqual([]);

    store.written(at(101, { name: "c", ownerReferences: owner("owner-1") }), "changed");
    expect(names({ ownerUid: "owner-1" })).toEqual(["a", "b", "c"]);
    expect(names({ ownerUid: "owner-2" })).toEqual([]);
  });
});

describe("memory", () => {
  test("of managedFields only our manager's entries are kept", () => {
    const managedFields = [
      { manager: "kubectl" },
      { manager: "holdfast", subresource: "status" },
      { manager: "holdfast" },
    ];
    const store = syncedStore(at(1, { managedFields: structuredClone(managedFields) }));
    store.written(at(101, { name: "other", managedFields: structuredClone(managedFields) }), "created");
    for (const { metadata } of store.list()) expect(metadata.managedFields).toEqual(managedFields.slice(1));

    const without = new Store<ConfigMap>();
    without.replace([without.prepare(at(1, { managedFields }))], "10");
    expect(without.get(orders)?.metadata).not.toHaveProperty("managedFields");
  });

  test("an object that a relist finds unchanged is not held twice", () => {
    const first = at(5);
    const store = syncedStore(first);
    store.replace([at(5)], "200");
    expect(store.get(orders)).toBe(first);
  });

  test("a transform drops what nobody reads, of what is watched and of what is written", () => {
    const store = new Store<ConfigMap>({
      transform: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }),
    });
    store.replace([store.prepare({ ...at(1), data: { large: "x" } })], "10");
    store.written({ ...at(11, { name: "other" }), data: { large: "x" } }, "created");
    for (const object of store.list()) expect(object).not.toHaveProperty("data");
  });

  // Cached objects are shared, and freezing or copying each costs more than all else a frame does. So the type says Readonly, and
  // every test that runs controllers freezes: who changes an object there, throws.
  test("rule 33: frozen objects show who changes them", () => {
    const store = new Store<ConfigMap>({ freeze: true });
    store.replace([store.prepare(at(1, { labels: { app: "orders" } }))], "10");
    expect(() => Object.assign(store.get(orders)?.metadata.labels ?? {}, { app: "x" })).toThrow(TypeError);
  });
});
