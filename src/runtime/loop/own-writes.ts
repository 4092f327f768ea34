// Which key's pass made which version of an object, so that the echo of its own write does not wake it.
import type { Key, KubeObject } from "../kube/object.ts";

/** Echoes come within moments of the write; a version that was dropped here only costs one more pass. */
const remembered = 4_096;

export class OwnWrites {
  readonly #authors = new Map<string, Key>();

  wrote(author: Key, object: KubeObject): void {
    if (this.#authors.size >= remembered) {
      for (const oldest of this.#authors.keys()) {
        this.#authors.delete(oldest);
        break;
      }
    }
    this.#authors.set(versionOf(object), author);
  }

  authorOf(object: KubeObject): Key | undefined {
    return this.#authors.get(versionOf(object));
  }
}

function versionOf({ metadata }: KubeObject): string {
  return `${metadata.uid}@${metadata.resourceVersion}`;
}
