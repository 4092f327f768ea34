// What holds for every write of an operator in every scenario. A client that looks at each one on its way.
import { Secret, type JsonPatch, type KubeClient } from "../../src/runtime/index.ts";
import { keyOf, resourceName, type Kind, type Ref } from "../../src/runtime/kube/object.ts";

/**
 * Each DELETE names a uid; the content of a Secret with generated passwords is never written after it was created.
 * @param violations each is added as a sentence
 */
export function watchfulClient(inner: KubeClient, violations: string[]): KubeClient {
  const name = (kind: Kind, ref: Ref): string => `${resourceName(kind)} ${keyOf(ref)}`;
  const isInternal = (kind: Kind, ref: Ref): boolean =>
    resourceName(kind) === resourceName(Secret) && ref.name.endsWith("-internal");
  const onlyMarks = (patch: JsonPatch): boolean =>
    patch.every(({ op, path }) => op === "test" || path.startsWith("/metadata/"));
  return {
    ...inner,
    apply: (kind, body, options) => {
      if (isInternal(kind, body.metadata)) violations.push(`${name(kind, body.metadata)} was applied`);
      return inner.apply(kind, body, options);
    },
    patch: (kind, ref, patch, options) => {
      if (isInternal(kind, ref) && !onlyMarks(patch)) violations.push(`${name(kind, ref)} was patched`);
      return inner.patch(kind, ref, patch, options);
    },
    delete: (kind, ref, options) => {
      if (!options.uid) violations.push(`${name(kind, ref)} was deleted without its uid`);
      return inner.delete(kind, ref, options);
    },
  };
}
