import * as fc from "fast-check";
import { expect, test } from "vitest";
import { keyOf, type KubeObject, refTo } from "../../../src/runtime/kube/object.ts";
import { type Delta, Store } from "../../../src/runtime/kube/store.ts";
import { ourManager, StoreServer } from "../../support/store-server.ts";

type Snapshot = ReturnType<StoreServer["snapshot"]>;
type Answer =
  | { readonly object: KubeObject; readonly how: "created" | "changed" }
  | { readonly deleted: KubeObject }
  | { readonly read: string; readonly seen: Readonly<KubeObject> | undefined; readonly found: KubeObject | undefined };

/** A store beside the server that it follows, with everything that is under way between the two. */
class World {
  readonly server = new StoreServer();
  readonly store = new Store({ fieldManager: ourManager, freeze: true });
  /** Answers to our writes that have not come back yet. */
  readonly answers: Answer[] = [];
  /** What the deltas alone tell. */
  readonly told = new Map<string, Readonly<KubeObject>>();
  readonly newest = new Map<string, bigint>();
  /** Objects whose deletion by us was answered while the store showed them. */
  readonly deleted = new Set<string>();
  /** Objects of which a live read found that they are gone. */
  readonly gone = new Set<string>();
  #delivered = 0;
  #listing: Snapshot | undefined;
  #listedAt = 0;

  constructor() {
    this.replace(this.server.snapshot(), 0);
  }

  ourWrite(name: string, finalizers: string[] | undefined): void {
    const how = this.server.objects.has(name) ? "changed" : "created";
    this.answers.push({ object: this.server.write(name, "us", finalizers), how });
  }

  ourEmptyWrite(name: string): void {
    const object = this.server.writeNothing(name);
    if (object !== undefined) this.answers.push({ object, how: "changed" });
  }

  ourDelete(name: string): void {
    const known = this.store.get({ namespace: "shop", name });
    if (known === undefined) return;
    this.server.delete(name, "us", known.metadata.uid);
    this.answers.push({ deleted: known });
  }

  ourRelease(name: string): void {
    const object = this.server.release(name, "us");
    if (object !== undefined) this.answers.push({ object, how: "changed" });
  }

  liveRead(name: string): void {
    const seen = this.store.get({ namespace: "shop", name });
    this.answers.push({ read: name, seen, found: structuredClone(this.server.objects.get(name)) });
  }

  /** The API server's answers overtake each other. */
  answer(which: number): void {
    const [answer] = this.answers.splice(which % Math.max(1, this.answers.length), 1);
    if (answer === undefined) return;
    if ("object" in answer) {
      this.store.written(answer.object, answer.how);
      const seen = this.store.get(refTo(answer.object));
      if (seen !== undefined && seen.metadata.uid === answer.object.metadata.uid)
        expect(versionOf(seen)).toBeGreaterThanOrEqual(versionOf(answer.object));
      return;
    }
    if ("read" in answer) {
      const ref = { namespace: "shop", name: answer.read };
      this.store.read(ref, answer.seen, answer.found);
      const seen = this.store.get(ref);
      const before = answer.seen?.metadata.uid;
      if (answer.found === undefined && before !== undefined) {
        expect(seen?.metadata.uid).not.toBe(before);
        this.gone.add(before);
      }
      if (seen !== undefined && answer.found !== undefined && seen.metadata.uid === answer.found.metadata.uid)
        expect(versionOf(seen)).toBeGreaterThanOrEqual(versionOf(answer.found));
      return;
    }
    const { uid } = answer.deleted.metadata;
    const seen = this.store.get(refTo(answer.deleted));
    if (uid !== undefined && seen?.metadata.uid === uid) this.deleted.add(uid);
    this.store.deleted(refTo(answer.deleted), uid ?? "");
  }

  deliver(count: number): void {
    if (this.#listing !== undefined) return;
    for (const event of this.server.log.slice(this.#delivered, this.#delivered + count)) {
      this.#delivered += 1;
      const deltas = this.store.change(event.frame, structuredClone(event.object));
      for (const delta of deltas) {
        if (delta.type !== "deleted" && delta.own === true) expect(event.author).toBe("us");
      }
      this.follow(deltas);
    }
  }

  /** A connection that was opened again tells some events twice. */
  repeat(count: number): void {
    if (this.#listing !== undefined) return;
    for (const event of this.server.log.slice(Math.max(0, this.#delivered - count), this.#delivered)) {
      expect(this.store.change(event.frame, structuredClone(event.object))).toEqual([]);
    }
  }

  bookmark(): void {
    if (this.#listing !== undefined) return;
    const next = this.server.log[this.#delivered];
    this.store.bookmark(String(next === undefined ? this.server.version : next.version - 1));
  }

  /** A list is read, and arrives later: much may happen in between. */
  startList(): void {
    this.#listing ??= this.server.snapshot();
    this.#listedAt = this.server.log.findIndex((event) => event.version > Number(this.#listing?.resourceVersion));
    if (this.#listedAt < 0) this.#listedAt = this.server.log.length;
  }

  finishList(): void {
    if (this.#listing === undefined) return;
    this.replace(this.#listing, this.#listedAt);
    this.#listing = undefined;
  }

  replace(snapshot: Snapshot, delivered: number): void {
    const items = snapshot.items.map((item) => this.store.prepare(item));
    const deltas = this.store.replace(items, snapshot.resourceVersion);
    for (const delta of deltas) if (delta.type !== "deleted") expect(delta.own).toBeUndefined();
    this.#delivered = delivered;
    this.follow(deltas);
  }

  follow(deltas: readonly Delta[]): void {
    for (const delta of deltas) {
      const key = keyOf(refTo(delta.object));
      const before = this.told.get(key);
      if (delta.type === "updated") {
        expect(delta.old).toBe(before);
        expect(delta.old.metadata.uid).toBe(delta.object.metadata.uid);
      } else {
        expect(before === undefined).toBe(delta.type !== "deleted");
      }
      if (delta.type === "deleted") this.told.delete(key);
      else this.told.set(key, delta.object);
    }
  }

  check(): void {
    const listed = this.store.list();
    expect(this.store.size).toBe(listed.length);
    expect(new Set(this.store.list({ namespace: "shop" }))).toEqual(new Set(listed));
    for (const object of listed) {
      const key = keyOf(refTo(object));
      expect(this.store.get(refTo(object))).toBe(object);
      const { uid = "", deletionTimestamp, managedFields = [] } = object.metadata;
      expect(managedFields.every(({ manager }) => manager === ourManager)).toBe(true);
      const version = versionOf(object);
      expect(version, `${key} went back in time`).toBeGreaterThanOrEqual(this.newest.get(key) ?? 0n);
      this.newest.set(key, version);
      expect(this.gone, `${key} was gone`).not.toContain(uid);
      if (this.deleted.has(uid)) expect(deletionTimestamp, `${key} was deleted by us`).toBeDefined();
    }
  }

  /** Everything arrives. */
  finish(): void {
    this.finishList();
    while (this.answers.length > 0) this.answer(0);
    this.deliver(Infinity);
    const expected = new Map(
      [...this.server.objects.values()].map((object) => [keyOf(refTo(object)), versionOf(object)]),
    );
    expect(versionsOf(this.store.list())).toEqual(expected);
    expect(versionsOf(this.told.values())).toEqual(expected);
  }
}

function versionOf(object: Readonly<KubeObject>): bigint {
  return BigInt(object.metadata.resourceVersion ?? "0");
}

function versionsOf(objects: Iterable<Readonly<KubeObject>>): Map<string, bigint> {
  return new Map([...objects].map((object) => [keyOf(refTo(object)), versionOf(object)]));
}

const name = fc.constantFrom("orders-a", "orders-b");
const finalizers = fc.constantFrom<(string[] | undefined)[]>(undefined, ["holdfast.dev/cleanup"]);

const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(name, finalizers).map(
      ([name, held]) =>
        (world: World) =>
          world.ourWrite(name, held),
    ),
  },
  { weight: 1, arbitrary: name.map((name) => (world: World) => world.ourEmptyWrite(name)) },
  { weight: 3, arbitrary: name.map((name) => (world: World) => world.ourDelete(name)) },
  {
    weight: 2,
    arbitrary: fc.tuple(name, finalizers).map(
      ([name, held]) =>
        (world: World) =>
          void world.server.write(name, "others", held),
    ),
  },
  { weight: 2, arbitrary: name.map((name) => (world: World) => world.server.delete(name, "others")) },
  { weight: 1, arbitrary: name.map((name) => (world: World) => void world.server.release(name, "others")) },
  { weight: 2, arbitrary: name.map((name) => (world: World) => world.ourRelease(name)) },
  { weight: 2, arbitrary: name.map((name) => (world: World) => world.liveRead(name)) },
  { weight: 5, arbitrary: fc.nat(3).map((which) => (world: World) => world.answer(which)) },
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }).map((count) => (world: World) => world.deliver(count)) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }).map((count) => (world: World) => world.repeat(count)) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.bookmark()) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.startList()) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.finishList()) },
);

test("rules 37, 38, 39: however writes, answers, watch events, bookmarks and relists interleave: reads never go back, and the end is the server's state", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      for (const run of steps) {
        run(world);
        world.check();
      }
      world.finish();
      world.check();
    }),
    { numRuns: 2_000 },
  );
});
