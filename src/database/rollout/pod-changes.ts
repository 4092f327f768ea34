// What of a Pod is not as its StatefulSet declares it, in words: for Events. Pure.
import { isDeepStrictEqual } from "node:util";
import type { Pod, StatefulSet } from "../../runtime/index.ts";
import type { Instance } from "../instances.ts";

type PodSpec = NonNullable<Pod["spec"]>;
type TemplateSpec = NonNullable<NonNullable<NonNullable<StatefulSet["spec"]>["template"]>["spec"]>;

/**
 * E.g. "image, resources changed". Only what a spec can change is told apart; the API server has put the same defaults into
 * template and Pod, and more into the Pod, so that the rest is not compared.
 */
export function podChanges({ statefulSet, pod }: Instance): string {
  const [declared, actual] = [statefulSet?.spec?.template.spec, pod?.spec];
  if (declared === undefined || actual === undefined) return "its template changed";
  const changed = Object.entries(parts).flatMap(([name, differs]) => (differs(declared, actual) ? [name] : []));
  return changed.length === 0 ? "its template changed" : `${changed.join(", ")} changed`;
}

const parts: Readonly<Record<string, (declared: TemplateSpec, actual: PodSpec) => boolean>> = {
  image: (declared, actual) => declared.containers[0]?.image !== actual.containers[0]?.image,
  resources: (declared, actual) => !same(declared.containers[0]?.resources, actual.containers[0]?.resources),
  placement: (declared, actual) =>
    !same(declared.nodeSelector, actual.nodeSelector) ||
    !same(declared.affinity, actual.affinity) ||
    !same(declared.topologySpreadConstraints, actual.topologySpreadConstraints) ||
    !same(declared.tolerations ?? [], tolerationsOf(actual)),
};

/** Without those that every Pod is given (https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/). */
function tolerationsOf({ tolerations = [] }: PodSpec): readonly unknown[] {
  return tolerations.filter(({ key }) => key?.startsWith("node.kubernetes.io/") !== true);
}

const same = (declared: unknown, actual: unknown): boolean => isDeepStrictEqual(declared ?? {}, actual ?? {});
