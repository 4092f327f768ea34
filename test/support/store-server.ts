// The API server as a store sees it, without HTTP: objects, versions, a log of watch events, and who wrote what. For the
// store's properties, where thousands of interleavings are tried.
import type { KubeObject } from "../../src/runtime/kube/object.ts";

export interface LoggedEvent {
  readonly frame: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
  readonly version: number;
  readonly author: "us" | "others";
}

export const ourManager = "holdfast";

export class StoreServer {
  readonly log: LoggedEvent[] = [];
  readonly objects = new Map<string, KubeObject>();
  #version = 100;
  #uids = 0;

  get version(): number {
    return this.#version;
  }

  snapshot(): { items: KubeObject[]; resourceVersion: string } {
    return {
      items: [...this.objects.values()].map((object) => structuredClone(object)),
      resourceVersion: `${this.#version}`,
    };
  }

  /** Creates or changes; answers what the API server would. */
  write(name: string, author: "us" | "others", finalizers?: string[]): KubeObject {
    const before = this.objects.get(name);
    this.#version += 1;
    const at = String(this.#version).padStart(8, "0");
    const manager = author === "us" ? ourManager : "kubectl";
    const managedFields = (before?.metadata.managedFields ?? []).filter((entry) => entry.manager !== manager);
    const object: KubeObject = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name,
        namespace: "shop",
        uid: before?.metadata.uid ?? `uid-${(this.#uids += 1)}`,
        // No finalizer can be added to, and only `release` takes one from, what is being deleted.
        ...(before?.metadata.deletionTimestamp === undefined
          ? { finalizers }
          : { deletionTimestamp: "now", finalizers: before.metadata.finalizers }),
        resourceVersion: String(this.#version),
        managedFields: [...managedFields, { manager, time: at }],
      },
    };
    this.objects.set(name, object);
    this.#record(before === undefined ? "ADDED" : "MODIFIED", object, author);
    return structuredClone(object);
  }

  /** A write that changes nothing: the answer bears whoever's version was the last. */
  writeNothing(name: string): KubeObject | undefined {
    return structuredClone(this.objects.get(name));
  }

  /** Objects with finalizers stay, terminating. */
  delete(name: string, author: "us" | "others", uid?: string): void {
    const before = this.objects.get(name);
    if (before === undefined || (uid !== undefined && before.metadata.uid !== uid)) return;
    const held = (before.metadata.finalizers?.length ?? 0) > 0;
    if (held && before.metadata.deletionTimestamp !== undefined) return;
    this.#version += 1;
    const metadata = { ...before.metadata, resourceVersion: String(this.#version) };
    if (held) {
      const object = { ...before, metadata: { ...metadata, deletionTimestamp: "now" } };
      this.objects.set(name, object);
      this.#record("MODIFIED", object, author);
    } else {
      this.objects.delete(name);
      this.#record("DELETED", { ...before, metadata }, author);
    }
  }

  /** The last finalizer is removed from a terminating object: the answer is the object as it went. */
  release(name: string, author: "us" | "others"): KubeObject | undefined {
    const before = this.objects.get(name);
    if (before?.metadata.deletionTimestamp === undefined) return undefined;
    this.#version += 1;
    this.objects.delete(name);
    const metadata = { ...before.metadata, finalizers: [], resourceVersion: String(this.#version) };
    this.#record("DELETED", { ...before, metadata }, author);
    return structuredClone({ ...before, metadata });
  }

  #record(frame: LoggedEvent["frame"], object: KubeObject, author: "us" | "others"): void {
    this.log.push({ frame, object: structuredClone(object), version: this.#version, author });
  }
}
