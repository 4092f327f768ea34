// Which key's pass made which version of an object, so that the echo of its own write does not wake it.
import { keepNewest } from "../keep-newest.ts";
import type { Key, KubeObject } from "../kube/object.ts";

/** Echoes come within moments of the write; a version that was dropped here only costs one more pass. */
const remembered = 4_096;

export class OwnWrites {
  readonly #authors = new Map<string, Key>();

  wrote(author: Key, object: KubeObject): void {
    this.#authors.set(versionOf(object), author);
    keepNewest(this.#authors, remembered);
  }

  authorOf(object: KubeObject): Key | undefined {
    return this.#authors.get(versionOf(object));
  }
}

function versionOf({ metadata }: KubeObject): string {
  return `${metadata.uid}@${metadata.resourceVersion}`;
}
